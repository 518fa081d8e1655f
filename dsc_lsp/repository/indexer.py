"""The process that keeps the indexes: ``python -m dsc_lsp.repository.indexer``.

It reads commands, one JSON object a line, and reports in the same way, so that parsing and
compressing thousands of files never holds up the server's event loop (the interpreter has one
lock). It ends when its input does: whatever becomes of the server, nothing is left behind.
"""

import json
import os
import queue
import sqlite3
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from dsc_lsp.repository import indexing
from dsc_lsp.repository.changes import changed_lines
from dsc_lsp.repository.contents import NO_STRUCTURE, packed, structure_of
from dsc_lsp.repository.files import may_be_shown
from dsc_lsp.repository.store import Store, index_path

_RESCAN_SECONDS = {True: 60.0, False: 600.0}
"""How often to look for changes, by whether nobody tells of them; clients that do miss some."""

_RULES = frozenset({".gitignore", "tsconfig.json", "jsconfig.json", "go.mod"})
"""Files whose change changes what is known of others."""

_REPORT_SECONDS = 0.1
_REPORTING = threading.Lock()
_NOT_KEPT = "The index of the workspace could not be kept, so other files are not looked at"


def main() -> int:
    """Serve commands until the end of input.

    ``{"folders": [...]}`` names the folders to keep and, by ``scan``, whether to look for changes
    often, by ``diff``, whether to ask git what differs from the last commit;
    ``{"near": path}`` is a file whose neighbours are to be read before all others,
    ``{"changed": [...]}`` are paths that may have changed, ``{"opened": path, "text": ...}`` is
    what an editor has. All paths are absolute. ``{"tell": "idle"}`` is answered when nothing is
    left to do. ``{"parse": path, "text": ...}`` is answered by a structure, whatever else there is
    to do.
    """
    commands: queue.Queue[dict[str, Any] | None] = queue.Queue()
    asked: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    # Somebody waits for it: begun before the rest becomes nice, where each thread is by itself.
    threading.Thread(target=_parse_asked, args=(asked,), daemon=True).start()
    with suppress(OSError, AttributeError):
        os.nice(10)
    threading.Thread(target=_receive, args=(commands, asked), daemon=True).start()
    indexer = Indexer()
    while True:
        try:
            command = commands.get(timeout=indexer.idle_seconds())
        except queue.Empty:
            command = {}
        if command is None:
            return 0
        indexer.obey(command)
        # Whatever is asked for meanwhile comes first.
        while commands.empty() and indexer.work():
            pass
        if commands.empty():
            indexer.tell_idle()


