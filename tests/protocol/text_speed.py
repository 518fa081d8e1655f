"""How long one change of a document takes: ``python -m tests.protocol.text_speed``.

Each change inserts one character where a UTF-16 position says, as a ``didChange`` does; the
positions jump about, which is the worst case. Prints microseconds: median and 99th percentile.
"""

import random
import statistics
import sys
import time

from lsprotocol import types

from dsc_lsp import convert
from dsc_lsp.document import Document, Position

_CHANGES = 2000
_LINE = "    total = total + item.price * item.quantity\n"
_MEBIBYTE = 2**20


def main() -> None:
    """Measure and print."""
    for name, text in _texts().items():
        document = Document.of(text)
        median, high = _microseconds(document)
        kind = f"{len(document.rows)} lines, {len(text.encode()) / 1e6:.2f} MB"
        line = f"{name:28} {kind:24} p50 {median:7.1f} µs   p99 {high:7.1f} µs\n"
        sys.stdout.write(line)


def _texts() -> dict[str, str]:
    return {
        "10,000 lines": _LINE * 10_000,
        "10,000 lines with é and 😀": _LINE.replace("item", "é😀") * 10_000,
        "one line, ASCII": "x = 1; " * (_MEBIBYTE // 7),
        "one line, two-byte": "größe;" * (_MEBIBYTE // 8),
        "one line, three-byte": "価格=1;" * (_MEBIBYTE // 9),
        "one line, four-byte": "x😀y=1;" * (_MEBIBYTE // 9),
    }


def _microseconds(document: Document) -> tuple[float, float]:
    rng = random.Random(1)
    utf16 = types.PositionEncodingKind.Utf16
    times: list[float] = []
    for version in range(_CHANGES):
        line = rng.randrange(len(document.rows))
        column = rng.randrange(sum(map(len, document.parts(line))))
        at = convert.lsp_position(document, document.clamp(Position(line, column)), utf16)
        change = types.TextDocumentContentChangePartial(types.Range(at, at), "é")
        start = time.perf_counter()
        document = convert.changed(document, [change], version, utf16)
        times.append((time.perf_counter() - start) * 1e6)
    cuts = statistics.quantiles(times, n=100)
    return statistics.median(times), cuts[98]


if __name__ == "__main__":
    main()
