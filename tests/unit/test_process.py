"""What the process that indexes parses for the server."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsc_lsp import context
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.repository import Repository, trees
from dsc_lsp.repository.contents import NO_STRUCTURE, structure_of
from dsc_lsp.repository.plan import Plan
from dsc_lsp.repository.process import IndexerProcess

PATIENCE_SECONDS = 30
TEXT = (
    "import shop\n\n\nclass Till(shop.Till):\n    def total(self, a):  # é 🙂\n        return a\n"
)


@pytest.fixture
def process() -> Iterator[IndexerProcess]:
    process = IndexerProcess(lambda _message: None)
    yield process
    process.close()


def test_a_structure_is_the_same_wherever_it_is_made(process: IndexerProcess) -> None:
    for path, text in (
        ("till.py", TEXT),
        ("a.ts", "class A { b = 1 }"),
        ("a.txt", "a"),
        ("b.py", ""),
    ):
        assert process.structure_of(path, text) == structure_of(path, text)
    assert process.structure_of("half.py", "x = '\ud83d'\n") == structure_of("h.py", "x = '?'\n")


def test_nobody_waits_for_a_process_that_has_ended(process: IndexerProcess) -> None:
    assert process.structure_of("till.py", TEXT) != NO_STRUCTURE
    ending = threading.Timer(0.2, process.close)
    ending.start()
    while process.structure_of("till.py", TEXT) != NO_STRUCTURE:
        pass
    assert process.structure_of("till.py", TEXT) == NO_STRUCTURE
    ending.join()


def test_a_server_that_plans_searches_no_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To make a query holds up the event loop, whichever thread does."""
    searched: list[str] = []

    def note(language: str, _source: str) -> None:
        searched.append(language)

    monkeypatch.setattr(trees, "_query", note)
    (tmp_path / "till.py").write_text(TEXT)
    text = "from till import Till\n\nTill().\n"
    document = Document.of(text, uri=(tmp_path / "main.py").as_uri())
    cursor = Cursor(document, Position(2, 7))
    repository = Repository(context.plan)
    repository.open_folders([tmp_path], lambda _report: None, scan=False)
    try:
        assert repository.wait_until_known(PATIENCE_SECONDS)
        until = time.monotonic() + PATIENCE_SECONDS
        while (shown := repository.shown(cursor, names)) is None:
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        repository.close_folders()
    assert "total" in shown
    assert searched == []


def names(plan: Plan) -> str:
    return "\n".join(line for piece in plan.pieces for _, line in piece.lines)
