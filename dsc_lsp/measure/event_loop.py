"""What completing costs the event loop: ``python -m dsc_lsp.measure.event_loop [FILE]``.

A key every twenty milliseconds is typed into 10,000 lines, half of them in one place and half at
random ones, each into the document of the key before; ``completion.complete`` runs on a thread as
in the server, with an engine that costs nothing, while the loop notes how late it wakes up.
Without a file the lines are those of this package.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import dsc_lsp
from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.languages import identifier_of
from dsc_lsp.measure.fixed import FixedEngine
from dsc_lsp.measure.lateness import idle_process, lateness, looks_until
from dsc_lsp.measure.percentiles import percentiles
from dsc_lsp.pauses import shorten_pauses
from dsc_lsp.prompt import Prompts
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings

_LINES = 10_000
_SECONDS = 40.0
_KEY_SECONDS = 0.02
_TYPED = "total = sum(item.price * item.quantity for item in self.items)\n"


def document_of(text: str, name: str, lines: int) -> Document:
    """Return a document of as many lines: those of a text, over and over."""
    rows = text.splitlines(keepends=True)
    whole = "".join((rows * (1 + lines // len(rows)))[:lines])
    language = identifier_of(Path(name))
    return Document.of(whole, uri=f"file:///measure/{name}", language=language)


def keys(document: Document) -> Iterator[Cursor]:
    """Yield the cursor behind each key, in the document that has it: in one place, at another."""
    random, line = Random(0), len(document.lines) // 2
    number = 0
    while True:
        for key in _TYPED:
            document, place = _typed(document, Position(line, sys.maxsize), key)
            yield Cursor(document, place)
            line = place.line
            number = random.randrange(len(document.lines))
            column = random.randrange(len(document.line(number)) + 1)
            document, place = _typed(document, Position(number, column), "x")
            yield Cursor(document, place)


async def measured(document: Document, seconds: float) -> dict[str, object]:
    """Return what is printed."""
    engine, prompts, settings, repository = FixedEngine(), Prompts(), Settings(), Repository(None)

    def complete_at(cursor: Cursor) -> float:
        start = time.perf_counter()
        complete(cursor, repository, settings, engine, CancelToken(), prompts=prompts)
        return 1e3 * (time.perf_counter() - start)

    loop, over, times = asyncio.get_running_loop(), asyncio.Event(), list[float]()
    with ThreadPoolExecutor(1) as thread, idle_process() as idle:
        await loop.run_in_executor(thread, complete_at, Cursor(document, Position(0, 0)))
        gc.freeze()  # as in the server
        looks = asyncio.create_task(looks_until(over))
        end = time.perf_counter() + seconds
        for cursor in keys(document):
            if time.perf_counter() > end:
                break
            times.append(await loop.run_in_executor(thread, complete_at, cursor))
            await asyncio.sleep(_KEY_SECONDS)
        over.set()
        seen = await looks
    found = percentiles(times)
    return {
        "lines": len(document.lines),
        "completions": len(times),
        "complete_ms": {"p50": round(found.p50, 2), "p99": round(found.p99, 2)},
        "loop": seen.as_json(),
        "idle_process": lateness(idle.late),
    }


def _typed(document: Document, at: Position, key: str) -> tuple[Document, Position]:
    at = document.clamp(at)
    changed = document.replace(at, at, key, document.version + 1)
    return changed, Position(at.line + 1, 0) if key == "\n" else at._replace(column=at.column + 1)


def _package() -> str:
    root = Path(dsc_lsp.__file__).parent
    return "".join(path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.py")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--lines", type=int, default=_LINES)
    parser.add_argument("--seconds", type=float, default=_SECONDS)
    chosen = parser.parse_args(arguments)
    text = _package() if chosen.file is None else chosen.file.read_text(encoding="utf-8")
    name = "package.py" if chosen.file is None else chosen.file.name
    shorten_pauses()  # as in the server
    document = document_of(text, name, chosen.lines)
    print(json.dumps(asyncio.run(measured(document, chosen.seconds)), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
