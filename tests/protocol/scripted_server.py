"""``dsc-lsp serve`` with an engine that needs no model.

``python -m tests.protocol.scripted_server``, with the options of ``serve``.
Its engine prints as libraries do. Environment variables say how: ``SCRIPTED_LOAD_SECONDS`` (a
load that cannot be interrupted), ``SCRIPTED_TOKEN_SECONDS``, ``SCRIPTED_BUSY`` (compute in Python
for that time instead of sleeping), ``SCRIPTED_NOISE`` (text to print), ``SCRIPTED_ALTERNATIVES``
(words that it would also say), ``SCRIPTED_GATES`` (a folder: it is loaded once ``loaded`` is in it
and says nothing while ``thinking`` is), ``SCRIPTED_TOLD`` (a file for what it takes of what is
copied and of diagnostics).
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from dsc_lsp.cli import main, serve
from dsc_lsp.server import session
from tests.scripted import ScriptedEngine
from tests.told import telling


def load(_settings: Any, report: Any) -> ScriptedEngine:
    """Return the engine, after a while."""
    time.sleep(float(os.environ.get("SCRIPTED_LOAD_SECONDS", "0")))
    gates = Path(os.environ["SCRIPTED_GATES"]) if "SCRIPTED_GATES" in os.environ else None
    if gates is not None:
        report("Reading the script", 40)
        while not (gates / "loaded").exists():
            time.sleep(0.02)
    pause = float(os.environ.get("SCRIPTED_TOKEN_SECONDS", "0"))
    busy = bool(os.environ.get("SCRIPTED_BUSY"))
    noise = os.environ.get("SCRIPTED_NOISE", "")

    def before_token(_number: int) -> None:
        while gates is not None and (gates / "thinking").exists():
            time.sleep(0.02)
        if noise:
            sys.stdout.write(noise)
            sys.stdout.flush()
            os.write(1, noise.encode())
            assert sys.stdin.read() == ""
        if not busy:
            time.sleep(pause)
            return
        end = time.perf_counter() + pause
        while time.perf_counter() < end:
            continue

    others = os.environ.get("SCRIPTED_ALTERNATIVES", "").split()
    return ScriptedEngine(("answer", *others), before_token=before_token)


def record(event: str) -> None:
    """Write down what this process was told."""
    with Path(os.environ["SCRIPTED_TOLD"]).open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {event}\n")


if __name__ == "__main__":
    serve.open_engine = load
    if "SCRIPTED_TOLD" in os.environ:
        session.Repository = telling(record)
    arguments = sys.argv[1:]
    if "--log-file" not in arguments:
        arguments += ["--log-file", str(Path(os.devnull))]
    sys.exit(main(arguments))
