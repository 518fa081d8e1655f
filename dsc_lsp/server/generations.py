"""Which generations run: one for each state of a document, shared by all who ask there.

Editors ask for ghost text and for the popup at the same key. The newer request of a kind
supersedes the older one of that kind in the same document, because Neovim and Helix never cancel;
and once a document has changed, nobody is served in its old state any longer. A generation goes
on, though, while the user types what it writes: its answer is then what is left of it. It also
goes on behind its deadline, when what was complete by then has been answered: nobody waits for
it any longer, and it makes way for the next that needs the engine.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.completion import Completion, Progress, nothing
from dsc_lsp.document import Cursor, Document
from dsc_lsp.engine.base import Engine
from dsc_lsp.engine.worker import EngineWorker
from dsc_lsp.suggestions import Suggestion, rest_of, typed_since

Work = Callable[[Engine, CancelToken, Progress], Completion]
"""Completes, and keeps its last argument up with what the model has written."""

_NOTHING_YET = nothing(
    "Nothing was complete within `dsc.deadlineMilliseconds`; the model goes on writing.",
    is_part=True,
)


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
    cursor: Cursor
    base: Document
    cancel: CancelToken
    task: "asyncio.Task[Completion]"
    waiting: "dict[Kind, asyncio.Future[Completion]]" = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody has not been answered yet."""
        return bool(self.waiting)


class Generations:
    """The generations under way and the last finished one of each document; event loop only.

    ``on_late`` is called with what has come of a generation behind its deadline.
    """

    def __init__(
        self,
        worker: EngineWorker,
        on_late: Callable[[Cursor, Completion], None] = lambda _cursor, _completion: None,
    ) -> None:
        self._worker = worker
        self._on_late = on_late
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
        deadline_seconds: float = 0.0,
    ) -> Answer:
        """Return the suggestion at a cursor, from a generation that runs, has run, or begins now.

        ``base`` is the document as the editor has it, if the cursor's has been changed for the
        question. A generation that begins waits so long before it asks the model. After the
        deadline, unless it is 0, what is complete by then is returned, maybe nothing.

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
            completion = await self._answer_of(kind, generation, deadline_seconds)
            if generation.cursor == cursor:
                return Answer(completion, completion.text)
            rest = rest_of(Suggestion(generation.cursor, completion.text), cursor)
            if rest is not None:
                return Answer(completion, rest)
            if completion.is_part:
                return Answer(_NOTHING_YET, "")
            self._drop(base.uri, generation)  # it led elsewhere in the end

    async def _answer_of(
        self, kind: Kind, generation: _Generation, deadline_seconds: float
    ) -> Completion:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Completion] = loop.create_future()
        generation.waiting[kind] = answer
        if generation.task.done():
            _answer(generation)
        elif deadline_seconds:
            loop.call_later(deadline_seconds, _answer_part, kind, generation, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            if generation.waiting.get(kind) is answer:
                del generation.waiting[kind]
                if not generation.is_waited_for:
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
            if stale or not (generation.is_waited_for or _serves(generation, cursor)):
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
        self._make_way()
        cancel, progress = CancelToken(), Progress()

        async def run() -> Completion:
            if wait_seconds:
                await asyncio.sleep(wait_seconds)
                cancel.check()
            return await self._worker.run(
                lambda engine, token: work(engine, token, progress), cancel
            )

        task = asyncio.ensure_future(run())
        generation = _Generation(cursor, base, cancel, task, progress=progress)
        task.add_done_callback(lambda _task: self._ended(generation))
        return generation

    def _make_way(self) -> None:
        """Give up the generations that nobody waits for, in any document."""
        for uri, generations in self._of_document.items():
            for generation in list(generations):
                if not generation.task.done() and not generation.is_waited_for:
                    self._drop(uri, generation)

    def _ended(self, generation: _Generation) -> None:
        late = not generation.is_waited_for and not generation.cancel.cancelled
        if late and not _failed(generation):
            self._on_late(generation.cursor, generation.task.result())
        _answer(generation)

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
    written = generation.progress.text
    return bool(typed) and (written.startswith(typed) or typed.startswith(written))


def _failed(generation: _Generation) -> bool:
    task = generation.task
    return task.done() and (task.cancelled() or task.exception() is not None)


def _supersede(generation: _Generation, kinds: tuple[Kind, ...]) -> None:
    for kind in kinds:
        answer = generation.waiting.pop(kind, None)
        if answer is not None and not answer.done():
            answer.set_exception(Cancelled())


def _answer_part(
    kind: Kind, generation: _Generation, answer: "asyncio.Future[Completion]"
) -> None:
    """Give who waits what is complete at the deadline; the generation goes on."""
    if answer.done():
        return
    del generation.waiting[kind]
    answer.set_result(generation.progress.part or _NOTHING_YET)


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
