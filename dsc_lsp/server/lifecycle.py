"""The end of the server: when the client says so, when it hangs up, and when it dies.

Upstream: openlawlibrary/pygls#130 (a client's death; mended by #149, and gone again in 2.x) and
#118 (the code of ``exit``).
"""

import asyncio

import psutil

_POLL_SECONDS = 1.0


class Ending:
    """Whether and how the server shall end; event loop only."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.exit_code = 1

    def ask(self, exit_code: int) -> None:
        """End the server; the first call decides the exit code."""
        if not self._asked.is_set():
            self.exit_code = exit_code
            self._asked.set()

    async def wait(self) -> None:
        """Return when the server shall end."""
        await self._asked.wait()


def process_of(process_id: int) -> psutil.Process | None:
    """Return a process to watch; ``None`` if there is none of that number.

    Then the client runs in a container or on another machine, where the number means something
    else.
    """
    try:
        return psutil.Process(process_id)
    except (psutil.Error, ValueError, OverflowError):
        return None


async def watch_parent(process: psutil.Process, ending: Ending) -> None:
    """Ask for the end when the client's process is gone (LSP 3.18, ``InitializeParams``).

    Some clients leave our stdin open in a child of theirs when they are killed, so the end of
    input is not enough.
    """
    while is_alive(process):
        await asyncio.sleep(_POLL_SECONDS)
    ending.ask(1)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process has not ended (one that nobody has reaped counts as ended)."""
    try:
        # is_running knows a new process that was given the same number.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
