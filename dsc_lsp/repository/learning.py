"""The files of the workspace become known to the lookup, on a thread of their own."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dsc_lsp.repository import files
from dsc_lsp.repository.reader import place_of

if TYPE_CHECKING:
    from dsc_lsp.lookup.index import Index

_log = logging.getLogger(__name__)
_MOST_CHARACTERS = 48_000_000
"""What a lookup of some 200 MB holds; files beyond are known once the editor opens them."""

_Task: TypeAlias = "Callable[[], None]"


class Learning:
    """Tells an index of the files in folders, but for those that are open in the editor.

    ``index`` is called on the thread of its own, because what it imports takes a while;
    ``is_open`` on any thread. Files that may not enter a prompt are never told of.
    """

    def __init__(self, index: "Callable[[], Index]", is_open: Callable[[str], bool]) -> None:
        self._index = index
        self._is_open = is_open
        self._roots: tuple[Path, ...] = ()
        self._known: dict[str, int] = {}
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="learning", daemon=True)

    def set_folders(self, roots: Sequence[Path]) -> None:
        """Know the files of these folders and of no others; returns at once."""
        if self._thread.ident is None:
            self._thread.start()
        self._tasks.put(lambda: self._learn_folders(tuple(roots)))

    def files_changed(self, paths: Sequence[Path]) -> None:
        """Read files anew that have changed on the disk, or forget them; returns at once."""
        uris = [path.as_uri() for path in paths if path.is_absolute()]
        self._tasks.put(lambda: self._learn_files(uris))

    def closed_in_editor(self, uri: str) -> None:
        """Know a document as the disk has it again; returns at once."""
        self._tasks.put(lambda: self._learn_files([uri]))

    def is_in_folders(self, uri: str) -> bool:
        """Whether a file lies in one of the folders."""
        return place_of(uri, self._roots) is not None

    def wait(self, timeout_seconds: float) -> bool:
        """Return whether all that was asked for is done within the time."""
        done = threading.Event()
        self._tasks.put(done.set)
        return done.wait(timeout_seconds)

    def close(self) -> None:
        """Read no more; returns at once."""
        self._closed.set()
        self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception as error:  # noqa: BLE001 - the thread boundary: files are data
                _log.error("reading the workspace failed (%s)", type(error).__name__)

    def _learn_folders(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots
        index = self._index()
        for uri in [uri for uri in self._known if place_of(uri, roots) is None]:
            self._forget(index, uri)
        index.update_all(self._texts(roots))

    def _texts(self, roots: tuple[Path, ...]) -> Iterator[tuple[str, str]]:
        room = _MOST_CHARACTERS - sum(self._known.values())
        for root in roots:
            for state in files.walk(root):
                uri = (root / state.path).as_uri()
                if self._closed.is_set():
                    return
                if uri in self._known or self._is_open(uri):
                    continue
                text = files.read(root, state.path)
                if text is None or len(text) > room:
                    continue
                room -= len(text)
                self._known[uri] = len(text)
                yield uri, text

    def _learn_files(self, uris: Sequence[str]) -> None:
        index, read = self._index(), list[tuple[str, str]]()
        for uri in uris:
            place = place_of(uri, self._roots)
            if place is None or self._is_open(uri):
                continue
            state = files.state_of(*place)
            text = None if state is None else files.read(*place)
            if text is None:
                self._forget(index, uri)
            else:
                self._known[uri] = len(text)
                read.append((uri, text))
        index.update_all(read)

    def _forget(self, index: "Index", uri: str) -> None:
        self._known.pop(uri, None)
        index.remove(uri)
