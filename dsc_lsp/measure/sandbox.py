"""Run a program that a model has half written, with limits, in a process of its own.

This keeps mistakes in check (endless loops, memory, files in the wrong folder). It is no wall
against malice, so nothing is run unless the user asks for it.
"""

import subprocess
import sys
import tempfile

_SECONDS = 10
_MEMORY_BYTES = 2 * 2**30
_FILE_BYTES = 2**20

# Runs what it reads on stdin; Windows has no such limits, only the time.
_RUNNER = f"""
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({_MEMORY_BYTES}, {_MEMORY_BYTES}))
    resource.setrlimit(resource.RLIMIT_CPU, ({_SECONDS}, {_SECONDS}))
    resource.setrlimit(resource.RLIMIT_FSIZE, ({_FILE_BYTES}, {_FILE_BYTES}))
except ImportError:
    pass
exec(compile(sys.stdin.buffer.read(), "program", "exec"), {{"__name__": "program"}})
"""


def passes(program: str) -> bool:
    """Whether a Python program ends by itself, with exit code 0, within 10 s and 2 GiB."""
    with tempfile.TemporaryDirectory(prefix="dsc-lsp-eval-") as folder:
        try:
            ended = subprocess.run(
                [sys.executable, "-I", "-c", _RUNNER],
                input=program.encode("utf-8", "replace"),
                cwd=folder,
                env={},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return ended.returncode == 0
