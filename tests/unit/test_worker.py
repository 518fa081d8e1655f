"""The thread that owns the engine: whoever asks is answered, whatever happens."""

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

import pytest

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.engine.base import Engine, EngineError, EngineNotReady
from dsc_lsp.engine.worker import EngineWorker, Report, WorkerState, WorkerStatus
from tests.scripted import ScriptedEngine

T = TypeVar("T")
SECONDS = 20.0
"""How long to wait for what must happen; nothing here takes a hundredth of it."""


def test_work_runs_on_the_engines_thread() -> None:
    engine = ScriptedEngine("")
    with running(lambda _report: engine) as worker:
        given_engine, thread = answer(
            worker, lambda given, _cancel: (given, threading.current_thread().name)
        )
    assert given_engine is engine
    assert thread == "engine"
    assert engine.closed


def test_requests_while_loading_are_refused_at_once() -> None:
    loaded = threading.Event()
    with opened(lambda _report: wait(loaded, ScriptedEngine(""))) as worker:
        worker.start()
        future = worker.submit(never, CancelToken())
        assert future.done()
        with pytest.raises(EngineNotReady):
            future.result()
        loaded.set()


def test_requests_before_the_start_are_refused_at_once() -> None:
    worker = EngineWorker(lambda _report: ScriptedEngine(""))
    assert isinstance(worker.submit(never, CancelToken()).exception(SECONDS), EngineNotReady)


def test_loading_is_reported_step_by_step() -> None:
    def load(report: Report) -> Engine:
        report("Reading", 10)
        report("Warming up", 90)
        return ScriptedEngine("")

    told: list[WorkerStatus] = []
    with running(load, told.append) as worker:
        assert worker.status == told[-1]
    assert told == [
        WorkerStatus(WorkerState.LOADING, "Reading", 10),
        WorkerStatus(WorkerState.LOADING, "Warming up", 90),
        WorkerStatus(WorkerState.READY, "scripted", 100),
    ]


def test_a_failed_load_tells_every_caller_why() -> None:
    def load(_report: Report) -> Engine:
        raise EngineError("There is no model. Get one.")

    with running(load) as worker:
        assert worker.status == WorkerStatus(WorkerState.FAILED, "There is no model. Get one.")
        for _ in range(3):
            error = worker.submit(never, CancelToken()).exception(SECONDS)
            assert type(error) is EngineError
            assert str(error) == "There is no model. Get one."


def test_a_bug_while_loading_is_a_failed_load(caplog: pytest.LogCaptureFixture) -> None:
    def load(_report: Report) -> Engine:
        raise ZeroDivisionError("x / 0")

    with running(load) as worker:
        error = worker.submit(never, CancelToken()).exception(SECONDS)
    assert isinstance(error, EngineError)
    assert str(error) == "Loading the model failed (ZeroDivisionError); see the server's log."
    assert "x / 0" in caplog.text


def test_the_thread_survives_what_the_work_raises() -> None:
    with running() as worker:
        for error in (EngineError("no memory"), ZeroDivisionError(), Cancelled(), MemoryError()):
            assert worker.submit(raising(error), CancelToken()).exception(SECONDS) is error
        assert answer(worker, lambda _engine, _cancel: "still here") == "still here"


def test_the_newest_request_runs_first() -> None:
    order: list[str] = []
    with running() as worker, busy(worker):
        futures = [
            worker.submit(lambda _engine, _cancel, name=name: order.append(name), CancelToken())
            for name in ("old", "newer", "newest")
        ]
    for future in futures:
        future.result(SECONDS)
    assert order == ["newest", "newer", "old"]


def test_work_cancelled_while_it_waits_is_not_begun() -> None:
    cancel = CancelToken()
    with running() as worker, busy(worker):
        future = worker.submit(never, cancel)
        cancel.cancel()
    assert isinstance(future.exception(SECONDS), Cancelled)


def test_work_whose_future_is_cancelled_is_not_begun() -> None:
    with running() as worker:
        with busy(worker):
            future = worker.submit(never, CancelToken())
            assert future.cancel()
        assert answer(worker, lambda _engine, _cancel: 1) == 1
    assert future.cancelled()


def test_work_cancelled_while_it_runs_stops_at_its_next_look() -> None:
    cancel, begun = CancelToken(), threading.Event()
    with running() as worker:
        future = worker.submit(until_cancelled(begun), cancel)
        assert begun.wait(SECONDS)
        cancel.cancel()
        assert isinstance(future.exception(SECONDS), Cancelled)
        assert answer(worker, lambda _engine, _cancel: 1) == 1


async def test_a_result_is_awaited() -> None:
    with running() as worker:
        assert await worker.run(lambda engine, _cancel: engine.name, CancelToken()) == "scripted"
        with pytest.raises(EngineError, match="no memory"):
            await worker.run(raising(EngineError("no memory")), CancelToken())


