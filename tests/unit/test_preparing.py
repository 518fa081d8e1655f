"""Many files are read and parsed by several processes, which end with the one that began them."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dsc_lsp.repository import preparing
from dsc_lsp.repository.files import walk
from dsc_lsp.repository.indexing import refresh
from dsc_lsp.repository.preparing import parsed, prepared
from dsc_lsp.repository.store import Store

FILES = 100
PATIENCE_SECONDS = 30
BEGUN = """
import sys, time
from pathlib import Path
from dsc_lsp.repository import preparing
from dsc_lsp.repository.files import walk

preparing._WORTH_A_PROCESS = 1
root = Path(sys.argv[1])
steps = preparing.prepared(root, list(walk(root)), at_once=True)
next(steps)
print("begun", flush=True)
time.sleep(60)
"""

pytestmark = pytest.mark.skipif(psutil.cpu_count() == 1, reason="one core: one process")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(FILES):
        (tmp_path / f"m{number}.py").write_text(f"def f{number}(a):\n    return {number}\n")
    return tmp_path


def test_several_processes_find_what_one_finds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, store = list(walk(folder)), Store(None)
    list(refresh(folder, store))
    alone = [file for files in prepared(folder, states, at_once=False) for file in files]
    parsed_alone = [file for files in parsed(store, at_once=False) for file in files]
    monkeypatch.setattr(preparing, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(preparing, "_BATCH", 7)
    several = [file for files in prepared(folder, states, at_once=True) for file in files]
    assert several == alone
    assert [file for files in parsed(store, at_once=True) for file in files] == parsed_alone
    assert len(alone) == len(parsed_alone) == FILES


def test_none_of_them_outlives_the_one_that_began_them(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BEGUN, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        others = psutil.Process(process.pid).children(recursive=True)
        assert others
        process.kill()
    until = time.monotonic() + PATIENCE_SECONDS
    while any(other.is_running() and other.status() != psutil.STATUS_ZOMBIE for other in others):
        assert time.monotonic() < until, "left behind"
        time.sleep(0.02)
