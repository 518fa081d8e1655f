"""The thread that plans: when it says that it is idle, the plan of the newest cursor is there."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.repository.contents import structure_of
from dsc_lsp.repository.plan import Plan, Recent
from dsc_lsp.repository.reader import Reader
from dsc_lsp.repository.workspace import Workspace
from tests.protocol.client import PATIENCE_SECONDS

PLACES = 300


def test_idle_means_that_the_newest_cursor_is_planned_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index: Any = SimpleNamespace(store=SimpleNamespace(close=lambda: None))

    def workspace(reader: Any, root: Path) -> Any:
        reader._workspaces[root] = (1, index)
        return index

    planned: list[int] = []

    def plan(
        cursor: Cursor, _path: str, _space: Workspace, _recent: Recent, _before: Plan | None
    ) -> Plan:
        planned.append(cursor.position.line)
        return Plan((), {}, {"line": cursor.position.line})

    def fit(made: Plan) -> int:
        return made.numbers["line"]

    monkeypatch.setattr(Reader, "_workspace", workspace)
    document = Document.of("\n" * PLACES, uri=(tmp_path / "a.py").as_uri())
    reader = Reader(plan, lambda: None, structure_of)
    reader.set_folders([tmp_path])
    assert reader.is_idle
    try:
        for line in range(PLACES):
            cursor = Cursor(document, Position(line, 0))
            reader.shown(cursor, Recent(), fit, anew=False)
            if line % 3:
                continue  # some are forgotten for newer ones
            end = time.monotonic() + PATIENCE_SECONDS
            while not reader.is_idle:
                assert time.monotonic() < end
                time.sleep(0.0001)
            assert reader.shown(cursor, Recent(), fit, anew=True) == line
    finally:
        reader.close()
    assert planned == sorted(planned)


def test_what_walks_folders_is_not_imported_where_they_are_only_asked_about() -> None:
    """Imports hold up the event loop, on whichever thread they run."""
    code = (
        "import sys, dsc_lsp.repository.folders, dsc_lsp.context.planning\n"
        "print(*(name for name in ('pathspec', 'multiprocessing') if name in sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert process.stdout.split() == []
