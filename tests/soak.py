"""Type for a long time and see that nothing is lost, grows or slows: ``python -m tests.soak``.

Several editors' worth of documents are open in one server, a real subprocess with the embedded
starter (or, where there is none, a tiny checkpoint with random weights). Into each a writer types
one of the traces that ship, real changes of real files, over and over: key by key, with a request
for ghost text at each key and for the popup at every other, cancels, mistakes that are taken back,
jumps, closing and opening again. Exit code 1 if an answer is lost or
doubled, the server dies, memory or latency drifts beyond the limits, or threads multiply.
"""

import argparse
import asyncio
import importlib.util
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from dsc_lsp.document import Document, Position
from dsc_lsp.measure.traces import Trace, shipped
from tests.checkpoints import make_checkpoint

_KEY_SECONDS = 0.5
_WARM_UP_SHARE = 0.25
_LONGEST_WARM_UP_SECONDS = 120.0
_SAMPLE_SECONDS = 2.0
_ANSWER_SECONDS = 30.0
_ENDING_SECONDS = 5.0
_MOST_MEMORY_DRIFT = 0.05
_MOST_LATENCY_DRIFT = 1.0
"""A median twice as high as after the warm-up, and by more than the milliseconds below, fails."""
_LATENCY_GRACE_MS = 50.0
_CANCELLED = -32800
_MISTAKES = 0.05


@dataclass
class _Tally:
    """What was seen; milliseconds with the moment (seconds from the start) they were taken."""

    asked: int = 0
    answered: int = 0
    cancelled: int = 0
    shown: int = 0
    wrong: list[str] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    threads: list[tuple[float, int]] = field(default_factory=list)


