"""The files of the workspace become known to the lookup, on a thread of their own.

They are read from the folders' indexes, so that nothing is read from the disk or looked through
for secrets twice.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dsc_lsp.repository.paths import place_of
from dsc_lsp.repository.store import Store, index_path

if TYPE_CHECKING:
    from dsc_lsp.lookup.index import Index

_log = logging.getLogger(__name__)
_MOST_CHARACTERS = 48_000_000
"""What a lookup of some 200 MB holds; files beyond are known once the editor opens them."""

_HELD_BACK_SECONDS = 30.0
"""While a folder is indexed, at least, and as long as it has been indexed by then: learning takes
a core from indexing, and what is learnt bit by bit is sorted again and again."""

_Task: TypeAlias = "Callable[[], None]"


@dataclass(eq=False)
class _Learnt:
    """A folder's index, up to which of its files it has been read, and their lengths.

    ``begun_seconds`` and ``at_seconds`` are when it was opened and when it was read last.
    """

    store: Store
    last_number: int = 0
    begun_seconds: float = field(default_factory=time.monotonic)
    at_seconds: float = field(default_factory=time.monotonic)
    lengths: dict[str, int] = field(default_factory=dict)


def texts_of(root: Path, store: Store) -> Iterator[tuple[str, str]]:
    """Yield the texts of a folder's index by URI, as many as a lookup has room for."""
    room = _MOST_CHARACTERS
    for _, path, text in store.added_after(0):
        if len(text) <= room:
            room -= len(text)
            yield _uri(root, path), text


class Learning:
    """Tells the lookup of the files in folders, but for those that are open in the editor.

    ``index`` is called on the thread of its own, because what it imports takes a while;
    ``is_open`` on any thread.
    """

    def __init__(self, index: "Callable[[], Index]", is_open: Callable[[str], bool]) -> None:
        self._index = index
        self._is_open = is_open
        self._learnt: dict[Path, _Learnt] = {}
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="learning", daemon=True)
        self._thread.start()

    def set_folders(self, roots: Sequence[Path]) -> None:
        """Know the files of these folders and of no others; returns at once."""
        self._tasks.put(lambda: self._keep(tuple(roots)))

    def index_changed(self, root: Path, *, complete: bool) -> None:
        """Learn what is new in a folder's index; returns at once.

        ``complete`` says that what is not in the index is not there. Until then, what is new is
        left for a later call.
        """
        self._tasks.put(lambda: self._learn(root, complete=complete))

    def near_indexed(self, root: Path, paths: Sequence[str]) -> None:
        """Learn some files of a folder's index before their turn; returns at once."""
        self._tasks.put(lambda: self._learn_near(root, paths))

    def when_done(self, call: Callable[[], None]) -> None:
        """Call something once all that was asked for is done."""
        self._tasks.put(call)

    def close(self) -> None:
        """Forget all files and end the thread; returns at once."""
        self._closed.set()
        self._tasks.put(lambda: self._keep(()))
        self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception as error:  # noqa: BLE001 - the thread boundary: files are data
                _log.error("learning the workspace failed (%s)", type(error).__name__)

    def _keep(self, roots: tuple[Path, ...]) -> None:
        for root in self._learnt.keys() - set(roots):
            learnt = self._learnt.pop(root)
            learnt.store.close()
            self._forget(root, learnt, list(learnt.lengths))
        for root in roots:
            if root not in self._learnt:
                self._learnt[root] = _Learnt(Store(index_path(root)))

    def _learn(self, root: Path, *, complete: bool) -> None:
        learnt = self._learnt.get(root)
        if learnt is None or self._closed.is_set():
            return
        pause = max(_HELD_BACK_SECONDS, learnt.at_seconds - learnt.begun_seconds)
        if not complete and time.monotonic() < learnt.at_seconds + pause:
            return
        self._index().update_all(self._kept(root, learnt, _new_texts(learnt)))
        learnt.at_seconds = time.monotonic()
        if complete:
            gone = learnt.lengths.keys() - learnt.store.paths()
            self._forget(root, learnt, list(gone))

    def _learn_near(self, root: Path, paths: Sequence[str]) -> None:
        learnt = self._learnt.get(root)
        if learnt is None or self._closed.is_set():
            return
        unread = [path for path in paths if path not in learnt.lengths]
        texts = ((path, text) for path in unread if (text := learnt.store.text(path)) is not None)
        self._index().update_all(self._kept(root, learnt, texts))

    def _kept(
        self, root: Path, learnt: _Learnt, texts: Iterable[tuple[str, str]]
    ) -> Iterator[tuple[str, str]]:
        """Yield the texts, by URI, that there is room for and that no editor has open."""
        room = _MOST_CHARACTERS - sum(sum(one.lengths.values()) for one in self._learnt.values())
        for path, text in texts:
            uri, before = _uri(root, path), learnt.lengths.get(path, 0)
            if self._closed.is_set():
                return
            if self._is_open(uri) or len(text) > room + before:
                continue
            room += before - len(text)
            learnt.lengths[path] = len(text)
            yield uri, text

    def _forget(self, root: Path, learnt: _Learnt, paths: Iterable[str]) -> None:
        for path in paths:
            learnt.lengths.pop(path)
            uri = _uri(root, path)
            # A folder within a folder that is kept: the file is known through that, too.
            if not self._is_open(uri) and not self._is_learnt(uri):
                self._index().remove(uri)

    def _is_learnt(self, uri: str) -> bool:
        places = (place_of(uri, (root,)) for root in self._learnt)
        return any(found and found[1] in self._learnt[found[0]].lengths for found in places)


def _new_texts(learnt: _Learnt) -> Iterator[tuple[str, str]]:
    for number, path, text in learnt.store.added_after(learnt.last_number):
        learnt.last_number = number
        yield path, text


def _uri(root: Path, path: str) -> str:
    return (root / path).as_uri()
