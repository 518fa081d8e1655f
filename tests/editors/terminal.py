"""A program in a terminal: tmux draws its screen and presses its keys."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.editors.sandbox import Sandbox, until


class Terminal:
    """One program on a screen of 100 by 30."""

    def __init__(self, tmux: Sequence[str], environment: dict[str, str]) -> None:
        self._tmux = tmux
        self._environment = environment

    def type(self, text: str) -> None:
        """Type a text."""
        self._run("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: ``Tab``, ``C-x``, ``M-f``, ``Escape``."""
        self._run("send-keys", *keys)

    def screen(self, *, colours: bool = False) -> str:
        """Return what is on screen, with its escape sequences if asked for."""
        return self._run("capture-pane", "-p", *(["-e"] if colours else []))

    def until(self, *pieces: str) -> str:
        """Wait until all these pieces are on screen, across line breaks; returns the screen."""
        until(
            lambda: all(piece in self._flat() for piece in pieces),
            lambda: f"{pieces} on screen; there is\n{self.screen()}",
        )
        return self.screen()

    def until_gone(self, piece: str) -> None:
        """Wait until something is not on screen."""
        until(lambda: piece not in self._flat(), lambda: f"{piece!r} to go from\n{self.screen()}")

    def cursor(self) -> tuple[int, int]:
        """Return column and row of the cursor on screen, from 0."""
        column, row = self._run("display-message", "-p", "#{cursor_x} #{cursor_y}").split()
        return int(column), int(row)

    def _flat(self) -> str:
        lines = self.screen().splitlines()
        # Editors break long messages at the margin.
        return "\n".join(lines) + "\n" + "".join(line.rstrip("\\") for line in lines)

    def _run(self, *arguments: str) -> str:
        command = [*self._tmux, *arguments]
        ended = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{arguments[0]}: {ended.stderr}"
        return ended.stdout


@contextmanager
def terminal(
    cache: Path, home: Sandbox, command: Sequence[str], environment: dict[str, str]
) -> Iterator[Terminal]:
    """Run a program in a terminal of its own, in the sandbox's project."""
    variables = {**home.environment, **environment}
    tmux = [
        *(str(cache / "tmux/usr/bin/tmux"), "-S", str(home.home / "tmux"), "-f", "/dev/null"),
    ]
    size = ["-x", "100", "-y", "30"]
    start = ["new-session", "-d", *size, "-c", str(home.project), *command]
    # Keys after Escape are keys, not Meta.
    options = ["set", "-s", "escape-time", "10", ";", "set", "-g", "status", "off", ";"]
    subprocess.run([*tmux, *options, *start], env=variables, check=True)
    try:
        yield Terminal(tmux, variables)
    finally:
        subprocess.run([*tmux, "kill-server"], env=variables, capture_output=True, check=False)
