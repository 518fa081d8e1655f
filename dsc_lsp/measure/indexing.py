"""What knowing a folder costs: the first time, the second, at a key, and on the event loop.

``python -m dsc_lsp.measure.indexing FOLDER``: the index is made in a temporary cache by the
process that the server starts, with the threads of the server beside it, while an event loop notes
how late it wakes up; then it is opened again, and keys are typed at random places.
"""

import argparse
import asyncio
import compileall
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO

import psutil

import dsc_lsp
from dsc_lsp import context
from dsc_lsp.completion import context_at
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.measure.fixed import FixedEngine
from dsc_lsp.measure.lateness import Looks, idle_process, lateness, looks_until
from dsc_lsp.measure.percentiles import percentiles
from dsc_lsp.models import DEEPSEEK_CODER_BASE
from dsc_lsp.pauses import import_alone, shorten_pauses
from dsc_lsp.repository import IndexReport, Repository
from dsc_lsp.repository.files import read, walk
from dsc_lsp.repository.indexing import finish, reread
from dsc_lsp.repository.store import Store, index_path
from dsc_lsp.settings import Settings

_SAVED = 200
_MEMORY = """
import os, sys, threading, time
from contextlib import suppress
import psutil
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
server, others, most = psutil.Process(os.getppid()), {os.getpid(), int(sys.argv[1])}, 0
while not over.wait(0.25):
    held = 0
    for process in server.children(recursive=True):
        with suppress(psutil.Error):
            held += process.memory_info().rss if process.pid not in others else 0
    most = max(most, held)
print(most)
"""
"""Looks at all processes of the machine, which takes the loop that is looked at too long."""

_REST_SECONDS = 3.0
_PATIENCE_SECONDS = 280.0
_KEYS_A_PLACE = 5
_KEY_SECONDS = 0.12
_CONTEXT_TOKENS = 4_096


