"""The interpreter is made not to pause."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dsc_lsp
from dsc_lsp.pauses import load_libraries

KEPT = """
import gc
from dsc_lsp.pauses import shorten_pauses

shorten_pauses()
before = [one["collections"] for one in gc.get_stats()]
kept = [[] for _ in range(200_000)]
young, middle, old = (
    one["collections"] - then for one, then in zip(gc.get_stats(), before, strict=True)
)
print(young > 100, middle > 10, old)
"""


def test_all_that_is_in_memory_is_not_looked_through_while_much_is_kept() -> None:
    output = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, check=True).stdout
    assert output.split() == [b"True", b"True", b"0"]


IMPORTED = """
import gc
from dsc_lsp.pauses import importing_for_good

collections = lambda: sum(one["collections"] for one in gc.get_stats())
before = collections()
with importing_for_good():
    import asyncio, email.message, inspect
print(collections() - before, gc.get_freeze_count() > 10_000, gc.isenabled())
try:
    with importing_for_good():
        import not_there
except ImportError:
    print(gc.isenabled())
"""


def test_what_is_imported_for_good_is_not_looked_through() -> None:
    output = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, check=True)
    assert output.stdout.split() == [b"0", b"True", b"True", b"True"]


LOADED = """
import sys
from pathlib import Path
from dsc_lsp.pauses import load_libraries

load_libraries("numpy", "torch")
for library in ("_multiarray_umath", "libtorch_python", "libtorch_cpu"):
    print(library in Path("/proc/self/maps").read_text())
print("numpy" in sys.modules, "torch" in sys.modules)
import torch
print(torch.from_numpy(torch.ones(2).numpy()).sum().item())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells which libraries are loaded")
def test_libraries_are_loaded_before_what_they_belong_to_is_imported() -> None:
    output = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=True).stdout
    assert output.split() == [b"True"] * 3 + [b"False"] * 2 + [b"2.0"]


def test_libraries_of_packages_that_are_not_there_are_left_to_their_import() -> None:
    without_packages = [sys.executable, "-S", "-c"]
    script = "from dsc_lsp.pauses import load_libraries; load_libraries('numpy', 'torch')"
    environment = {**os.environ, "PYTHONPATH": str(Path(dsc_lsp.__file__).parents[1])}

    subprocess.run([*without_packages, script], env=environment, check=True)


def test_an_interpreter_without_a_loader_leaves_all_to_the_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_name: None) -> None:
        raise OSError("dynamic loading not supported")

    monkeypatch.setattr(ctypes, "CDLL", refuse)

    load_libraries("numpy", "torch")
