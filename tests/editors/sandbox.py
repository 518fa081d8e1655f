"""A home of its own for an editor under test, and no process of it left behind."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PATIENCE_SECONDS = float(os.environ.get("DSC_TEST_PATIENCE_SECONDS", "45"))
"""No test waits for this long unless it fails; the machine may be busy."""

REPOSITORY = Path(__file__).parents[2]
EDITORS = REPOSITORY / "editors"

_POLL_SECONDS = 0.02
_MARK = "DSC_TEST_SANDBOX"


class Sandbox:
    """A home, a project and what the scripted server writes down."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.project = home / "project"
        self.events_file = home / "events"
        self.project.mkdir(parents=True)
        (self.project / ".git").mkdir()
        self.environment = {
            "HOME": str(home),
            **{
                f"XDG_{name}_HOME": str(home / name.lower())
                for name in ("CONFIG", "DATA", "STATE", "CACHE")
            },
            "XDG_RUNTIME_DIR": str(home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "DSC_TEST_EVENTS": str(self.events_file),
            _MARK: str(home),
        }

    def file(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.project / name
        path.write_bytes(text.encode())
        return path

    def events(self) -> list[str]:
        """Return what has happened in the scripted server."""
        return self.events_file.read_text().splitlines() if self.events_file.exists() else []

    def acceptances(self) -> list[str]:
        """Return what the scripted server was told of accepted suggestions."""
        return [event for event in self.events() if event.startswith("dsc.")]

    def until_event(self, event: str, times: int = 1) -> None:
        """Wait until the server has written something down."""
        until(lambda: self.events().count(event) >= times, f"event {event!r}")


@contextmanager
def sandbox(home: Path) -> Iterator[Sandbox]:
    """Give an editor a home; afterwards, no process may be left that was started in it."""
    yield Sandbox(home)
    end = time.monotonic() + PATIENCE_SECONDS
    while (left := processes_of(home)) and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
    names = [" ".join(process.info["cmdline"] or [process.info["name"]]) for process in left]
    for process in left:
        process.kill()
    assert not names, f"left behind: {names}"


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that live in a sandbox."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "environ", "name", "status"])
        if (process.info["environ"] or {}).get(_MARK) == str(home)
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def kill_server(home: Sandbox) -> None:
    """Kill the one server that runs in a sandbox."""
    [server] = [
        process
        for process in processes_of(home.home)
        if "--stdio" in (process.info["cmdline"] or [])
    ]
    server.kill()


def until(condition: Callable[[], object], what: str | Callable[[], str]) -> None:
    """Wait until a condition holds; ``what`` is said if it never does."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what() if callable(what) else what}")
        time.sleep(_POLL_SECONDS)