@dataclass(slots=True)
class Opened:
    """What it took until a folder's index was up to date, and how late the loop woke meanwhile.

    ``known_seconds`` is when every file can be searched, ``complete_seconds`` when every file is
    parsed, too, and the lookup has read it. ``peak_mb`` is the resident memory of the
    processes that index, added up. ``of_others_seconds`` is the processor time that processes took
    meanwhile which are not ours: what the machine was not there for. ``looks`` are those at the
    loop, ``idle_late_ms`` is how late a process woke meanwhile that did nothing else: what is not
    the server's doing but the machine's.
    """

    known_seconds: float = 0.0
    complete_seconds: float = 0.0
    cpu_seconds: float = 0.0
    server_cpu_seconds: float = 0.0
    of_others_seconds: float = 0.0
    peak_mb: float = 0.0
    looks: Looks = field(default_factory=Looks)
    idle_late_ms: tuple[float, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return what is printed."""
        return {
            "known_seconds": round(self.known_seconds, 2),
            "complete_seconds": round(self.complete_seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "server_cpu_seconds": round(self.server_cpu_seconds, 2),
            "of_others_seconds": round(self.of_others_seconds, 2),
            "peak_mb": round(self.peak_mb),
            **self.looks.as_json(),
            "of_an_idle_process": lateness(self.idle_late_ms),
        }


async def opened(root: Path, stacks: IO[bytes] | None = None) -> tuple[Opened, Repository]:
    """Open a folder as the server does, and wait until all of it is known."""
    repository, result = Repository(context.plan), Opened()
    known, start = asyncio.Event(), time.perf_counter()
    busy, own = _busy_seconds(), time.process_time()
    loop = asyncio.get_running_loop()

    def report(report: IndexReport) -> None:
        if report.problem:
            raise SystemExit(report.problem)
        if report.complete or report.done >= report.of:
            result.known_seconds = result.known_seconds or time.perf_counter() - start
            loop.call_soon_threadsafe(known.set)

    over = asyncio.Event()
    with idle_process() as idle:
        memory = subprocess.Popen(
            [sys.executable, "-c", _MEMORY, str(idle.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        looks = asyncio.create_task(looks_until(over, stacks))
        await asyncio.to_thread(repository.open_folders, (root,), report, scan=False)
        await known.wait()
        done = await asyncio.to_thread(repository.wait_until_known, _PATIENCE_SECONDS)
        assert done, "indexed within the time"
        result.complete_seconds = time.perf_counter() - start
        over.set()
        result.looks = await looks
        result.server_cpu_seconds = time.process_time() - own
        spent = {one.pid: _cpu_seconds(one) for one in psutil.Process().children(recursive=True)}
        result.of_others_seconds = (
            _busy_seconds() - busy - result.server_cpu_seconds - sum(spent.values())
        )
        result.cpu_seconds = sum(spent.values()) - spent[idle.pid] - spent[memory.pid]
        result.peak_mb = int(memory.communicate()[0]) / 1e6
    result.idle_late_ms = idle.late
    return result, repository


async def typed(repository: Repository, root: Path, places: int) -> dict[str, float]:
    """Return what a key waits for the context, in a row of keys at random places."""
    random = Random(0)
    settings = Settings(context_tokens=_CONTEXT_TOKENS)
    engine = FixedEngine(DEEPSEEK_CODER_BASE, _CONTEXT_TOKENS)
    paths = sorted(state.path for state in walk(root) if state.path.endswith(".py"))
    times: list[float] = []
    chosen = random.sample(paths, min(len(paths), places))
    for path in chosen:
        text = await asyncio.to_thread(read, root, path)
        if text is None:
            continue
        document = Document.of(text, uri=(root / path).as_uri(), language="python")
        line = random.randrange(len(document.lines))
        end = len(document.line(line))
        for column in range(max(0, end - _KEYS_A_PLACE), end + 1):
            cursor = Cursor(document, Position(line, column))
            start = time.perf_counter()
            context_at(cursor, settings, engine, repository)
            times.append(1e3 * (time.perf_counter() - start))
            await asyncio.sleep(_KEY_SECONDS)
    found = percentiles(times)
    return {"p50": round(found.p50, 2), "p99": round(found.p99, 2), "max": round(max(times), 2)}


def saved_ms(root: Path, files: int) -> dict[str, float]:
    """Return what the index takes to know a file that was saved with a line more, at random ones.

    What is saved is written elsewhere: the folder is left as it is.
    """
    store, times = Store(index_path(root)), list[float]()
    paths = sorted(store.paths())
    with tempfile.TemporaryDirectory() as elsewhere:
        for path in Random(0).sample(paths, min(len(paths), files)):
            lines = (root / path).read_bytes().splitlines(keepends=True)
            lines.insert(len(lines) // 2, b"\n")
            saved = Path(elsewhere, path)
            saved.parent.mkdir(parents=True, exist_ok=True)
            saved.write_bytes(b"".join(lines))
            start = time.perf_counter()
            reread(Path(elsewhere), store, [path])
            times.append(1e3 * (time.perf_counter() - start))
            finish(store)
    store.close()
    found = percentiles(times)
    return {"p50": round(found.p50, 2), "p99": round(found.p99, 2), "max": round(max(times), 2)}


def _import_lookup() -> None:
    """Import what the server's engine imports, too, be there an index or not."""
    import_alone("numpy")
    importlib.import_module("dsc_lsp.lookup.index")


def _busy_seconds() -> float:
    """Return the processor time that all processes of the machine have taken."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0)


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system


async def _measured(root: Path, places: int, stacks: IO[bytes] | None) -> dict[str, object]:
    over = asyncio.Event()
    rest = asyncio.create_task(looks_until(over))
    await asyncio.sleep(_REST_SECONDS)
    over.set()
    resting = (await rest).as_json()
    over = asyncio.Event()
    importing = asyncio.create_task(looks_until(over))
    await asyncio.to_thread(_import_lookup)
    over.set()
    imported = (await importing).as_json()
    gc.freeze()  # as in the server, once its engine is loaded
    cold, repository = await opened(root, stacks)
    await asyncio.to_thread(repository.close_folders)
    size = sum(file.stat().st_size for file in index_path(root).parent.glob("*")) / 1e6
    warm, repository = await opened(root, stacks)
    keys = await typed(repository, root, places)
    await asyncio.to_thread(repository.close_folders)
    return {
        "files": sum(1 for _ in walk(root)),
        "at_rest": resting,
        "imported": imported,
        "cold": cold.as_json(),
        "warm": warm.as_json(),
        "disk_mb": round(size),
        "server_mb": round(psutil.Process().memory_info().rss / 1e6),
        "assembly_ms": keys,
        "saved_ms": saved_ms(root, _SAVED),
    }


def main() -> int:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--places", type=int, default=60, help="places to type at")
    parser.add_argument(
        "--stacks",
        type=Path,
        help="where to write what held up the event loop; may end in a fault of the interpreter",
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache, ExitStack() as files:
        stacks = files.enter_context(chosen.stacks.open("wb")) if chosen.stacks else None
        os.environ["XDG_CACHE_HOME"] = cache
        # As pip installs it: with compiled modules, which some environments forbid to be kept.
        compileall.compile_dir(Path(dsc_lsp.__file__).parent, quiet=2)
        shorten_pauses()  # as in the server
        found = asyncio.run(_measured(chosen.folder.absolute(), chosen.places, stacks))
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
