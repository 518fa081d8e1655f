"""The thread on which all talk with servers happens, so that anything can be given up at once.

A blocking client cannot leave a look-up of a name, a connection being made or a read in which no
byte arrives; a task of an event loop can. The engine's thread waits here and looks at its cancel
token meanwhile.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from dsc_lsp.cancel import CancelToken

T = TypeVar("T")
_LOOK_SECONDS = 0.01
_CLOSE_SECONDS = 1.0


class Network:
    """An event loop on a thread of its own; its methods are for other threads."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin a piece of work; cancelling the future ends it where it is."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Coroutine[Any, Any, T], cancel: CancelToken) -> T:
        """Return what the work returns.

        Raises:
            Cancelled: somebody called ``cancel``; the work has been given up.
        """
        future = self.start(work)
        try:
            while not wait((future,), _LOOK_SECONDS).done:
                cancel.check()
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def stream(
        self, work: Callable[[Callable[[T | None], None]], Awaitable[None]], cancel: CancelToken
    ) -> Iterator[T]:
        """Yield what the work passes to its argument; leaving the iteration ends the work.

        ``None`` ends the iteration and leaves the work to come to its own end.

        Raises:
            Cancelled: somebody called ``cancel``; the work has been given up.
        """
        items: SimpleQueue[T | Exception | None] = SimpleQueue()

        async def run() -> None:
            try:
                await work(items.put)
            except Exception as error:  # noqa: BLE001 - handed to the thread that waits
                items.put(error)
            else:
                items.put(None)

        future = self.start(run())
        ended = False
        try:
            while True:
                cancel.check()
                try:
                    item = items.get(timeout=_LOOK_SECONDS)
                except Empty:
                    continue
                if item is None:
                    ended = True
                    return
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            if not ended:
                future.cancel()

    def close(self, *goodbyes: Callable[[], Awaitable[None]]) -> None:
        """Give up all work, do the last things, and end the thread."""

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, *(last() for last in goodbyes), return_exceptions=True)
            # What was closed just now is let go in the loop's next turns.
            await asyncio.sleep(0)
            self._loop.stop()

        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(end(), self._loop)
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        self._loop.run_forever()
        # Work that began while the last things were done: a loop must not be closed over it.
        while tasks := asyncio.all_tasks(self._loop):
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()
