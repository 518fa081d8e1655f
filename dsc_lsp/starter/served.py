"""How good the starter is as users meet it: ``dsc-lsp eval --compare``, all of its ways of use.

In a process of its own, because the recipe does not know the measures. It keeps each result as
it comes, so that an interrupted evaluation goes on where it was.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dsc_lsp.starter.progress import SECONDS, Report, state

_WAYS = 4  # of use, each of which completes every hole


class EvaluationError(Exception):
    """``dsc-lsp eval`` has failed and said why on standard error."""


def measure(
    checkpoint: Path,
    datasets: Sequence[str],
    *,
    limit: int,
    seed: int,
    seen: Path | None,
    kept: Path,
    report: Report,
) -> Any:
    """Return what ``dsc-lsp eval --json`` says of each way of use, by its name.

    ``limit`` holes of each data set are completed, ``seen`` has the lines that the model was
    trained on, and ``kept`` is where results are kept.

    Raises:
        EvaluationError: it failed.
    """
    command = [sys.executable, "-m", "dsc_lsp", "eval", *datasets, "--compare", "--json"]
    command += ["--model", str(checkpoint), "--device", "cpu", "--keep", str(kept)]
    command += ["--limit", str(limit), "--seed", str(seed)]
    command += [] if seen is None else ["--seen", str(seen)]
    total = _WAYS * limit * len(datasets)
    begun, started = _count(kept), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            while True:
                try:
                    answer, _ = process.communicate(timeout=SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    done, seconds = _count(kept), time.monotonic() - started
                    if done > begun:
                        report(state("suggestions", done, total, seconds, begun=begun))
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise EvaluationError(f"dsc-lsp eval of {', '.join(datasets)} failed")
    return json.loads(answer)


def _count(kept: Path) -> int:
    """Return how many results there are, one a line after the first."""
    if not kept.exists():
        return 0
    with kept.open("rb") as lines:
        return max(0, sum(1 for _ in lines) - 1)
