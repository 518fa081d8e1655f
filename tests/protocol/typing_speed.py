"""How fast the server takes edits and cancels: ``python -m tests.protocol.typing_speed``.

Over real stdio, with a scripted engine that needs 50 ms a token: 10,000 changes of one character
in a document of 10,000 lines, with a request for ghost text at every tenth, and 500 requests that
are cancelled while they run. What is measured is the server, from this process's first byte to
the last answer.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.protocol.client import URI, frame, inline_params, insertion, read_frame

_CHANGES = 10_000
_EVERY = 10
_CANCELS = 500
_LINE = "    total = total + item.price * item.quantity  # größe 😀\n"


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds for all changes, milliseconds from cancel to answer, and how many answers came."""

    changes_seconds: float
    asked: int
    answered: int
    cancel_ms: tuple[float, ...]

    @property
    def cancel_p95_ms(self) -> float:
        """The 95th percentile."""
        return statistics.quantiles(self.cancel_ms, n=20)[18]


def measure() -> Speed:
    """Start a server, type and cancel."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.protocol.scripted_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SCRIPTED_TOKEN_SECONDS": "0.05"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        _open(process.stdin, process.stdout)
        seconds, answered = _type(process.stdin, process.stdout)
        times = tuple(_cancel_ms(process.stdin, process.stdout, n) for n in range(_CANCELS))
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
    return Speed(seconds, _CHANGES // _EVERY, answered, times)


def _open(writer: IO[bytes], reader: IO[bytes]) -> None:
    _send(writer, "initialize", {"capabilities": {}, "processId": None}, 0)
    _answer(reader, 0)
    _send(writer, "initialized", {})
    document = {"uri": URI, "languageId": "python", "version": 1, "text": _LINE * 10_000}
    _send(writer, "textDocument/didOpen", {"textDocument": document})
    for attempt in range(100):
        _send(writer, "textDocument/inlineCompletion", inline_params(5000, 0), f"wait {attempt}")
        if _answer(reader, f"wait {attempt}")["result"]["items"]:
            return
        time.sleep(0.05)


def _type(writer: IO[bytes], reader: IO[bytes]) -> tuple[float, int]:
    messages: list[bytes] = []
    for number in range(_CHANGES):
        column = number % 60
        change = {
            "textDocument": {"uri": URI, "version": number + 2},
            "contentChanges": [insertion(5000, column, "é")],
        }
        messages.append(_framed("textDocument/didChange", change))
        if number % _EVERY == 0:
            params = inline_params(5000, column + 1)
            messages.append(_framed("textDocument/inlineCompletion", params, number + 1))
    messages.append(_framed("no/such", None, "end"))
    start = time.perf_counter()
    typist = threading.Thread(target=_write_all, args=(writer, messages))
    typist.start()
    answered: set[int] = set()
    ended = False
    while not ended or len(answered) < _CHANGES // _EVERY:
        message = read_frame(reader)
        assert message is not None
        if message.get("id") == "end":
            ended = True
        elif "method" not in message:
            answered.add(message["id"])
    seconds = time.perf_counter() - start
    typist.join()
    return seconds, len(answered)


def _write_all(writer: IO[bytes], messages: list[bytes]) -> None:
    for message in messages:
        writer.write(message)
        writer.flush()


def _cancel_ms(writer: IO[bytes], reader: IO[bytes], number: int) -> float:
    _send(writer, "textDocument/inlineCompletion", inline_params(number, 4), f"cancel {number}")
    time.sleep(0.003)
    start = time.perf_counter()
    _send(writer, "$/cancelRequest", {"id": f"cancel {number}"})
    assert _answer(reader, f"cancel {number}")["error"]["code"] == -32800
    return (time.perf_counter() - start) * 1000


def _framed(method: str, params: Any, number: Any = None) -> bytes:
    identity = {} if number is None else {"id": number}
    return frame({"jsonrpc": "2.0", "method": method, "params": params} | identity)


def _send(writer: IO[bytes], method: str, params: Any, number: Any = None) -> None:
    writer.write(_framed(method, params, number))
    writer.flush()


def _answer(reader: Any, number: Any) -> dict[str, Any]:
    while (message := read_frame(reader)) is not None:
        if message.get("id") == number and "method" not in message:
            return message
    raise AssertionError("the server has ended")


def main() -> None:
    """Measure and print."""
    speed = measure()
    shown = {
        "changes": _CHANGES,
        "seconds": round(speed.changes_seconds, 2),
        "microseconds_per_change": round(speed.changes_seconds / _CHANGES * 1e6),
        "asked": speed.asked,
        "answered": speed.answered,
        "cancel_ms": {
            "p50": round(statistics.median(speed.cancel_ms), 2),
            "p95": round(speed.cancel_p95_ms, 2),
            "max": round(max(speed.cancel_ms), 2),
        },
    }
    sys.stdout.write(json.dumps(shown) + "\n")


if __name__ == "__main__":
    main()