class Indexer:
    """The folders kept, and what there is to do for each."""

    def __init__(self) -> None:
        self._stores: dict[Path, Store] = {}
        self._tasks: dict[Path, Iterator[indexing.Progress]] = {}
        self._parsing: dict[Path, Iterator[None]] = {}
        self._scans = True
        self._diffs = False
        self._to_compare: set[Path] = set()
        self._near: dict[str, None] = {}
        self._asked_idle = False
        self._next_scan = 0.0
        self._reported = 0.0

    def idle_seconds(self) -> float | None:
        """Return how long to wait for a command."""
        if self._tasks:
            return 0.0
        return max(0.0, self._next_scan - time.monotonic()) if self._stores else None

    def obey(self, command: dict[str, Any]) -> None:
        """Do what a command says, or look for changes if it says nothing."""
        self._scans = bool(command.get("scan", self._scans))
        self._diffs = bool(command.get("diff", self._diffs))
        self._asked_idle = self._asked_idle or "tell" in command
        if not command:
            self._begin_all()
        if "folders" in command:
            self._keep([Path(folder) for folder in command["folders"]])
        changed = command.get("changed", ())
        if any(self._changes_others(path) for path in changed):
            self._begin_all()
        for path in changed:
            self._reread(path)
        if "near" in command:
            self._near.pop(command["near"], None)  # so that it becomes the latest
            self._near[command["near"]] = None
        if "opened" in command:
            for root, store, relative in self._places(command["opened"]):
                if may_be_shown(root, relative):
                    self._guarded(root, indexing.keep_unsaved, store, relative, command["text"])

    def tell_idle(self) -> None:
        """Answer who waits until nothing is left to do."""
        if self._asked_idle and not self._tasks:
            self._asked_idle = False
            _report({"idle": True})

    def work(self) -> bool:
        """Do a little of what is to do; false if there is nothing.

        First comes what stands beside the file asked about last: of many that were opened, that
        is where the user is.
        """
        if self._near:
            self._read_near(self._near.popitem()[0])
            return True
        for root, task in list(self._tasks.items()):
            try:
                progress = next(task)
            except StopIteration:
                self._tasks.pop(root)
                self._next_scan = time.monotonic() + _RESCAN_SECONDS[self._scans]
                _report({"folder": str(root), "complete": True})
                continue
            except (sqlite3.Error, OSError) as error:
                self._give_up(root, error)
                continue
            self._tell(root, progress)
            return True
        if self._to_compare:
            root = self._to_compare.pop()
            changes = changed_lines(root) if self._diffs else []
            if root in self._stores:
                self._guarded(root, self._stores[root].set_changes, changes)
            return True
        return any(self._tidy(root) for root in list(self._stores))

    def _tidy(self, root: Path) -> bool:
        """Do a little of what may wait in a folder; false if there is nothing."""
        store = self._stores[root]
        try:
            return store.sweep() or self._parse(root, store)
        except (sqlite3.Error, OSError) as error:
            self._give_up(root, error)
            return True

    def _parse(self, root: Path, store: Store) -> bool:
        steps = self._parsing.setdefault(root, indexing.structured(store, at_once=True))
        try:
            next(steps)
        except StopIteration:
            self._parsing.pop(root)
            return store.unparsed_count() > 0
        return True

    def _begin_all(self) -> None:
        for root, store in self._stores.items():
            if root not in self._tasks:
                self._tasks[root] = indexing.refresh(root, store, at_once=True)
                self._to_compare.add(root)

    def _keep(self, roots: list[Path]) -> None:
        for root in self._stores.keys() - set(roots):
            self._stores.pop(root).close()
            self._tasks.pop(root, None)
            self._parsing.pop(root, None)
            self._to_compare.discard(root)
        for root in roots:
            if root not in self._stores:
                self._guarded(root, self._open, root)
        self._begin_all()

    def _open(self, root: Path) -> None:
        path = index_path(root)
        store = Store(path)
        indexing.forget_unsaved(store)
        indexing.forget_old_indexes(path.parent)
        self._stores[root] = store

    def _changes_others(self, path: str) -> bool:
        """Whether a change of a path changes more than one file: it names a folder, or rules."""
        if os.path.basename(path) in _RULES or os.path.isdir(path):  # noqa: PTH112, PTH119
            return True
        return any(store.has_below(relative) for _, store, relative in self._places(path))

    def _reread(self, path: str) -> None:
        for root, store, relative in self._places(path):
            self._guarded(root, indexing.reread, root, store, [relative])
            self._to_compare.add(root)
            _report({"folder": str(root), "complete": root not in self._tasks})

    def _read_near(self, path: str) -> None:
        """Read the files beside one before their turn."""
        for root, store, relative in self._places(path):
            try:
                near = indexing.read_near(root, store, relative)
            except (sqlite3.Error, OSError) as error:
                self._give_up(root, error)
                continue
            _report({"folder": str(root), "near": near})

    def _guarded(self, root: Path, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except (sqlite3.Error, OSError) as error:
            self._give_up(root, error)

    def _give_up(self, root: Path, error: Exception) -> None:
        """Keep a folder's index no longer: the disk is full, or the cache cannot be written."""
        self._tasks.pop(root, None)
        self._parsing.pop(root, None)
        store = self._stores.pop(root, None)
        if store is not None:
            store.close()
        _report({"folder": str(root), "problem": f"{_NOT_KEPT} ({type(error).__name__}: {error})"})

    def _places(self, path: str) -> Iterator[tuple[Path, Store, str]]:
        """Yield the folders that a path is in, with the path from there."""
        for root, store in list(self._stores.items()):
            for base in dict.fromkeys((root, Path(os.path.realpath(root)))):
                with suppress(ValueError):
                    yield root, store, Path(path).relative_to(base).as_posix()
                    break

    def _tell(self, root: Path, progress: indexing.Progress) -> None:
        finished = progress.done >= progress.of
        if finished or time.monotonic() - self._reported > _REPORT_SECONDS:
            self._reported = time.monotonic()
            _report({"folder": str(root), "done": progress.done, "of": progress.of})


def _receive(
    commands: "queue.Queue[dict[str, Any] | None]", asked: "queue.SimpleQueue[dict[str, Any]]"
) -> None:
    with suppress(ValueError):  # the server has died within a line
        for line in sys.stdin.buffer:
            command = json.loads(line)
            (asked if "parse" in command else commands).put(command)
    commands.put(None)


def _parse_asked(asked: "queue.SimpleQueue[dict[str, Any]]") -> None:
    while True:
        command = asked.get()
        try:
            structure = structure_of(command["parse"], command["text"])
        except Exception:  # noqa: BLE001 - the thread boundary: somebody waits for an answer
            structure = NO_STRUCTURE
        _report({"structure": b64encode(packed(structure)).decode()})


def _report(message: dict[str, Any]) -> None:
    try:
        with _REPORTING:
            print(json.dumps(message), flush=True)  # noqa: T201 - the pipe to the server
    except OSError:  # the server is gone, and so shall we be
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