class _Connection:
    """JSON-RPC over a subprocess's pipes, strict about what comes back."""

    def __init__(self, process: asyncio.subprocess.Process, tally: _Tally) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._writer, self._reader = process.stdin, process.stdout
        self._tally = tally
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self.loaded = asyncio.Event()

    async def read(self) -> None:
        """Take what the server sends until it ends."""
        while header := await self._reader.readline():
            length = int(header.split(b":")[1])
            while (await self._reader.readline()).strip():
                continue
            self._take(json.loads(await self._reader.readexactly(length)))

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> tuple[int, asyncio.Future[Any]]:
        """Send a request; returns its id and its answer to come."""
        self._number += 1
        self._tally.asked += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        self._send({"id": self._number, "method": method, "params": params})
        return self._number, answer

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def _take(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is not None and "id" in message:
            self._send({"id": message["id"], "result": None})
        elif method == "window/showMessage":
            self._tally.wrong.append(f"message to the user: {message['params']['message']}")
            self.loaded.set()
        elif method == "$/progress" and message["params"]["value"]["kind"] == "end":
            self.loaded.set()
        elif method is None:
            answer = self._waiting.pop(message["id"], None)
            if answer is None:
                self._tally.wrong.append(f"an answer that nobody waits for: {message['id']}")
            elif not answer.done():
                self._tally.answered += 1
                answer.set_result(message)


class _Writer:
    """Somebody who types a trace into a document, again and again."""

    def __init__(
        self, connection: _Connection, tally: _Tally, number: int, trace: Trace, start: float
    ) -> None:
        self._connection, self._tally, self._start = connection, tally, start
        self._trace = trace
        self._uri = f"file:///soak/{number}/{trace.name}"
        self._random = random.Random(number)
        self._version = 0
        self._waiting: set[asyncio.Task[None]] = set()

    async def write(self, until: float) -> None:
        """Type until a moment (seconds from the start)."""
        while time.monotonic() - self._start < until:
            self._open()
            await self._type_trace(until)
            self._connection.notify("textDocument/didClose", self._document())
        if self._waiting:
            await asyncio.wait(self._waiting)

    async def _type_trace(self, until: float) -> None:
        document = self._trace.document()
        for edit in self._trace.edits:
            if time.monotonic() - self._start > until:
                return
            self._change(document, edit.start, edit.end, edit.text)
            document = document.replace(edit.start, edit.end, edit.text, document.version + 1)
            self._ask(document, edit.cursor)
            if self._random.random() < _MISTAKES:
                self._mistype(document, edit.cursor)
            await asyncio.sleep(self._random.expovariate(1 / _KEY_SECONDS))

    def _mistype(self, document: Document, at: Position) -> None:
        """Type a wrong key, ask, and take it back."""
        after = Position(at.line, at.column + 1)
        wrong = document.replace(at, at, "#", document.version)
        self._change(document, at, at, "#")
        self._ask(wrong, after)
        self._change(wrong, at, after, "")
        self._ask(document, at)

    def _open(self) -> None:
        self._version += 1
        document = {
            "uri": self._uri,
            "languageId": self._trace.language,
            "version": self._version,
            "text": self._trace.text,
        }
        self._connection.notify("textDocument/didOpen", {"textDocument": document})

    def _change(self, document: Document, start: Position, end: Position, text: str) -> None:
        self._version += 1
        params = self._document(version=self._version)
        span = {"start": _place(document, start), "end": _place(document, end)}
        params["contentChanges"] = [{"range": span, "text": text}]
        self._connection.notify("textDocument/didChange", params)

    def _ask(self, document: Document, at: Position) -> None:
        place = self._document() | {
            "position": _place(document, at),
            "context": {"triggerKind": 2},
        }
        inline, answer = self._connection.ask("textDocument/inlineCompletion", place)
        self._wait_for(answer)
        if self._random.random() < 0.5:
            place["context"] = {"triggerKind": 1}
            self._wait_for(self._connection.ask("textDocument/completion", place)[1])
        if self._random.random() < 0.1:
            self._connection.notify("$/cancelRequest", {"id": inline})

    def _wait_for(self, answer: "asyncio.Future[Any]") -> None:
        task = asyncio.ensure_future(self._count(answer))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _count(self, answer: "asyncio.Future[Any]") -> None:
        asked = time.monotonic()
        try:
            message = await asyncio.wait_for(answer, _ANSWER_SECONDS)
        except TimeoutError:
            self._tally.wrong.append(f"no answer within {_ANSWER_SECONDS:.0f} s")
            return
        if "error" in message:
            self._tally.cancelled += 1
            if message["error"]["code"] != _CANCELLED:
                self._tally.wrong.append(f"an error: {message['error']}")
            return
        now = time.monotonic()
        self._tally.shown += bool(message["result"]["items"])
        self._tally.latencies.append((now - self._start, (now - asked) * 1000))

    def _document(self, **more: Any) -> dict[str, Any]:
        return {"textDocument": {"uri": self._uri, **more}}


async def soak(minutes: float, model: str) -> _Tally:
    """Type for so many minutes; returns what was seen."""
    tally = _Tally()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dsc_lsp", "--stdio"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    connection = _Connection(process, tally)
    reading = asyncio.ensure_future(connection.read())
    await _shake_hands(connection, model)
    start = time.monotonic()
    watching = asyncio.ensure_future(_watch(process.pid, tally, start))
    writers = [
        _Writer(connection, tally, number, trace, start) for number, trace in enumerate(shipped())
    ]
    await asyncio.gather(*(writer.write(minutes * 60) for writer in writers))
    watching.cancel()
    if process.returncode is not None:
        tally.wrong.append(f"the server ended with {process.returncode}")
    _number, answer = connection.ask("shutdown", None)
    await answer
    connection.notify("exit", None)
    try:
        await asyncio.wait_for(reading, _ENDING_SECONDS)
        if await asyncio.wait_for(process.wait(), _ENDING_SECONDS) != 0:
            tally.wrong.append(f"exit code {process.returncode}")
    except TimeoutError:
        tally.wrong.append(f"the server was there {_ENDING_SECONDS:.0f} s after exit")
        process.send_signal(signal.SIGABRT)
    return tally


async def _shake_hands(connection: _Connection, model: str) -> None:
    params = {
        "processId": None,
        "rootUri": None,
        "capabilities": {"window": {"workDoneProgress": True}},
        "initializationOptions": {"model": model},
    }
    await connection.ask("initialize", params)[1]
    connection.notify("initialized", {})
    await asyncio.wait_for(connection.loaded.wait(), 120)


async def _watch(process_id: int, tally: _Tally, start: float) -> None:
    process = psutil.Process(process_id)
    while True:
        await asyncio.sleep(_SAMPLE_SECONDS)
        moment = time.monotonic() - start
        tally.memory.append((moment, process.memory_info().rss))
        tally.threads.append((moment, process.num_threads()))


def findings(tally: _Tally, seconds: float) -> tuple[dict[str, Any], list[str]]:
    """Return what to report, and what is wrong."""
    warm = min(seconds * _WARM_UP_SHARE, _LONGEST_WARM_UP_SECONDS)
    wrong = list(tally.wrong)
    if tally.answered != tally.asked:
        wrong.append(f"{tally.asked - tally.answered} requests were not answered")
    early, late = _halves(tally.latencies, warm, seconds)
    memory_early, memory_late = _halves(tally.memory, warm, seconds)
    threads_early, threads_late = _halves(tally.threads, warm, seconds)
    drift = statistics.median(memory_late) / statistics.median(memory_early) - 1
    slower_ms = statistics.median(late) - statistics.median(early)
    if drift > _MOST_MEMORY_DRIFT:
        wrong.append(f"memory grew by {drift:.1%} after the warm-up")
    if slower_ms > max(_LATENCY_GRACE_MS, _MOST_LATENCY_DRIFT * statistics.median(early)):
        wrong.append(f"the median answer takes {slower_ms:.0f} ms longer")
    if max(threads_late) > max(threads_early):
        wrong.append(f"threads: {max(threads_early)} at first, {max(threads_late)} later")
    report = {
        "seconds": round(seconds),
        "asked": tally.asked,
        "answered": tally.answered,
        "cancelled": tally.cancelled,
        "with_text": tally.shown,
        "answer_p50_ms_early_late": [round(statistics.median(part), 1) for part in (early, late)],
        "answer_p95_ms_early_late": [round(_p95(part), 1) for part in (early, late)],
        "memory_mb_early_late": [
            round(statistics.median(part) / 2**20, 1) for part in (memory_early, memory_late)
        ],
        "memory_drift": round(drift, 4),
        "threads": [max(threads_early), max(threads_late)],
    }
    return report, wrong


def _halves(
    samples: Sequence[tuple[float, Any]], warm: float, seconds: float
) -> tuple[list[Any], list[Any]]:
    """Return the samples after the warm-up, as those of the first and of the second half."""
    middle = (warm + seconds) / 2
    early = [value for moment, value in samples if warm <= moment < middle]
    return early, [value for moment, value in samples if moment >= middle]


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[18]


def _place(document: Document, position: Position) -> dict[str, int]:
    """Return a position in UTF-16, as is agreed where nothing is said."""
    before = document.line(position.line)[: position.column]
    return {"line": position.line, "character": len(before.encode("utf-16-le")) // 2}


def main() -> int:
    """Soak, print what was seen as JSON, and what is wrong on stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--model", help="instead of the starter: a name or a directory")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dsc-lsp-soak-") as folder:
        model = chosen.model or _starter() or str(make_checkpoint(Path(folder) / "tiny"))
        tally = asyncio.run(soak(chosen.minutes, model))
    report, wrong = findings(tally, chosen.minutes * 60)
    sys.stdout.write(json.dumps({"model": Path(model).name, **report}) + "\n")
    for problem in dict.fromkeys(wrong):
        sys.stderr.write(f"{problem}\n")
    return 1 if wrong else 0


def _starter() -> str | None:
    spec = importlib.util.find_spec("dsc_lsp")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "starter" / "dsc-starter"
    return "starter" if folder.exists() else None


if __name__ == "__main__":
    sys.exit(main())
