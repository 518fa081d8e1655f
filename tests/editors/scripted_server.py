"""``dsc-lsp serve`` with an engine that knows a few texts by heart, for tests in real editors.

``python -m tests.editors.scripted_server``, with the options of ``serve``. What happens in it is
written to the file named by ``DSC_TEST_EVENTS``, a line for each event. The environment says how
slow it is (``DSC_TEST_TOKEN_SECONDS``), and whether it crashes as it starts (``DSC_TEST_CRASH``).
What it takes of what is copied and of diagnostics is an event, too, with the text, and so is what
it is told of accepted suggestions.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.cli import main, serve
from dsc_lsp.engine.base import Generation, GenerationRequest, Prompt, Token
from dsc_lsp.server import feedback, session
from tests.scripted import ScriptedEngine, byte_tokens
from tests.told import recorded, telling

KNOWN = (
    "total = sum(item.price for item in items)",
    "def area(width, height):\n    return width * height",
    'greeting = "é☃😀 naïve"',
    "answer = 42",
    "answer = None",
    "answer = 7 * 6",
)
"""Texts that are continued from their third character on, the likelier ones first."""

_SHORTEST = 3


def continuation(before: str, rank: int = 0) -> str:
    """Return the rest of a known text that the text before the cursor has begun, if any."""
    rests = [
        known[length:]
        for known in KNOWN
        for length in range(len(known) - 1, _SHORTEST - 1, -1)
        if before.endswith(known[:length])
    ]
    return rests[rank] if rank < len(rests) else ""


class KnowingEngine(ScriptedEngine):
    """Says the rest of a text that it knows, and nothing anywhere else."""

    def generate(self, request: GenerationRequest, cancel: CancelToken) -> Generation:
        """Start to say the rest."""
        record("asked")
        rest = continuation(_before(request.prompt), request.rank)
        return Generation(len(request.prompt.ids), 0, self._said(rest, cancel))

    def _said(self, rest: str, cancel: CancelToken) -> Iterator[Token]:
        pause = float(os.environ.get("DSC_TEST_TOKEN_SECONDS", "0"))
        for number, data in enumerate(byte_tokens(rest)):
            end = time.monotonic() + pause
            while True:
                try:
                    cancel.check()
                except Cancelled:
                    record("cancelled")
                    raise
                if time.monotonic() >= end:
                    break
                time.sleep(0.01)
            yield Token(number, data, -0.1)


def record(event: str) -> None:
    """Write down what happened."""
    with Path(os.environ["DSC_TEST_EVENTS"]).open("a", encoding="utf-8") as file:
        file.write(event + "\n")


def _before(prompt: Prompt) -> str:
    """Return the text before the cursor: the prefix, and what was typed since the anchor."""
    text, is_suffix = "", False
    for part in prompt.parts:
        if part.control:
            is_suffix = "hole" in part.text
        elif not is_suffix:
            text += part.text
    return text


def _load(_settings: Any, _report: Any) -> KnowingEngine:
    record("loaded")
    return KnowingEngine()


if __name__ == "__main__":
    if os.environ.get("DSC_TEST_CRASH"):
        sys.exit("the test wants a crash")
    serve.open_engine = _load
    session.Repository = telling(record)
    for name in ("dsc.accepted", "dsc.partiallyAccepted"):
        feedback.COMMANDS[name] = recorded(name, feedback.COMMANDS[name], record)
    arguments = sys.argv[1:]
    if "--version" not in arguments:
        record("started")
        arguments += ["--log-file", os.devnull]
    sys.exit(main(arguments))
