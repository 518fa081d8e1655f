"""Which generations run: one for each state of a document, shared by all who ask there.

Editors ask for ghost text and for the popup at the same key. The newer request of a kind
supersedes the older one of that kind in the same document, because Neovim and Helix never cancel;
and once a document has changed, nobody is served in its old state any longer. A generation goes
on, though, while the user types what it writes: its answer is then what is left of it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.completion import Completion
from dsc_lsp.document import Cursor, Document
from dsc_lsp.engine.base import Engine
from dsc_lsp.engine.worker import EngineWorker
from dsc_lsp.suggestions import Suggestion, rest_of, typed_since

Work = Callable[[Engine, CancelToken, Callable[[str], None]], Completion]
"""Completes; calls its last argument with what the model has written so far."""


class Kind(Enum):
    """What the editor asks for."""

    INLINE = "inline"
    POPUP = "popup"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a generation came to for one who asked.

    ``text`` is what is left of ``completion``'s for who has typed on since it began.
    """

    completion: Completion
    text: str


@dataclass(eq=False)
class _Generation:
    """``written`` is what the model has written so far, set by its thread."""

    cursor: Cursor
    base: Document
    cancel: CancelToken
    task: "asyncio.Task[Completion]"
    waiting: "dict[Kind, asyncio.Future[Completion]]" = field(default_factory=dict)
    written: str = ""


class Generations:
    """The generations under way and the last finished one of each document; event loop only."""

    def __init__(self, worker: EngineWorker) -> None:
        self._worker = worker
        self._of_document: dict[str, list[_Generation]] = {}

    @property
    def is_busy(self) -> bool:
        """Whether the model works for somebody."""
        return any(not one.task.done() for all_ in self._of_document.values() for one in all_)

    async def complete(
        self,
        kind: Kind,
        cursor: Cursor,
        work: Work,
        *,
        base: Document | None = None,
        wait_seconds: float = 0.0,
    ) -> Answer:
        """Return the suggestion at a cursor, from a generation that runs, has run, or begins now.

        ``base`` is the document as the editor has it, if the cursor's has been changed for the
        question. A generation that begins waits so long before it asks the model.

        Raises:
            Cancelled: a newer request superseded this one.
            EngineError: the engine cannot answer.
        """
        base = base or cursor.document
        while True:
            self.supersede(kind, cursor, base)
            running = self._of_document.setdefault(base.uri, [])
            generation = next((one for one in running if _serves(one, cursor)), None)
            generation = generation or next((one for one in running if _leads(one, cursor)), None)
            if generation is None:
                generation = self._begin(cursor, base, work, wait_seconds)
                running.append(generation)
            generation.base = base
            completion = await self._answer_of(kind, generation)
            if generation.cursor == cursor:
                return Answer(completion, completion.text)
            rest = rest_of(Suggestion(generation.cursor, completion.text), cursor)
            if rest is not None:
                return Answer(completion, rest)
            self._drop(base.uri, generation)  # it led elsewhere in the end

    async def _answer_of(self, kind: Kind, generation: _Generation) -> Completion:
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        generation.waiting[kind] = answer
        if generation.task.done():
            _answer(generation)
        try:
            return await answer
        except asyncio.CancelledError:
            if generation.waiting.get(kind) is answer:
                del generation.waiting[kind]
                if not generation.waiting:
                    self._drop(generation.base.uri, generation)
            raise

    def supersede(self, kind: Kind, cursor: Cursor, base: Document | None = None) -> None:
        """Give up what nobody needs now that a request of a kind asks at a cursor."""
        base = base or cursor.document
        for generation in list(self._of_document.get(base.uri, ())):
            # Not told by versions: some clients repeat them, and opening anew begins at 1 again.
            stale = generation.base is not base
            _supersede(generation, tuple(Kind) if stale else (kind,))
            if _leads(generation, cursor):
                continue
            if stale or not (generation.waiting or _serves(generation, cursor)):
                self._drop(base.uri, generation)

    def forget_all(self) -> None:
        """Give up whatever runs and forget what has run: the settings have changed."""
        for uri in list(self._of_document):
            self.forget(uri)

    def forget_finished(self) -> None:
        """Forget what has run, and what runs once it is done: a better engine is there."""
        for uri, generations in self._of_document.items():
            for generation in list(generations):
                if generation.task.done():
                    self._drop(uri, generation)
                    continue
                # Behind the callback that gives its result to who waits for it.
                generation.task.add_done_callback(
                    lambda _task, uri=uri, generation=generation: self._drop(uri, generation)
                )

    def forget(self, uri: str) -> None:
        """Give up whatever runs for a document and forget what has run: it is closed."""
        for generation in list(self._of_document.get(uri, ())):
            _supersede(generation, tuple(Kind))
            self._drop(uri, generation)
        self._of_document.pop(uri, None)

    def _begin(
        self, cursor: Cursor, base: Document, work: Work, wait_seconds: float
    ) -> _Generation:
        cancel = CancelToken()

        def write(text: str) -> None:
            generation.written = text

        async def run() -> Completion:
            if wait_seconds:
                await asyncio.sleep(wait_seconds)
                cancel.check()
            return await self._worker.run(lambda engine, token: work(engine, token, write), cancel)

        generation = _Generation(cursor, base, cancel, asyncio.ensure_future(run()))
        generation.task.add_done_callback(lambda _task: _answer(generation))
        return generation

    def _drop(self, uri: str, generation: _Generation) -> None:
        generation.cancel.cancel()
        if generation in self._of_document.get(uri, ()):
            self._of_document[uri].remove(generation)


def _serves(generation: _Generation, cursor: Cursor) -> bool:
    same_document = generation.cursor.document is cursor.document
    same_state = same_document and generation.cursor.position == cursor.position
    return same_state and not generation.cancel.cancelled and not _failed(generation)


def _leads(generation: _Generation, cursor: Cursor) -> bool:
    """Whether the user has typed what a generation under way is writing, or may be about to."""
    if generation.task.done() or generation.cancel.cancelled:
        return False
    typed = typed_since(generation.cursor, cursor)
    written = generation.written
    return bool(typed) and (written.startswith(typed) or typed.startswith(written))


def _failed(generation: _Generation) -> bool:
    task = generation.task
    return task.done() and (task.cancelled() or task.exception() is not None)


def _supersede(generation: _Generation, kinds: tuple[Kind, ...]) -> None:
    for kind in kinds:
        answer = generation.waiting.pop(kind, None)
        if answer is not None and not answer.done():
            answer.set_exception(Cancelled())


def _answer(generation: _Generation) -> None:
    """Give the result of a finished generation to all who wait for it."""
    task = generation.task
    error = Cancelled() if task.cancelled() else task.exception()
    waiting, generation.waiting = generation.waiting, {}
    for answer in waiting.values():
        if answer.done():
            continue
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(task.result())