async def test_a_cancelled_await_cancels_running_work() -> None:
    cancel, begun = CancelToken(), threading.Event()
    with running() as worker:
        task = asyncio.create_task(worker.run(until_cancelled(begun), cancel))
        assert await asyncio.to_thread(begun.wait, SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cancel.cancelled
        assert await worker.run(lambda _engine, _cancel: 1, CancelToken()) == 1


async def test_a_cancelled_await_takes_waiting_work_back() -> None:
    cancel = CancelToken()
    with running() as worker:
        with busy(worker):
            task = asyncio.create_task(worker.run(never, cancel))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert cancel.cancelled
        assert await worker.run(lambda _engine, _cancel: 1, CancelToken()) == 1


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


@pytest.mark.parametrize("closes", [False, True], ids=["stays open", "is closed meanwhile"])
@pytest.mark.parametrize("seed", range(3))
def test_in_a_storm_of_requests_every_future_is_answered(*, seed: int, closes: bool) -> None:
    futures: list[Future[int]] = []
    with running() as worker:
        threads = [
            threading.Thread(target=storm, args=(worker, random.Random(f"{seed} {n}"), futures))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        if closes:
            threads[0].join()
            assert worker.close(SECONDS)
        for thread in threads:
            thread.join()
        outcomes = [future.cancelled() or future.exception(SECONDS) for future in futures]
    assert len(outcomes) == 800
    assert {type(outcome) for outcome in outcomes} <= {
        bool,
        type(None),
        Cancelled,
        ZeroDivisionError,
    }


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


def test_a_listener_that_raises_does_not_end_the_thread() -> None:
    asked = threading.Event()

    def raise_when_ready(status: WorkerStatus) -> None:
        if status.state is WorkerState.READY:
            asked.set()
            raise RuntimeError

    worker = EngineWorker(lambda _report: ScriptedEngine(""), raise_when_ready)
    worker.start()
    assert asked.wait(SECONDS)
    assert answer(worker, lambda engine, _cancel: engine.name) == "scripted"
    assert worker.close(SECONDS)


def test_a_library_that_wants_to_exit_does_not_end_the_thread() -> None:
    def leave(_engine: Engine, _cancel: CancelToken) -> int:
        raise SystemExit(3)

    with running() as worker:
        with pytest.raises(EngineError, match="SystemExit"):
            answer(worker, leave)
        assert answer(worker, lambda engine, _cancel: engine.name) == "scripted"


def test_an_idle_engine_is_unloaded_and_the_next_work_loads_it_again() -> None:
    loads, states = list[ScriptedEngine](), list[WorkerState]()
    unloaded, ready = threading.Event(), threading.Event()

    class Closing(ScriptedEngine):
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    def load(_report: Report) -> Engine:
        loads.append(Closing("again" if loads else "first"))
        return loads[-1]

    def tell(status: WorkerStatus) -> None:
        states.append(status.state)
        if status.state is WorkerState.UNLOADED:
            assert loads[-1].is_closed
            assert status.message == loads[-1].name
            unloaded.set()
        if status.state is WorkerState.READY:
            ready.set()

    worker = EngineWorker(
        load, tell, stand_in=ScriptedEngine("meanwhile"), idle_seconds=lambda: 0.1
    )
    worker.start()
    assert ready.wait(SECONDS)
    assert unloaded.wait(SECONDS)
    ready.clear()
    assert len(loads) == 1, "nothing is loaded before somebody asks"
    future = worker.submit(lambda engine, _cancel: engine, CancelToken())
    assert worker.status.state in {WorkerState.LOADING, WorkerState.READY}
    assert isinstance(future.result(SECONDS), ScriptedEngine), "the stand-in answers"
    assert ready.wait(SECONDS)
    assert answer(worker, lambda engine, _cancel: engine) is loads[1]
    assert states[:4] == [
        WorkerState.READY,
        WorkerState.UNLOADED,
        WorkerState.LOADING,
        WorkerState.READY,
    ]
    assert worker.close(SECONDS)


def test_an_engine_that_has_work_is_not_unloaded() -> None:
    worker = EngineWorker(lambda _report: ScriptedEngine(""), idle_seconds=lambda: 0.05)
    worker.start()
    until(lambda: worker.status.state is WorkerState.READY)
    for _ in range(20):
        assert answer(worker, lambda _engine, _cancel: time.sleep(0.01)) is None
    assert worker.status.state is WorkerState.READY
    assert worker.close(SECONDS)


@pytest.mark.parametrize("without", [True, False])
def test_an_unloaded_engine_is_told_as_loading_without_a_stand_in(*, without: bool) -> None:
    """Also when loading it again fails: then the reason is told."""
    loads = itertools.count()

    def load(_report: Report) -> Engine:
        if next(loads) and without:
            raise EngineError("gone from the disk")
        return ScriptedEngine("")

    worker = EngineWorker(load, idle_seconds=lambda: 0.02)
    worker.start()
    until(lambda: worker.status.state is WorkerState.UNLOADED)
    with pytest.raises(EngineNotReady):
        answer(worker, never)
    last = WorkerState.FAILED if without else WorkerState.READY
    until(lambda: worker.status.state is last)
    assert worker.close(SECONDS)


def test_a_reload_that_has_failed_is_tried_again_later() -> None:
    loads = itertools.count()

    def load(_report: Report) -> Engine:
        if next(loads) in (1, 2):
            raise EngineError("no memory")
        return ScriptedEngine("")

    worker = EngineWorker(load, idle_seconds=lambda: 0.02, retry_seconds=0.2)
    worker.start()
    until(lambda: worker.status.state is WorkerState.UNLOADED)
    with pytest.raises(EngineNotReady):
        answer(worker, never)
    until(lambda: worker.status.state is WorkerState.FAILED)
    with pytest.raises(EngineError, match="no memory"):
        answer(worker, never)
    assert next(loads) == 2, "not at each key"
    loads = iter((2, 3))
    time.sleep(0.2)
    for state in (WorkerState.FAILED, WorkerState.READY):
        with pytest.raises(EngineNotReady):
            answer(worker, never)
        until(lambda state=state: worker.status.state is state)
        time.sleep(0.2 if state is WorkerState.FAILED else 0)
    assert worker.close(SECONDS)


def test_a_first_load_that_fails_is_final() -> None:
    def load(_report: Report) -> Engine:
        raise EngineError("no such model")

    worker = EngineWorker(load, retry_seconds=0)
    worker.start()
    until(lambda: worker.status.state is WorkerState.FAILED)
    for _ in range(2):
        with pytest.raises(EngineError, match="no such model"):
            answer(worker, never)
    assert worker.close(SECONDS)


def test_close_after_a_reload_that_has_failed() -> None:
    loads = itertools.count()

    def load(_report: Report) -> Engine:
        if next(loads):
            raise EngineError("no memory")
        return ScriptedEngine("")

    worker = EngineWorker(load, idle_seconds=lambda: 0.02)
    worker.start()
    until(lambda: worker.status.state is WorkerState.UNLOADED)
    with pytest.raises(EngineNotReady):
        answer(worker, never)
    until(lambda: worker.status.state is WorkerState.FAILED)
    assert worker.close(SECONDS)


def test_close_while_unloaded() -> None:
    worker = EngineWorker(lambda _report: ScriptedEngine(""), idle_seconds=lambda: 0.02)
    worker.start()
    until(lambda: worker.status.state is WorkerState.UNLOADED)
    assert worker.close(SECONDS)
    with pytest.raises(Cancelled):
        answer(worker, never)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def never(_engine: Engine, _cancel: CancelToken) -> int:
    raise AssertionError("this work must not begin")


def raising(error: Exception) -> Callable[[Engine, CancelToken], int]:
    def work(_engine: Engine, _cancel: CancelToken) -> int:
        raise error

    return work


def storm(worker: EngineWorker, chance: random.Random, futures: list[Future[int]]) -> None:
    """Submit work that ends, fails or is cancelled, in the queue or while it runs."""
    for _ in range(200):
        cancel = CancelToken()
        future = worker.submit(chance.choice([looking, raising(ZeroDivisionError())]), cancel)
        futures.append(future)
        if chance.random() < 0.3:
            cancel.cancel()
        if chance.random() < 0.2:
            future.cancel()


def looking(_engine: Engine, cancel: CancelToken) -> int:
    for _ in range(20):
        cancel.check()
    return 1


def until_cancelled(begun: threading.Event) -> Callable[[Engine, CancelToken], int]:
    def work(_engine: Engine, cancel: CancelToken) -> int:
        begun.set()
        while True:
            cancel.check()

    return work


def wait(event: threading.Event, engine: Engine) -> Engine:
    assert event.wait(SECONDS)
    return engine


def answer(worker: EngineWorker, work: Callable[[Engine, CancelToken], T]) -> T:
    return worker.submit(work, CancelToken()).result(SECONDS)


@contextmanager
def opened(load: Callable[[Report], Engine]) -> Iterator[EngineWorker]:
    worker = EngineWorker(load)
    yield worker
    assert worker.close(SECONDS)


@contextmanager
def running(
    load: Callable[[Report], Engine] = lambda _report: ScriptedEngine(""),
    on_status: Callable[[WorkerStatus], None] = lambda _status: None,
) -> Iterator[EngineWorker]:
    """Start a worker, wait for the end of loading, close it in the end."""
    loaded = threading.Event()

    def tell(status: WorkerStatus) -> None:
        on_status(status)
        if status.state is not WorkerState.LOADING:
            loaded.set()

    worker = EngineWorker(load, tell)
    worker.start()
    assert loaded.wait(SECONDS)
    yield worker
    assert worker.close(SECONDS)


@contextmanager
def busy(worker: EngineWorker) -> Iterator[None]:
    """Keep the worker busy, so that what is submitted meanwhile waits."""
    begun, go_on = threading.Event(), threading.Event()

    def work(_engine: Engine, _cancel: CancelToken) -> bool:
        begun.set()
        return go_on.wait(SECONDS)

    future = worker.submit(work, CancelToken())
    assert begun.wait(SECONDS)
    yield
    go_on.set()
    assert future.result(SECONDS)
