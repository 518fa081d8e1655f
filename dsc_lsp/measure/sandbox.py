"""Run a program that a model has half written, with limits, in a process of its own.

This keeps mistakes in check (endless loops, memory, files in the wrong folder, processes that are
left behind). It is no wall against malice, so nothing is run unless the user asks for it.
"""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress

_SECONDS = 10
_MEMORY_BYTES = 2 * 2**30
_FILE_BYTES = 2**20
_RAN_TO_ITS_END = 77  # what a program that ends itself early does not say

# Runs what it reads on stdin; Windows has no such limits, only the time.
_RUNNER = f"""
import os, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({_MEMORY_BYTES}, {_MEMORY_BYTES}))
    resource.setrlimit(resource.RLIMIT_CPU, ({_SECONDS}, {_SECONDS}))
    resource.setrlimit(resource.RLIMIT_FSIZE, ({_FILE_BYTES}, {_FILE_BYTES}))
except ImportError:
    pass
exec(compile(sys.stdin.buffer.read(), "program", "exec"), {{"__name__": "program"}})
os._exit({_RAN_TO_ITS_END})
"""


def passes(program: str) -> bool:
    """Whether a Python program runs to its end without an error, within 10 s and 2 GiB.

    Neither is leaving early, with whatever exit code: the tests stand at the end.
    """
    with tempfile.TemporaryDirectory(prefix="dsc-lsp-eval-") as folder:
        with subprocess.Popen(
            [sys.executable, "-I", "-c", _RUNNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={},
            start_new_session=True,
        ) as process:
            try:
                process.communicate(program.encode("utf-8", "replace"), timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                return False
            finally:
                _end(process)
        return process.returncode == _RAN_TO_ITS_END


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the program and what it has started."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
