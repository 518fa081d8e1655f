"""The thread that owns the engine: whoever asks is answered, whatever happens."""

import asyncio
import random
import threading
from concurrent.futures import Future

import pytest

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.engine.base import Engine, EngineError
from dsc_lsp.engine.worker import EngineWorker
from tests.scripted import ScriptedEngine
from tests.workers import SECONDS, answer, busy, never, raising, running, until_cancelled


def test_work_runs_on_the_engines_thread() -> None:
    engine = ScriptedEngine("")
    with running(lambda _report: engine) as worker:
        given_engine, thread = answer(
            worker, lambda given, _cancel: (given, threading.current_thread().name)
        )
    assert given_engine is engine
    assert thread == "engine"
    assert engine.closed


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


def test_a_library_that_wants_to_exit_does_not_end_the_thread() -> None:
    def leave(_engine: Engine, _cancel: CancelToken) -> int:
        raise SystemExit(3)

    with running() as worker:
        with pytest.raises(EngineError, match="SystemExit"):
            answer(worker, leave)
        assert answer(worker, lambda engine, _cancel: engine.name) == "scripted"


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
