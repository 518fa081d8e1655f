"""Neovim without a window, driven through its own API."""

import gc
import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.editors.sandbox import EDITORS, PATIENCE_SECONDS, Sandbox, until

if TYPE_CHECKING:
    import pynvim


SCRIPTED = [sys.executable, "-m", "tests.editors.scripted_server", "--stdio"]

_ASKED_AGAIN_SECONDS = 0.5
"""Neovim's own waits 0.2 seconds after a key before it asks."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Kind:
    """A Neovim and the way in which it shows ghost text."""

    folder: str
    is_native: bool

    @property
    def namespace(self) -> str:
        """The namespace of its ghost text."""
        return "nvim.lsp.inline_completion" if self.is_native else "dsc.ghost"


NATIVE = Kind("nvim-0.12", is_native=True)
# With vim.lsp.config, without inline completion.
MIDDLE = Kind("nvim-0.11", is_native=False)
OLD = Kind("nvim-0.10", is_native=False)


class Nvim:
    """An editor with one file open."""

    def __init__(self, kind: Kind, api: "pynvim.Nvim") -> None:
        self.kind = kind
        self.api = api

    def type(self, keys: str) -> None:
        """Press keys; special ones are written ``<Tab>``."""
        self.api.input(keys)

    def edit(self, file: Path) -> None:
        """Go to a file, in normal mode, with no message left of what was before."""
        self.type("<C-\\><C-n>")
        self.until_mode("n")
        self.api.command("messages clear")
        self.api.command(f"edit! {file}")
        self.until_attached()

    def lua(self, code: str, *arguments: Any) -> Any:
        """Run Lua code in the editor."""
        return self.api.exec_lua(code, *arguments)

    def text(self) -> str:
        """Return the text of the buffer."""
        return "\n".join(self.api.current.buffer[:])

    def cursor(self) -> tuple[int, int]:
        """Return line from 1 and column from 0, in bytes."""
        line, column = self.api.current.window.cursor
        return line, column

    def ghost(self) -> str:
        """Return the ghost text on screen, empty if there is none."""
        code = """
            local namespace = vim.api.nvim_get_namespaces()[...]
            local marks = namespace
              and vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true }) or {}
            return #marks > 0 and { marks[1][4].virt_text, marks[1][4].virt_lines or {} } or nil
        """
        found = self.lua(code, self.kind.namespace)
        if found is None:
            return ""
        first, more = found
        lines = [first, *more]
        return "\n".join("".join(piece[0] for piece in line) for line in lines)

    def until_ghost(self, text: str) -> None:
        """Wait until that ghost text is on screen; empty for none."""
        until(
            lambda: self.ghost() == text,
            lambda: f"ghost text {text!r}; it is {self.ghost()!r}; {self.messages()}",
        )

    def stays_ghost(self, text: str) -> None:
        """See that the ghost text is not changed by what the editor asks for after a key."""
        end = time.monotonic() + _ASKED_AGAIN_SECONDS
        while time.monotonic() < end:
            assert self.ghost() == text
            time.sleep(_POLL_SECONDS)

    def until_text(self, text: str) -> None:
        """Wait until that is the text of the buffer."""
        until(lambda: self.text() == text, lambda: f"{text!r}; it is {self.text()!r}")

    def until_mode(self, mode: str) -> None:
        """Wait until the editor is in a mode, after it has taken all keys."""
        until(lambda: self.api.api.get_mode()["mode"] == mode, f"mode {mode}")

    def messages(self) -> str:
        """Return what the user was told."""
        return self.api.command_output("messages")

    def until_told(self, *pieces: str) -> str:
        """Wait for a message with all these pieces in it; returns all messages."""
        # A long message is a row of lines.
        until(
            lambda: all(piece in self.messages() for piece in pieces),
            lambda: f"a message with {pieces}; there is {self.messages()!r}",
        )
        return self.messages()

    def until_attached(self) -> None:
        """Wait until the server knows the buffer."""
        code = "return #vim.lsp.get_clients({ name = 'dsc', bufnr = 0 })"
        until(lambda: self.lua(code) == 1, lambda: f"the server; {self.messages()}")


Start = Callable[..., Nvim]
Edit = Callable[[str], Nvim]


def ready(editor: Nvim, home: Sandbox) -> Nvim:
    """Return an editor once its server is there and has loaded, as have those before it."""
    editor.until_attached()
    until(lambda: home.events().count("loaded") == home.events().count("started"), "the engine")
    return editor


@contextmanager
def nvim(
    cache: Path,
    kind: Kind,
    home: Sandbox,
    file: Path | str,
    *,
    options: dict[str, Any] | None,
    before: str = "",
    environment: dict[str, str] | None = None,
) -> Iterator[Nvim]:
    """Start Neovim with the module set up, if it has options; Lua code can run before."""
    import pynvim

    root = cache / kind.folder
    setup = f"require('dsc').setup(vim.json.decode([==[{json.dumps(options)}]==]))\n"
    init = home.home / "init.lua"
    init.write_text(
        f"vim.opt.runtimepath:prepend('{EDITORS / 'nvim'}')\n"
        # Its users' tabs are blanks.
        "vim.g.python_recommended_style = 0\n"
        f"{before}\n" + ("" if options is None else setup)
    )
    variables = {
        **home.environment,
        "VIMRUNTIME": str(root / "usr/share/nvim/runtime"),
        **(environment or {}),
    }
    command = [
        *("env", "-i", "-C", str(home.project)),
        *(f"{name}={value}" for name, value in variables.items()),
        str(root / "usr/bin/nvim"),
        *("--embed", "--headless", "--clean", "-n", "-u", str(init), str(file)),
    ]
    others = set(threading.enumerate())
    api = pynvim.attach("child", argv=command)
    waiting = [
        thread
        for thread in threading.enumerate()
        if thread not in others and "waitpid-" in thread.name
    ]
    editor = Nvim(kind, api)
    del api
    try:
        yield editor
    finally:
        # The answer to this never comes.
        editor.api.command("qall!", async_=True)
        _close(editor, waiting)


def _close(editor: Nvim, waiting: list[threading.Thread]) -> None:
    """Close the connection, which pynvim does before its pipes are closed, and forget it.

    ``waiting`` are the threads in which asyncio waits for this editor to end.
    """
    # What asyncio has to say about it holds the loop, and pytest holds what is logged.
    logger = logging.getLogger("asyncio")
    logger.disabled = True
    editor.api.close()
    del editor.api
    for thread in waiting:
        thread.join(PATIENCE_SECONDS)
    logger.disabled = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
