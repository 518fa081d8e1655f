"""While the engine loads, and where that fails, whoever asks is told so at once."""

import threading

import pytest

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import Engine, EngineError, EngineNotReady
from dsc_lsp.engine.worker import EngineWorker, Report, WorkerState, WorkerStatus
from tests.scripted import ScriptedEngine
from tests.workers import SECONDS, answer, never, opened, running, until, wait


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
