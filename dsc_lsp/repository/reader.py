"""The thread that reads the indexes and plans what could help: no keystroke waits for it."""

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, cast

from dsc_lsp.document import Cursor
from dsc_lsp.repository.contents import StructureOf
from dsc_lsp.repository.paths import place_of
from dsc_lsp.repository.plan import Fit, Plan, Recent, Shown
from dsc_lsp.repository.store import Store, index_path
from dsc_lsp.repository.workspace import Workspace

Planner: TypeAlias = Callable[[Cursor, str, Workspace, Recent, Plan | None], Plan]
"""Makes the plan at a cursor in a file (a path in the workspace); it may keep the one before."""

_MOST_PLANS = 64
_REST_OF_WORD = re.compile(r"(?<=\w\w\w)\w+$")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A cursor to plan for."""

    cursor: Cursor
    recent: Recent
    fit: Fit[object]

    def situation(self, version: int) -> tuple[object, ...]:
        """Return what calls for another plan if it changes: more than the rest of a word."""
        before = _REST_OF_WORD.sub("", self.cursor.line_before)
        recent = self.recent
        line = self.cursor.position.line
        return version, line, before, recent.viewed, recent.copied, recent.reported


@dataclass(frozen=True, slots=True)
class _Planned:
    """What is shown in a document, what would be if it were chosen now, and where that was so."""

    situation: tuple[object, ...]
    fit: Fit[object]
    plan: Plan
    shown: object
    newest: Plan
    newest_shown: object

    def renewed(self) -> "_Planned":
        """Return the same with the newest plan shown."""
        return replace(self, plan=self.newest, shown=self.newest_shown)


class Reader:
    """Plans for the newest cursor asked about, on a thread of its own.

    ``parsed`` is who parses what the index has not. ``after`` is called on that thread after each
    plan, and now and then in between: for what may wait.
    """

    def __init__(self, planner: Planner, after: Callable[[], None], parsed: StructureOf) -> None:
        self._planner = planner
        self._parsed = parsed
        self._after = after
        self._changed = threading.Condition()
        self._asked: _Asked | None = None
        self._roots: tuple[Path, ...] = ()
        self._closed = False
        self._planning = False
        self._plans: dict[str, _Planned] = {}
        self._workspaces: dict[Path, tuple[int, Workspace]] = {}
        self._thread = threading.Thread(target=self._run, name="context", daemon=True)
        self._thread.start()

    def set_folders(self, roots: Sequence[Path]) -> None:
        """Read the indexes of these folders from now on."""
        with self._changed:
            self._roots = tuple(roots)
            self._plans = {}

    def shown(
        self, cursor: Cursor, recent: Recent, fit: Fit[Shown], *, anew: bool
    ) -> Shown | None:
        """Return what is shown of the last plan for a document; plans for the cursor, if it pays.

        Returns at once. A cursor that waits is forgotten for a newer one. ``None`` as long as
        there is no plan, or nothing has been made of it by this ``fit``. ``anew`` says that the
        prompt begins anew in any case, so the newest plan is taken, even if it is hardly better.
        """
        with self._changed:
            self._asked = _Asked(cursor, recent, fit)
            self._changed.notify()
            known = self._plans.get(cursor.document.uri)
            if known is None or known.fit != fit:
                return None
            if anew:
                known = self._plans[cursor.document.uri] = known.renewed()
        return cast("Shown", known.shown)

    @property
    def is_idle(self) -> bool:
        """Whether no cursor asked about waits to be planned for or is being planned for.

        Then the plan of the newest one is there, unless its folder has no index yet.
        """
        with self._changed:
            return self._asked is None and not self._planning

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
                    self._plan(asked)
                self._after()
            except Exception as error:  # noqa: BLE001 - the thread boundary: no context is no failure
                _log.warning("no context could be planned (%s)", type(error).__name__)
            self._planning = False
        for _, workspace in self._workspaces.values():
            workspace.store.close()

    def _plan(self, asked: _Asked) -> None:
        uri = asked.cursor.document.uri
        found = place_of(uri, self._roots)
        workspace = None if found is None else self._workspace(found[0])
        if found is None or workspace is None:
            return
        root, path = found
        situation = asked.situation(self._workspaces[root][0])
        last = self._plans.get(uri)
        if last is not None and (last.situation, last.fit) == (situation, asked.fit):
            return
        begun = time.perf_counter()
        before = None if last is None else last.plan
        newest = self._planner(asked.cursor, path, workspace, asked.recent, before)
        newest_shown = asked.fit(newest)
        _log.debug("context planned in %.0f ms", 1e3 * (time.perf_counter() - begun))
        planned = _Planned(situation, asked.fit, newest, newest_shown, newest, newest_shown)
        with self._changed:
            # Somebody may have taken the newest plan meanwhile.
            now = self._plans.get(uri)
            if now is not None and now.fit == asked.fit and newest.kept is now.plan:
                planned = replace(planned, plan=now.plan, shown=now.shown)
            if root in self._roots:
                self._plans[uri] = planned
                while len(self._plans) > _MOST_PLANS:
                    del self._plans[next(iter(self._plans))]

    def _workspace(self, root: Path) -> Workspace | None:
        """Return a folder's index as it stands now."""
        known = self._workspaces.get(root)
        if known is None:
            path = index_path(root)
            if not path.exists():
                return None
            workspace = Workspace(root, Store(path), self._parsed)
            known = self._workspaces[root] = (-1, workspace)
        version = known[1].store.version
        if version != known[0]:
            known[1].renew()
            self._workspaces[root] = (version, known[1])
        return known[1]
