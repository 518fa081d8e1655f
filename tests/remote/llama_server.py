"""A real llama-server in a process of its own, if ``install_llama_server.sh`` has unpacked one.

``python -m tests.remote.llama_server`` serves the embedded starter until it is interrupted, to be
compared with the local engine on the same weights.
"""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import httpx2
import platformdirs
import pytest

from dsc_lsp.models import STARTER_CHECKPOINT
from tests.remote.gguf_file import write_gguf
from tests.remote.processes import PLAINLY, ServerProcess, free_port

INSTALLED = platformdirs.user_cache_path("dsc-lsp-tests") / "llama-server" / "llama-server"


class LlamaServer(ServerProcess):
    """A llama-server, which counts what it does."""

    def counted(self, name: str) -> float:
        """Return one of the server's counters, such as ``prompt_tokens_total``."""
        page = httpx2.get(f"{self.root}/metrics", **PLAINLY).text
        lines = (line for line in page.splitlines() if line.startswith(f"llamacpp:{name} "))
        return float(next(lines).split()[1])

    @property
    def is_generating(self) -> bool:
        """Whether the one slot computes, as the server's loop sees it between two tokens."""
        return bool(httpx2.get(f"{self.root}/slots", **PLAINLY).json()[0]["is_processing"])


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
    fixed = ("-np", "1", "-t", "1", "-c", "2048", "--no-webui", "--metrics", "--slots", *exact)
    port = free_port()
    where = ("-m", str(model), "--port", str(port))
    command = (str(installed_command()), *where, *fixed, *options)
    server = LlamaServer(command, port, folder / "llama-server.log")
    server.start()
    return server


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
