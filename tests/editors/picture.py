"""The picture of ghost text in Neovim: what the embedded starter says, in a terminal.

``python -m tests.editors.picture > docs/pictures/nvim.svg``, with rich installed.
"""

import io
import re
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.editors.programs import installed
from tests.editors.sandbox import EDITORS, sandbox
from tests.editors.terminal import terminal

_CODE = """\
import json
from pathlib import Path


def read_settings(path: Path) -> dict:
    if not path.exists():
        return {}
    with open(path) as file:
        return json.lo
"""
_COLUMNS, _ROWS = 64, 12
_WAIT_SECONDS = 15


def svg(screen: str) -> str:
    """Return the picture of a screen with its escape sequences."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO())
    for line in screen.splitlines()[:_ROWS]:
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    # Rich's font comes from a host in the net; any monospaced one will do.
    drawn = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="Neovim"), flags=re.DOTALL)
    return re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE).rstrip() + "\n"


def _screen() -> str:
    cache = installed("nvim")
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as home:
        root = cache / "nvim-0.12/usr"
        init = home.home / "init.lua"
        command = f"{{ '{sys.executable}', '-m', 'dsc_lsp', '--stdio' }}"
        init.write_text(
            f"vim.opt.runtimepath:prepend('{EDITORS / 'nvim'}')\n"
            "vim.api.nvim_set_hl(0, 'Normal', {})\n"
            "vim.o.number = true\nvim.o.ruler = false\nvim.o.showmode = false\n"
            f"require('dsc').setup({{ cmd = {command} }})\n"
        )
        file = home.file("settings.py", _CODE)
        nvim = [str(root / "bin/nvim"), "--clean", "-n", "-u", str(init), str(file)]
        with terminal(
            cache, home, nvim, {"VIMRUNTIME": str(root / "share/nvim/runtime")}
        ) as shown:
            shown.until("read_settings")
            shown.type("G$")
            time.sleep(_WAIT_SECONDS)
            shown.type("aa")
            time.sleep(_WAIT_SECONDS / 5)
            return shown.screen(colours=True)


if __name__ == "__main__":
    sys.stdout.write(svg(_screen()))
