"""``dsc-lsp demo``: a scripted editor types into a small project and shows the ghost text."""

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from dsc_lsp.document import Position
from dsc_lsp.editor import Editor, GhostText, LoadingFailed, ServerDied

_PROJECT = Path(__file__).parent / "demo_project"
_FILE = "report.py"
_LINE = 18
_SCRIPT = (
    "def value_of_items(inventory):\n",
    "    value = 0\n",
    "    for item in inventory.items:\n",
    "        value += item.price * item.quantity\n",
    "    return value\n",
)
_KEYSTROKE_SECONDS = 0.06


@dataclass
class _Tally:
    """What the demo has seen."""

    times: list[float] = field(default_factory=list)
    shown: int = 0

    def count(self, ghost: GhostText) -> None:
        self.times.append(ghost.ms)
        self.shown += bool(ghost.text.strip())


def run(*, model: str | None, device: str | None, remote: str | None) -> int:
    """Type a function and show what the model offers; 0 only if ghost text appeared."""
    given = {"model": model, "device": device, "remoteUrl": remote}
    options = {name: value for name, value in given.items() if value is not None}
    try:
        tally = asyncio.run(_demo(options))
    except (LoadingFailed, ServerDied) as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 1
    if not tally.shown:
        print("No ghost text appeared. Run `dsc-lsp doctor`.", file=sys.stderr)
        return 1
    print(
        f"\n{tally.shown} of {len(tally.times)} keystrokes got ghost text;"
        f" answered in {statistics.median(tally.times):.0f} ms (median),"
        f" {max(tally.times):.0f} ms (slowest)."
    )
    return 0


async def _demo(options: dict[str, str]) -> _Tally:
    tally = _Tally()
    with tempfile.TemporaryDirectory(prefix="dsc-lsp-demo-") as folder:
        project = Path(folder) / "shop"
        shutil.copytree(_PROJECT, project)
        async with Editor([sys.executable, "-m", "dsc_lsp", "--stdio"], options) as editor:
            print("The server is up; it loads its model …", flush=True)
            print(f"{await editor.loaded()} is ready. Typing into {_FILE}:\n", flush=True)
            path = project / _FILE
            editor.open(path, "python", path.read_text(encoding="utf-8"))
            editor.move_to(Position(_LINE, 0))
            for line in _SCRIPT:
                await _type_line(editor, line, tally)
    return tally


async def _type_line(editor: Editor, line: str, tally: _Tally) -> None:
    """Type a line key by key; indentation and line break come from the editor at one key."""
    code = line.strip()
    editor.type(line[: line.index(code)])
    typed = line[: line.index(code)]
    for key in code:
        editor.type(key)
        typed += key
        ghost = await editor.ghost_text()
        tally.count(ghost)
        _show(typed, ghost)
        if sys.stdout.isatty():
            await asyncio.sleep(_KEYSTROKE_SECONDS)
    editor.type("\n")
    if sys.stdout.isatty():
        print(f"\r\033[K{typed}")


def _show(typed: str, ghost: GhostText) -> None:
    """Show one keystroke: in place on a terminal, a line each elsewhere."""
    first, *more = ghost.text.splitlines() or [""]
    first += f" … +{len(more)} lines" if more else ""
    if not sys.stdout.isatty():
        print(f"{ghost.ms:5.0f} ms  {typed}{f'‹{first}›' if first else ''}", flush=True)
        return
    dim, plain = ("", "") if os.environ.get("NO_COLOR") else ("\033[2m", "\033[0m")
    width = shutil.get_terminal_size().columns
    first = first[: max(0, width - len(typed) - 12)]
    print(f"\r\033[K{typed}{dim}{first}   {ghost.ms:.0f} ms{plain}", end="", flush=True)
