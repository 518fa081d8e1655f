"""Other suggestions for the place where the user asked for some: next and previous.

They are made one after another behind the first. Who asks waits for them no longer than the
deadline; what comes later is there when the editor asks again. They are given up when somebody
else needs the engine, and when the user asks somewhere else.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.document import Cursor, Document
from dsc_lsp.engine.base import Engine
from dsc_lsp.engine.worker import EngineWorker
from dsc_lsp.postprocess import Candidate
from dsc_lsp.server.background import Background

Make = Callable[[Engine, CancelToken, Callable[[Candidate], None]], None]
"""Makes candidates, on the engine's thread, and hands each on as soon as it is there."""


@dataclass(eq=False)
class _Round:
    cursor: Cursor
    base: Document
    found: list[Candidate] = field(default_factory=list[Candidate])
    waiting: "asyncio.Future[None] | None" = None
    task: "asyncio.Task[None] | None" = None

    @property
    def is_over(self) -> bool:
        """Whether no more will be found."""
        return self.task is None or self.task.done()


class Alternatives:
    """The alternatives of one place, the last where some were asked for; event loop only.

    ``on_end`` is called with what has come of them when all are there.
    """

    def __init__(
        self, worker: EngineWorker, on_end: Callable[[Cursor, list[Candidate]], None]
    ) -> None:
        self._background = Background(worker)
        self._on_end = on_end
        self._round: _Round | None = None

    @property
    def are_made(self) -> bool:
        """Whether some are being made."""
        return self._round is not None and not self._round.is_over

    def give_up(self) -> None:
        """Stop making them, and let who waits have what is there."""
        if self._round is not None:
            self._background.give_way()
            _answer(self._round)
            self._round = None

    def supersede(self, cursor: Cursor, base: Document, *, is_same_kind: bool) -> None:
        """Give up what nobody needs now that somebody asks at a cursor.

        Who waits is told so if the newer request is one of its kind, or about another text.
        """
        round_ = self._round
        if round_ is None or round_.base.uri != base.uri:
            return
        stale = round_.base is not base
        if stale or is_same_kind:
            _answer(round_, Cancelled())
            if stale or not _is_at(round_, cursor):
                self.give_up()

    async def at(
        self, cursor: Cursor, base: Document, make: Make, seconds: float | None
    ) -> list[Candidate]:
        """Return the candidates that are there after so many seconds, or all of them.

        Raises:
            Cancelled: a newer request superseded this one.
        """
        round_ = self._round
        if round_ is None or not _is_at(round_, cursor):
            self.give_up()
            round_ = self._round = _Round(cursor, base)
            round_.task = asyncio.ensure_future(self._run(round_, make))
            round_.task.add_done_callback(lambda _task, ended=round_: _answer(ended))
        if not round_.is_over:
            await self._wait(round_, seconds)
        return list(round_.found)

    async def _run(self, round_: _Round, make: Make) -> None:
        def end(_nothing: None) -> None:
            if self._round is round_:
                self._on_end(round_.cursor, round_.found)

        await self._background.run(
            lambda engine, cancel: make(engine, cancel, round_.found.append), end
        )

    async def _wait(self, round_: _Round, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] = loop.create_future()
        _answer(round_, Cancelled())
        round_.waiting = waiting
        timer = None if seconds is None else loop.call_later(seconds, _answer, round_)
        try:
            await waiting
        except asyncio.CancelledError:
            if self._round is round_:
                self.give_up()
            raise
        finally:
            if timer is not None:
                timer.cancel()


def _is_at(round_: _Round, cursor: Cursor) -> bool:
    there = round_.cursor
    return there.document is cursor.document and there.position == cursor.position


def _answer(round_: _Round, error: Exception | None = None) -> None:
    """Let who waits have what is there, or tell it why it gets nothing."""
    waiting, round_.waiting = round_.waiting, None
    if waiting is None or waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)
