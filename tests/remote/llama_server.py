"""A real llama-server in a process of its own, if ``install_llama_server.sh`` has unpacked one.

``python -m tests.remote.llama_server`` serves the embedded starter until it is interrupted, to be
compared with the local engine on the same weights.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import platformdirs
import pytest

from dsc_lsp.models import STARTER_CHECKPOINT
from tests.remote.gguf_file import write_gguf

INSTALLED = platformdirs.user_cache_path("dsc-lsp-tests") / "llama-server" / "llama-server"
_START_SECONDS = 30


class LlamaServer:
    """One server on loopback; ``start`` after ``kill`` takes the same port again."""

    def __init__(self, command: Path, model: Path, log: Path, *options: str) -> None:
        self.port = free_port()
        self.log = log
        self._command = [str(command), "-m", str(model), "--port", str(self.port), *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> str:
        """The address without ``/v1``."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until the model is loaded."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            assert self._process.poll() is None, self.log.read_text(errors="replace")
            try:
                if httpx2.get(f"{self.root}/health", trust_env=False).is_success:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"llama-server was not up in {_START_SECONDS} s")

    def counted(self, name: str) -> float:
        """Return one of the server's counters, such as ``prompt_tokens_total``."""
        page = httpx2.get(f"{self.root}/metrics", trust_env=False).text
        lines = (line for line in page.splitlines() if line.startswith(f"llamacpp:{name} "))
        return float(next(lines).split()[1])

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


def installed_command() -> Path:
    """Return where llama-server is, or skip the test that asks."""
    found = shutil.which("llama-server")
    command = INSTALLED if INSTALLED.exists() else Path(found) if found else None
    if command is None:
        pytest.skip("no llama-server; tests/remote/install_llama_server.sh unpacks one")
    return command


def serve_checkpoint(checkpoint: Path, folder: Path, *options: str) -> LlamaServer:
    """Convert a checkpoint and start a server with one slot and one thread for it."""
    model = write_gguf(checkpoint, folder / f"{checkpoint.name}.gguf")
    # Keys and values in float32, as the local engine keeps them: their default, float16, moves
    # likelihoods by some thousandths, enough to turn a near tie.
    exact = ("-ctk", "f32", "-ctv", "f32", "-fa", "off")
    fixed = ("-np", "1", "-t", "1", "-c", "2048", "--no-webui", "--metrics", *exact)
    server = LlamaServer(installed_command(), model, folder / "llama-server.log", *fixed, *options)
    server.start()
    return server


def free_port() -> int:
    """Return a port of the loopback address that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> None:
    """Serve the starter."""
    with tempfile.TemporaryDirectory(prefix="dsc-lsp-llama-") as folder:
        server = serve_checkpoint(STARTER_CHECKPOINT, Path(folder))
        print(f"{server.root}/v1 (process {os.getpid()}; Ctrl-C ends it)", flush=True)  # noqa: T201
        # Ended politely, it must not leave the server behind.
        signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
        try:
            server.wait()
        except KeyboardInterrupt:
            pass
        finally:
            server.kill()


if __name__ == "__main__":
    main()
