"""Processes that have torch and transformers from the start: importing them takes 6 s each time.

They are forked from one that has imported both and computed nothing, so that no thread is lost.
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_LONGEST_SECONDS = 120

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["torch", "transformers.models.llama.modeling_llama"])


@dataclass(frozen=True)
class Ended:
    """How a process has ended; below 0 is the signal that ended it."""

    returncode: int | None
    stdout: str
    stderr: str


def run(work: Callable[..., object], *arguments: object) -> Ended:
    """Return how a process ends that does this, a function of a module; with one thread."""
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = _processes.Process(target=_write_down, args=(said, work, arguments))
        process.start()
        process.join(_LONGEST_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
        returncode = process.exitcode
        process.close()
        return Ended(returncode, *(file.read_text(encoding="utf-8") for file in said))


def _write_down(
    said: list[Path], work: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    for number, file in enumerate(said, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    import torch

    torch.set_num_threads(1)
    sys.exit(work(*arguments))
