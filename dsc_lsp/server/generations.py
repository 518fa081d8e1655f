"""Which generations run: one for each state of a document, shared by all who ask there.

Editors ask for ghost text and for the popup at the same key. The newer request of a kind
supersedes the older one of that kind in the same document, because Neovim and Helix never cancel;
and once a document has changed, nobody is served in its old state any longer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.completion import Completion
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine.base import Engine
from dsc_lsp.engine.worker import EngineWorker

Work = Callable[[Engine, CancelToken], Completion]


class Kind(Enum):
    """What the editor asks for."""

    INLINE = "inline"
    POPUP = "popup"


@dataclass(eq=False)
class _Generation:
    document: Document
    position: Position
    cancel: CancelToken
    task: "asyncio.Task[Completion]"
    waiting: "dict[Kind, asyncio.Future[Completion]]" = field(default_factory=dict)


class Generations:
    """The generations under way and the last finished one of each document; event loop only."""

    def __init__(self, worker: EngineWorker) -> None:
        self._worker = worker
        self._of_document: dict[str, list[_Generation]] = {}

    async def complete(self, kind: Kind, cursor: Cursor, work: Work) -> Completion:
        """Return the suggestion at a cursor, from a generation that runs, has run, or begins now.

        Raises:
            Cancelled: a newer request superseded this one.
            EngineError: the engine cannot answer.
        """
        self.supersede(kind, cursor)
        running = self._of_document.setdefault(cursor.document.uri, [])
        generation = next((one for one in running if _serves(one, cursor)), None)
        if generation is None:
            generation = self._begin(cursor, work)
            running.append(generation)
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
                    self._drop(cursor.document.uri, generation)
            raise

    def supersede(self, kind: Kind, cursor: Cursor) -> None:
        """Give up what nobody needs now that a request of a kind asks at a cursor."""
        for generation in list(self._of_document.get(cursor.document.uri, ())):
            # Not told by versions: some clients repeat them, and opening anew begins at 1 again.
            stale = generation.document is not cursor.document
            _supersede(generation, tuple(Kind) if stale else (kind,))
            if stale or not (generation.waiting or _serves(generation, cursor)):
                self._drop(cursor.document.uri, generation)

    def forget_all(self) -> None:
        """Give up whatever runs and forget what has run: the settings have changed."""
        for uri in list(self._of_document):
            self.forget(uri)

    def forget(self, uri: str) -> None:
        """Give up whatever runs for a document and forget what has run: it is closed."""
        for generation in list(self._of_document.get(uri, ())):
            _supersede(generation, tuple(Kind))
            self._drop(uri, generation)
        self._of_document.pop(uri, None)

    def _begin(self, cursor: Cursor, work: Work) -> _Generation:
        cancel = CancelToken()
        task = asyncio.ensure_future(self._worker.run(work, cancel))
        generation = _Generation(cursor.document, cursor.position, cancel, task)
        task.add_done_callback(lambda _task: _answer(generation))
        return generation

    def _drop(self, uri: str, generation: _Generation) -> None:
        generation.cancel.cancel()
        if generation in self._of_document.get(uri, ()):
            self._of_document[uri].remove(generation)


def _serves(generation: _Generation, cursor: Cursor) -> bool:
    same_document = generation.document is cursor.document
    same_state = same_document and generation.position == cursor.position
    return same_state and not generation.cancel.cancelled and not _failed(generation)


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
