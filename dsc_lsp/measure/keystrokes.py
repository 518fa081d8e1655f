"""How fast the server is for its user: ``python -m dsc_lsp.measure.keystrokes [--json]``.

Measures in one run, each from the start of a process or keystroke to the answer in the client:
``initialize`` of this server and of a bare pygls server in turn, the first ghost text after the
start, and the request of each keystroke while a script is typed.
"""

import argparse
import asyncio
import importlib.resources
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dsc_lsp.document import Position
from dsc_lsp.editor import Editor
from dsc_lsp.measure.percentiles import Percentiles, percentiles

_SERVER = (sys.executable, "-m", "dsc_lsp", "--stdio")
_BARE = (
    sys.executable,
    "-c",
    "from pygls.lsp.server import LanguageServer; LanguageServer('bare', '1').start_io()",
)
_STARTS = 5
_TYPED = (
    "def average_price(inventory):\n",
    "    total = 0\n",
    "    for item in inventory.items:\n",
    "        total += item.price\n",
    "    return total / len(inventory.items)\n",
)


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured, in milliseconds, with the machine that it was measured on."""

    initialize_ms: float
    bare_initialize_ms: float
    first_ghost_text_ms: float
    keystroke_ms: Percentiles
    keystrokes: int
    with_ghost_text: int
    model: str
    machine: str


async def measure(model: str) -> Report:
    """Start servers and type; seconds, and only meaningful on a machine that does nothing else."""
    # As pip installs it: with compiled modules, which some environments forbid to be kept.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for command in (_SERVER, _BARE):
        await _initialize_ms(command)
    pairs = [(await _initialize_ms(_SERVER), await _initialize_ms(_BARE)) for _ in range(_STARTS)]
    start = time.perf_counter()
    async with Editor(_SERVER, {"model": model}) as editor:
        _open_document(editor)
        name = await editor.loaded()
        await editor.ghost_text()
        first = (time.perf_counter() - start) * 1000
        times, shown = await _type(editor)
    return Report(
        initialize_ms=statistics.median(ours for ours, _ in pairs),
        bare_initialize_ms=statistics.median(bare for _, bare in pairs),
        first_ghost_text_ms=first,
        keystroke_ms=percentiles(times),
        keystrokes=len(times),
        with_ghost_text=shown,
        model=name,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}",
    )


async def _initialize_ms(command: Sequence[str]) -> float:
    start = time.perf_counter()
    async with Editor(command):
        return (time.perf_counter() - start) * 1000


def _open_document(editor: Editor) -> None:
    path = importlib.resources.files("dsc_lsp") / "cli" / "demo_project" / "report.py"
    text = path.read_text(encoding="utf-8")
    editor.open(Path(str(path)), "python", text)
    editor.move_to(Position(18, 0))


async def _type(editor: Editor) -> tuple[list[float], int]:
    """Type key by key, waiting for each answer; returns milliseconds and how many had text."""
    times: list[float] = []
    shown = 0
    for line in _TYPED:
        code = line.strip()
        editor.type(line[: line.index(code)])
        for key in code:
            editor.type(key)
            ghost = await editor.ghost_text()
            times.append(ghost.ms)
            shown += bool(ghost.text)
        editor.type("\n")
    return times, shown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    report = asyncio.run(measure(chosen.model))
    if chosen.json:
        print(json.dumps(asdict(report)))
        return
    print(f"{report.model} on {report.machine}")
    print(f"initialize        {report.initialize_ms:7.0f} ms", end="")
    print(f"   (bare pygls {report.bare_initialize_ms:.0f} ms)")
    print(f"first ghost text  {report.first_ghost_text_ms:7.0f} ms")
    print(f"keystroke p50     {report.keystroke_ms.p50:7.1f} ms", end="")
    print(f"   p95 {report.keystroke_ms.p95:.1f}   p99 {report.keystroke_ms.p99:.1f}", end="")
    print(f"   ({report.keystrokes} keys, {report.with_ghost_text} with ghost text)")


if __name__ == "__main__":
    main()
