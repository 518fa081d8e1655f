"""The thread that plans: when it says that it is idle, the plan of the newest cursor is there."""

import threading
from pathlib import Path

import pytest

from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.repository.plan import Plan, Recent
from dsc_lsp.repository.reader import Reader
from dsc_lsp.repository.workspace import Workspace
from tests.protocol.client import PATIENCE_SECONDS

PLACES = 300


def test_idle_means_that_the_newest_cursor_is_planned_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "_workspace", lambda _reader, _root: object())
    planned: list[int] = []

    def plan(
        cursor: Cursor, _path: str, _space: Workspace, _recent: Recent, _old: Plan | None
    ) -> Plan:
        planned.append(cursor.position.line)
        return Plan((), {}, {"line": cursor.position.line})

    document = Document.of("\n" * PLACES, uri=(tmp_path / "a.py").as_uri())
    reader = Reader(plan, lambda: None)
    reader.set_folders([tmp_path])
    assert reader.is_idle
    try:
        for line in range(PLACES):
            reader.ask(Cursor(document, Position(line, 0)), Recent())
            if line % 3:
                continue  # some wait only for the newest
            for _ in range(PATIENCE_SECONDS * 10_000):
                if reader.is_idle:
                    break
                threading.Event().wait(0.0001)
            found = reader.plan(document.uri)
            assert found is not None
            assert found.numbers == {"line": line}
    finally:
        reader.close()
    assert planned == sorted(planned)
