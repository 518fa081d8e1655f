"""An engine that nobody asks gives its memory back, and comes again with the next work."""

import itertools
import threading
import time

import pytest

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.engine.base import Engine, EngineError, EngineNotReady
from dsc_lsp.engine.worker import EngineWorker, Report, WorkerState, WorkerStatus
from tests.scripted import ScriptedEngine
from tests.workers import SECONDS, answer, never, until


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
