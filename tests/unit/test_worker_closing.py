"""The end of the engine thread: what runs stops, what waits is answered, once."""

import threading
import time

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.engine.base import Engine, EngineError
from dsc_lsp.engine.worker import EngineWorker, Report, WorkerState, WorkerStatus
from tests.scripted import ScriptedEngine
from tests.workers import SECONDS, never, running, until_cancelled, wait


def test_close_before_the_start() -> None:
    worker = EngineWorker(lambda _report: ScriptedEngine(""))
    assert worker.close(SECONDS)
    assert isinstance(worker.submit(never, CancelToken()).exception(SECONDS), Cancelled)


def test_close_while_loading_closes_the_engine_that_comes() -> None:
    loaded, engine, told = threading.Event(), ScriptedEngine(""), list[WorkerStatus]()
    worker = EngineWorker(lambda _report: wait(loaded, engine), told.append)
    worker.start()
    assert not worker.close(0), "the load cannot be stopped"
    assert worker.status.state is WorkerState.CLOSED
    loaded.set()
    assert worker.close(SECONDS)
    assert engine.closed
    assert not told, "nobody hears of a model that is ready when all is over"


def test_close_after_a_failed_load() -> None:
    def load(_report: Report) -> Engine:
        raise EngineError("none")

    with running(load) as worker:
        assert worker.close(SECONDS)
        assert isinstance(worker.submit(never, CancelToken()).exception(SECONDS), Cancelled)


def test_close_when_idle_and_once_more() -> None:
    engine = ScriptedEngine("")
    with running(lambda _report: engine) as worker:
        assert worker.close(SECONDS)
        assert engine.closed
        assert worker.close(SECONDS)
        assert isinstance(worker.submit(never, CancelToken()).exception(SECONDS), Cancelled)


def test_close_stops_what_runs_and_answers_what_waits() -> None:
    begun, engine = threading.Event(), ScriptedEngine("")
    with running(lambda _report: engine) as worker:
        runs = worker.submit(until_cancelled(begun), CancelToken())
        assert begun.wait(SECONDS)
        waits = [worker.submit(never, CancelToken()) for _ in range(3)]
        assert worker.close(SECONDS)
    assert all(isinstance(future.exception(0), Cancelled) for future in (runs, *waits))
    assert engine.closed


def test_close_says_if_the_work_does_not_end_in_time() -> None:
    begun, go_on = threading.Event(), threading.Event()
    with running() as worker:
        future = worker.submit(lambda _engine, _cancel: go_on.wait(SECONDS), CancelToken())
        while not future.running():
            begun.wait(0.001)
        assert not worker.close(0.01)
        go_on.set()
        assert worker.close(SECONDS)
        assert future.result(SECONDS) is True


def test_a_request_that_meets_close_is_answered() -> None:
    """The state must not change between the look at it and the place in the queue."""
    worker = EngineWorker(lambda _report: ScriptedEngine(""))
    ready = threading.Event()
    worker._on_status = lambda s: ready.set() if s.state is WorkerState.READY else None
    worker.start()
    assert ready.wait(SECONDS)
    closing: list[threading.Thread] = []

    def until_cancelled(_engine: Engine, cancel: CancelToken) -> None:
        # It may be begun, if the worker is faster than the one who closes it.
        while True:
            cancel.check()
            time.sleep(0.001)

    refusal = worker._refusal

    def refusal_then_close() -> Exception | None:
        result = refusal()
        thread = threading.Thread(target=worker.close, args=(SECONDS,))
        thread.start()
        thread.join(0.05)
        closing.append(thread)
        return result

    worker._refusal = refusal_then_close  # type: ignore[method-assign]
    future = worker.submit(until_cancelled, CancelToken())
    assert isinstance(future.exception(SECONDS), Cancelled)
    closing[0].join(SECONDS)
