"""Engine threads for tests, and work that waits, fails or must not begin."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import Engine
from dsc_lsp.engine.worker import EngineWorker, Report, WorkerState, WorkerStatus
from tests.scripted import ScriptedEngine

T = TypeVar("T")
SECONDS = 20.0
"""How long to wait for what must happen; nothing here takes a hundredth of it."""


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
