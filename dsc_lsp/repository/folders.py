"""The folders of the workspace while they are read: a process that indexes, threads that ask."""

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsc_lsp.document import Cursor
from dsc_lsp.repository.learning import Learning
from dsc_lsp.repository.plan import Fit, Recent, Shown
from dsc_lsp.repository.process import IndexerProcess
from dsc_lsp.repository.reader import Planner, Reader
from dsc_lsp.repository.reports import IndexReport, Report

if TYPE_CHECKING:
    from dsc_lsp.lookup.index import Index


class Folders:
    """Keeps the indexes of folders, plans from them, and tells the lookup of what is in them.

    ``report`` is called on a thread of its own. Everything returns at once, but for the
    constructor, which starts a process, and ``close``, which ends it.
    """

    def __init__(
        self,
        planner: Planner,
        index: "Callable[[], Index]",
        is_open: Callable[[str], bool],
        between: Callable[[], None],
        report: Report,
    ) -> None:
        self.roots: tuple[Path, ...] = ()
        self._report = report
        self._waiting: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
        self._indexer = IndexerProcess(self._heard)
        self._learning = Learning(index, is_open)
        self._reader = Reader(planner, between, self._indexer.structure_of)

    def set_roots(self, roots: Sequence[Path], *, scan: bool, diff: bool) -> None:
        """Read these folders and no others.

        ``scan`` is whether to look for changes often, because nobody tells of them, ``diff``
        whether git is asked what differs from the last commit.
        """
        self.roots = tuple(roots)
        self._learning.set_folders(self.roots)
        self._reader.set_folders(self.roots)
        self._indexer.tell({"folders": [str(root) for root in roots], "scan": scan, "diff": diff})

    def files_changed(self, paths: Sequence[Path]) -> None:
        """Read files anew, or forget them if they are gone."""
        self._indexer.tell({"changed": [str(path) for path in paths]})

    def opened(self, path: Path) -> None:
        """Know the files beside one that was opened before all others."""
        self._indexer.tell({"near": str(path)})

    def keep_unsaved(self, path: Path, text: str) -> None:
        """Know a file as an editor has it."""
        self._indexer.tell({"opened": str(path), "text": text})

    def shown(
        self, cursor: Cursor, recent: Recent, fit: Fit[Shown], *, anew: bool
    ) -> Shown | None:
        """Return what is shown of the last plan for a document, and plan anew."""
        return self._reader.shown(cursor, recent, fit, anew=anew)

    @property
    def is_planned(self) -> bool:
        """Whether the newest cursor asked about has been planned for."""
        return self._reader.is_idle

    def wait(self, timeout_seconds: float) -> bool:
        """Return whether all that was asked for is done within the time; blocking."""
        done = threading.Event()
        self._waiting.put(done)
        self._indexer.tell({"tell": "idle"})
        return done.wait(timeout_seconds)

    def close(self) -> None:
        """End the process and the threads; what is known of the files is forgotten."""
        self._indexer.close()
        self._reader.close()
        self._release()
        self._learning.close()

    def _heard(self, message: dict[str, Any]) -> None:
        if "idle" in message:
            self._release()
            return
        if "near" in message:
            self._learning.near_indexed(Path(message["folder"]), message["near"])
            return
        report = IndexReport(**message)
        if report.folder and not report.problem:
            self._learning.index_changed(Path(report.folder), complete=report.complete)
        if report.problem:
            self._release()
        self._report(report)

    def _release(self) -> None:
        """Let those go on who wait, once the lookup has been told what is known by now."""
        with suppress(queue.Empty):
            while True:
                self._learning.when_done(self._waiting.get_nowait().set)
