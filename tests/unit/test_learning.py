"""The lookup learns the files of a folder when all can be searched, but those near at once."""

import threading
from pathlib import Path
from typing import Any

import pytest

from dsc_lsp import context
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.lookup.index import Index
from dsc_lsp.repository import Repository, indexer
from dsc_lsp.repository.folders import Folders
from dsc_lsp.repository.indexing import read_near, refresh
from dsc_lsp.repository.learning import Learning
from dsc_lsp.repository.store import Store, index_path

PATIENCE_SECONDS = 30


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "project"
    for path in ("a/one.py", "a/two.py", "b/three.py"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"def {Path(path).stem}():\n    return 1\n")
    (root / "a" / "notes.bin").write_bytes(b"\0")
    (root / "a" / ".env").write_text("KEY=1\n")
    return root


def learnt(learning: Learning, index: Index) -> int:
    """Return how many files are known once all that was asked for is done."""
    done = threading.Event()
    learning.when_done(done.set)
    assert done.wait(PATIENCE_SECONDS)
    return len(index)


def test_what_is_being_indexed_is_learnt_when_all_of_it_is_there(folder: Path) -> None:
    store, index = Store(index_path(folder)), Index()
    list(refresh(folder, store))
    learning = Learning(lambda: index, lambda _: False)
    learning.set_folders([folder])
    learning.index_changed(folder, complete=False)
    assert learnt(learning, index) == 0
    learning.index_changed(folder, complete=True)
    assert learnt(learning, index) == 3
    learning.close()
    store.close()


def test_what_stands_near_is_learnt_at_once_and_only_once(folder: Path) -> None:
    store, index = Store(index_path(folder)), Index()
    near = read_near(folder, store, "a/one.py")
    assert sorted(near) == ["a/one.py", "a/two.py"]
    learning = Learning(lambda: index, lambda uri: uri.endswith("one.py"))
    learning.set_folders([folder])
    learning.near_indexed(folder, near)
    assert learnt(learning, index) == 1
    list(refresh(folder, store))
    learning.index_changed(folder, complete=True)
    assert learnt(learning, index) == 2
    learning.close()
    store.close()


def test_the_nearest_by_name_are_read_where_many_stand_beside(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"m{number:02}.py").write_text("a = 1\n")
    store = Store(None)
    near = read_near(tmp_path, store, "m50.py")
    assert {"m49.py", "m50.py", "m51.py"} < set(near)
    assert store.paths() == set(near)
    assert len(near) < 50


def test_nothing_stands_near_a_file_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert read_near(tmp_path, Store(None), "gone/one.py") == []


def test_of_many_that_were_opened_the_neighbours_of_the_latest_are_read_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "folder"
    for name in "abc":
        (root / name).mkdir(parents=True)
        (root / name / "one.py").write_text("a = 1\n")
    reports: list[dict[str, Any]] = []
    monkeypatch.setattr(indexer, "_report", reports.append)
    indexing = indexer.Indexer()
    indexing.obey({"folders": [str(root)]})
    for name in "abcb":
        indexing.obey({"near": str(root / name / "one.py")})
    while indexing.work():
        pass
    near = [report["near"] for report in reports if "near" in report]
    assert near == [["b/one.py"], ["c/one.py"], ["a/one.py"]]
    assert "near" in reports[0], "before all others"


def test_the_neighbours_of_the_file_that_is_written_in_come_before_those_of_other_tabs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def note(_folders: Folders, path: Path) -> None:
        told.append(path.name)

    monkeypatch.setattr(Folders, "opened", note)
    repository = Repository(context.plan)
    documents = [Document.of("a.\n", uri=(tmp_path / name).as_uri()) for name in ("a.py", "b.py")]
    for document in documents:
        repository.update(document)
    repository.open_folders([tmp_path], lambda _report: None, scan=False)
    try:
        assert told == ["a.py", "b.py"], "all that are open"
        for document in (*documents, documents[1], documents[0]):
            repository.shown(Cursor(document, Position(0, 2)), lambda plan: plan)
    finally:
        repository.close_folders()
    assert told[2:] == ["a.py", "b.py", "a.py"]
