"""The interpreter is made not to pause."""

import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from types import ModuleType

import pytest

from dsc_lsp import pauses
from dsc_lsp.pauses import import_alone

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
from dsc_lsp import pauses

pauses._load_libraries("numpy")
pauses._load_libraries("torch")
for library in ("_multiarray_umath", "libtorch_python", "libtorch_cpu"):
    print(library in Path("/proc/self/maps").read_text())
print("numpy" in sys.modules, "torch" in sys.modules)
pauses.import_alone("numpy", "torch")
import torch
print(torch.from_numpy(torch.ones(2).numpy()).sum().item())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells which libraries are loaded")
def test_libraries_are_loaded_before_what_they_belong_to_is_imported() -> None:
    output = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=True).stdout
    assert output.split() == [b"True"] * 3 + [b"False"] * 2 + [b"2.0"]


def test_a_package_that_is_not_there_is_told_as_by_its_import() -> None:
    with pytest.raises(ModuleNotFoundError, match="not_there"):
        import_alone("not_there")


WITHOUT_A_LOADER = """
import ctypes, sys
from dsc_lsp.pauses import import_alone

def refuse(_name):
    raise OSError("dynamic loading not supported")

ctypes.CDLL = refuse
import_alone("numpy")
print("numpy" in sys.modules)
"""


def test_an_interpreter_without_a_loader_leaves_all_to_the_import() -> None:
    script = [sys.executable, "-c", WITHOUT_A_LOADER]
    assert subprocess.run(script, capture_output=True, check=True).stdout.split() == [b"True"]


def test_one_package_is_imported_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    turns = ModuleType("turns")
    turns.__dict__.update(begun=Event(), may_end=Event(), order=[])
    monkeypatch.setitem(sys.modules, "turns", turns)
    first = "import turns; turns.begun.set(); turns.may_end.wait(10); turns.order.append(1)"
    (tmp_path / "first_alone.py").write_text(first)
    (tmp_path / "second_alone.py").write_text("import turns; turns.order.append(2)")
    threads = [
        Thread(target=import_alone, args=(f"{name}_alone",)) for name in ("first", "second")
    ]

    threads[0].start()
    assert turns.begun.wait(10)
    threads[1].start()
    threads[1].join(0.2)
    turns.may_end.set()
    for thread in threads:
        thread.join(10)

    assert turns.order == [1, 2]


def test_who_needs_what_is_being_loaded_does_not_wait_for_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One first suggestion in six came behind torch, 2 s late: it had waited for NumPy."""
    monkeypatch.syspath_prepend(tmp_path)
    turns = ModuleType("turns")
    turns.__dict__.update(begun=Event(), loaded=Event(), may_end=Event())
    monkeypatch.setitem(sys.modules, "turns", turns)
    (tmp_path / "wanted_alone.py").touch()
    (tmp_path / "next_alone.py").write_text("import turns; turns.may_end.wait(10)")

    def load(package: str) -> None:
        if package == "wanted_alone":
            turns.begun.set()
            turns.loaded.wait(10)

    monkeypatch.setattr(pauses, "_load_libraries", load)
    engine = Thread(target=import_alone, args=("wanted_alone", "next_alone"))
    key = Thread(target=import_alone, args=("wanted_alone",))

    engine.start()
    assert turns.begun.wait(10)
    key.start()
    key.join(0.2)
    turns.loaded.set()
    key.join(5)
    waits_for_next = key.is_alive()
    turns.may_end.set()
    for thread in (engine, key):
        thread.join(10)

    assert not waits_for_next


WHILE_ANOTHER_LOADS = """
import sys
from threading import Thread
from dsc_lsp import pauses
from dsc_lsp.languages import language_of
from dsc_lsp.parsing import loaded

def is_loaded():
    return "tree_sitter_python._binding" in sys.modules

thread = Thread(target=loaded, args=(language_of("python").grammar,))
with pauses._alone:
    thread.start()
    thread.join(0.2)
    print(is_loaded())
thread.join()
print(is_loaded())
"""


def test_a_grammar_waits_for_what_another_thread_loads() -> None:
    """Else its import would wait for the system, with the interpreter's lock in hand."""
    script = [sys.executable, "-c", WHILE_ANOTHER_LOADS]
    output = subprocess.run(script, capture_output=True, check=True).stdout
    assert output.split() == [b"False", b"True"]
