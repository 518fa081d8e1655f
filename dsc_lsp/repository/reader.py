"""The thread that reads the indexes and plans what could help: no keystroke waits for it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from dsc_lsp.document import Cursor
from dsc_lsp.repository.indexing import index_path
from dsc_lsp.repository.paths import place_of
from dsc_lsp.repository.plan import Plan, Recent
from dsc_lsp.repository.store import Store
from dsc_lsp.repository.workspace import Workspace

Planner: TypeAlias = Callable[[Cursor, str, Workspace, Recent, Plan | None], Plan]
"""Makes the plan at a cursor in a file (a path in the workspace); may return the one before."""

_MOST_PLANS = 64
_log = logging.getLogger(__name__)


class Reader:
    """Plans for the newest cursor asked about, on a thread of its own.

    ``after`` is called on that thread after each plan, and now and then in between: for what may
    wait.
    """

    def __init__(self, planner: Planner, after: Callable[[], None]) -> None:
        self._planner = planner
        self._after = after
        self._changed = threading.Condition()
        self._asked: tuple[Cursor, Recent] | None = None
        self._roots: tuple[Path, ...] = ()
        self._closed = False
        self._planning = False
        self._plans: dict[str, Plan] = {}
        self._workspaces: dict[Path, tuple[int, Workspace]] = {}
        self._thread = threading.Thread(target=self._run, name="context", daemon=True)
        self._thread.start()

    def set_folders(self, roots: Sequence[Path]) -> None:
        """Read the indexes of these folders from now on."""
        with self._changed:
            self._roots = tuple(roots)
            self._plans = {}

    def ask(self, cursor: Cursor, recent: Recent) -> None:
        """Plan for a cursor; a cursor that waits is forgotten. Returns at once."""
        with self._changed:
            self._asked = (cursor, recent)
            self._changed.notify()

    @property
    def is_idle(self) -> bool:
        """Whether the newest cursor asked about has been planned for."""
        with self._changed:
            return self._asked is None and not self._planning

    def plan(self, uri: str) -> Plan | None:
        """Return the latest plan for a document."""
        return self._plans.get(uri)

    def close(self) -> None:
        """End the thread, once it has done what it is at."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._asked is None and not self._closed:
                    self._changed.wait(1.0)
                if self._closed:
                    break
                asked, self._asked = self._asked, None
                self._planning = asked is not None
            try:
                if asked is not None:
                    self._plan(*asked)
                self._after()
            except Exception as error:  # noqa: BLE001 - the thread boundary: no context is no failure
                _log.warning("no context could be planned (%s)", type(error).__name__)
            self._planning = False
        for _, workspace in self._workspaces.values():
            workspace.store.close()

    def _plan(self, cursor: Cursor, recent: Recent) -> None:
        uri = cursor.document.uri
        found = place_of(uri, self._roots)
        if found is None:
            return
        root, path = found
        workspace = self._workspace(root)
        if workspace is None:
            return
        begun = time.perf_counter()
        plan = self._planner(cursor, path, workspace, recent, self._plans.get(uri))
        _log.debug("context planned in %.0f ms", 1e3 * (time.perf_counter() - begun))
        with self._changed:
            if root in self._roots:
                self._plans[uri] = plan
                while len(self._plans) > _MOST_PLANS:
                    del self._plans[next(iter(self._plans))]

    def _workspace(self, root: Path) -> Workspace | None:
        """Return a folder's index as it stands now."""
        known = self._workspaces.get(root)
        if known is None:
            path = index_path(root)
            if not path.exists():
                return None
            known = self._workspaces[root] = (-1, Workspace(root, Store(path)))
        version = known[1].store.version
        if version != known[0]:
            known[1].renew()
            self._workspaces[root] = (version, known[1])
        return known[1]
