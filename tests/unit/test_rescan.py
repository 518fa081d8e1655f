"""Where nobody tells what changes on the disk, the process that indexes looks by itself."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from dsc_lsp.repository.store import Store, index_path

PATIENCE_SECONDS = 30
OFTEN = """
from dsc_lsp.repository import indexer

indexer._RESCAN_SECONDS = {True: 0.1, False: 60.0}
indexer.main()
"""


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[str]"]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with subprocess.Popen(
        [sys.executable, "-c", OFTEN],
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        # Whoever waits for a report that never comes reads the end instead.
        patience = threading.Timer(PATIENCE_SECONDS, started.kill)
        patience.start()
        yield started
        patience.cancel()
        started.kill()


def tell(process: "subprocess.Popen[str]", command: object) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(command) + "\n")
    process.stdin.flush()


def wait_until(process: "subprocess.Popen[str]", key: str) -> None:
    """Read reports up to one that says so."""
    assert process.stdout is not None
    reports: IO[str] = process.stdout
    assert any(json.loads(line).get(key) for line in reports), "ended without"


def test_files_that_come_change_and_go_are_noticed_without_being_told(
    process: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    root = tmp_path / "code"
    root.mkdir()
    (root / "changed.py").write_text("before = 1\n")
    (root / "gone.py").write_text("gone = 1\n")
    tell(process, {"folders": [str(root)], "scan": True})
    wait_until(process, "complete")
    store = Store(index_path(root))
    (root / "new.py").write_text("new = 1\n")
    (root / "changed.py").write_text("afterwards = 1\n")
    (root / "gone.py").unlink()
    # Two, because one may have been under way.
    wait_until(process, "complete")
    wait_until(process, "complete")
    assert store.paths() == {"new.py", "changed.py"}
    assert store.text("changed.py") == "afterwards = 1\n"
    store.close()


def test_a_folder_that_moves_takes_its_files_along(
    process: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    """Editors tell of the folder alone."""
    root = tmp_path / "code"
    (root / "before" / "deep").mkdir(parents=True)
    (root / "before" / "deep" / "a.py").write_text("a = 1\n")
    (root / "beforehand.py").write_text("b = 1\n")
    tell(process, {"folders": [str(root)], "scan": False})
    wait_until(process, "complete")
    store = Store(index_path(root))
    (root / "before").rename(root / "behind")
    tell(process, {"changed": [str(root / "before")]})
    wait_until(process, "complete")
    tell(process, {"tell": "idle"})
    wait_until(process, "idle")
    assert store.paths() == {"behind/deep/a.py", "beforehand.py"}
    (root / "behind").rename(root / "elsewhere")
    tell(process, {"changed": [str(root / "elsewhere")]})
    tell(process, {"tell": "idle"})
    wait_until(process, "idle")
    assert store.paths() == {"elsewhere/deep/a.py", "beforehand.py"}
    store.close()


def test_files_are_known_before_they_are_parsed_and_parsed_before_it_is_idle(
    process: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    root = tmp_path / "code"
    root.mkdir()
    (root / "shop.py").write_text("def total():\n    return 1\n")
    tell(process, {"folders": [str(root)]})
    tell(process, {"tell": "idle"})
    wait_until(process, "complete")
    store = Store(index_path(root))
    assert store.paths() == {"shop.py"}
    wait_until(process, "idle")
    structure = store.structure("shop.py")
    assert structure is not None
    assert [definition.name for definition in structure.outline] == ["total"]
    store.close()


def test_where_somebody_tells_it_seldom_looks(
    process: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    root = tmp_path / "code"
    root.mkdir()
    (root / "told.py").write_text("told = 1\n")
    tell(process, {"folders": [str(root)], "scan": False})
    wait_until(process, "complete")
    store = Store(index_path(root))
    (root / "told.py").write_text("told_of = 2\n")
    (root / "untold.py").write_text("untold = 1\n")
    tell(process, {"changed": [str(root / "told.py")]})
    tell(process, {"tell": "idle"})
    wait_until(process, "idle")
    assert store.text("told.py") == "told_of = 2\n"
    assert store.paths() == {"told.py"}
    store.close()
