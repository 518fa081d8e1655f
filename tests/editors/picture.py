"""The picture of ghost text in Neovim: what the embedded starter says, in a terminal."""

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.editors.sandbox import EDITORS, Sandbox, until
from tests.editors.terminal import terminal

_CODE = """\
import json
from pathlib import Path


def read_settings(path: Path) -> dict:
    if not path
"""
_COLUMNS, _ROWS = 64, 12


def svg(screen: str) -> str:
    """Return the picture of a screen with its escape sequences."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO())
    for line in screen.splitlines()[:_ROWS]:
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    # Rich's font comes from a host in the net; any monospaced one will do.
    drawn = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="Neovim"), flags=re.DOTALL)
    return re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE).rstrip() + "\n"


def ghost_text_screen(cache: Path, home: Sandbox) -> str:
    """Return the screen, with its escape sequences, once ghost text stands on it."""
    root = cache / "nvim-0.12/usr"
    init = home.home / "init.lua"
    command = f"{{ '{sys.executable}', '-m', 'dsc_lsp', '--stdio' }}"
    init.write_text(
        f"vim.opt.runtimepath:prepend('{EDITORS / 'nvim'}')\n"
        "vim.api.nvim_set_hl(0, 'Normal', {})\n"
        "vim.o.number = true\nvim.o.ruler = false\nvim.o.showmode = false\n"
        # Below what the picture shows.
        "vim.api.nvim_create_autocmd('LspProgress',"
        " { pattern = 'end', command = 'echo \"the model is there\"' })\n"
        f"require('dsc').setup({{ cmd = {command} }})\n"
    )
    file = home.file("settings.py", _CODE)
    nvim = [str(root / "bin/nvim"), "--clean", "-n", "-u", str(init), str(file)]
    variables = {"VIMRUNTIME": str(root / "share/nvim/runtime")}
    with terminal(cache, home, nvim, variables) as shown:
        shown.until("read_settings", "the model is there")
        shown.type("G$a.")
        until(lambda: re.search(r"path\.\w", shown.screen()), shown.screen)
        return shown.screen(colours=True)
