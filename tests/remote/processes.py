"""A real server in a process of its own on loopback."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

_START_SECONDS = 60
PLAINLY: Any = {"trust_env": False, "verify": False}
"""How this machine is asked; to load the certificates of the world would take 25 ms each time."""


class ServerProcess:
    """One server; ``start`` after ``kill`` takes the same port again.

    It is up when its ``/health`` says so.
    """

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self.log = log
        self._command = list(command)
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> str:
        """The address without ``/v1``."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until the model is loaded."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment
            )
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            assert self._process.poll() is None, self.log.read_text(errors="replace")
            try:
                if httpx2.get(f"{self.root}/health", **PLAINLY).is_success:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the server was not up in {_START_SECONDS} s")

    def kill(self) -> None:
        """End it as the system's memory killer would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait(self) -> None:
        """Wait until somebody ends it."""
        assert self._process is not None, "it runs"
        self._process.wait()


def free_port() -> int:
    """Return a port of the loopback address that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
