"""What the lookup costs in a repository: ``python -m dsc_lsp.measure.lookup FOLDER [--json]``.

The goals (docs/log.md has what came out): 5,000 files known in 10 s and 200 MB, an edit in 1 ms,
99 of 100 questions in 1 ms.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

from dsc_lsp.lookup.index import Index
from dsc_lsp.lookup.lexemes import lexeme_at
from dsc_lsp.measure.percentiles import Percentiles, percentiles
from dsc_lsp.pauses import shorten_pauses
from dsc_lsp.repository.files import walk

_EDITS_OF_A_FILE = 5
_LONGEST_GOLD = 100
_LOOK_SECONDS = 0.01
_KEY_SECONDS = 0.02
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    ``build_seconds`` is the time to know all files, of which ``reading_seconds`` went to the disk.
    ``megabytes`` is what the process has grown by then, ``peak_megabytes`` the most in between.
    ``update_ms`` is one edit of one file, ``edited_question_ms`` the question after it, as while
    somebody types. ``first_question_ms`` is the first question at a cursor, which reads the
    cursor's file; ``next_question_ms`` those as the answer grows, lexeme by lexeme. ``questions``
    counts all three, and ``question_ms`` is of all.
    """

    files: int
    characters: int
    build_seconds: float
    reading_seconds: float
    megabytes: float
    peak_megabytes: float
    updates: int
    update_ms: Percentiles
    edited_question_ms: Percentiles
    questions: int
    first_question_ms: Percentiles
    next_question_ms: Percentiles
    question_ms: Percentiles


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if the folder holds no code."""
    parser = argparse.ArgumentParser(prog="python -m dsc_lsp.measure.lookup")
    parser.add_argument("folder", type=Path, help="a folder of code, as large as you like")
    parser.add_argument("--files", type=int, default=5_000, help="a sample of so many at most")
    parser.add_argument("--cursors", type=int, default=400, help="places that are asked about")
    parser.add_argument("--seed", type=int, default=0, help="samples files, edits and cursors")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    chosen = parser.parse_args(arguments)
    paths = sorted(chosen.folder / found.path for found in walk(chosen.folder))
    if not paths:
        print(f"{chosen.folder} holds no code", file=sys.stderr)
        return 1
    shorten_pauses()  # as the server does
    choice = random.Random(chosen.seed)
    sample = choice.sample(paths, min(chosen.files, len(paths)))
    report = measure(sample, choice, cursors=chosen.cursors)
    if chosen.json:
        print(json.dumps(asdict(report)))
        return 0
    _print(report)
    return 0


def measure(paths: Sequence[Path], choice: random.Random, *, cursors: int) -> Report:
    """Know the files, edit some, and ask at places in them, all chosen by ``choice``."""
    index = Index()
    index.update_all([("warm-up", "import numpy\n")])
    texts = _Texts(paths)
    with _Memory() as memory:
        start = time.perf_counter()
        index.update_all(texts)
        build_seconds = time.perf_counter() - start
    edits = list(_edit_ms(index, paths, choice, files=cursors // 4))
    edited = [question for _, question in edits]
    index.settle()
    first: list[float] = []
    others: list[float] = []
    for times in _question_ms(index, paths, choice, cursors=cursors):
        first.append(times[0])
        others.extend(times[1:])
    return Report(
        files=len(index) - 1,
        characters=texts.characters,
        build_seconds=build_seconds,
        reading_seconds=texts.seconds,
        megabytes=memory.grown,
        peak_megabytes=memory.peak,
        updates=len(edits),
        update_ms=percentiles([update for update, _ in edits]),
        edited_question_ms=percentiles(edited),
        questions=len(edited) + len(first) + len(others),
        first_question_ms=percentiles(first),
        next_question_ms=percentiles(others),
        question_ms=percentiles([*edited, *first, *others]),
    )


class _Texts:
    """Files read one after the other, with the time that takes."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.seconds = 0.0
        self.characters = 0

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for path in self._paths:
            start = time.perf_counter()
            text = _read(path)
            self.seconds += time.perf_counter() - start
            self.characters += len(text)
            yield path.absolute().as_uri(), text


class _Memory:
    """How much a process grows while something is done: in the end, and at most."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._now()
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self.grown = self.peak = 0.0

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
        self.grown = self._now() - self._before
        self.peak = max(self.peak, self.grown)

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.peak = max(self.peak, self._now() - self._before)

    def _now(self) -> float:
        return self._process.memory_info().rss / _MEGABYTE


def _edit_ms(
    index: Index, paths: Sequence[Path], choice: random.Random, *, files: int
) -> Iterator[tuple[float, float]]:
    """Type a few characters into each of some files, faster than anybody can, and ask there."""
    for path in choice.choices(paths, k=files):
        text, uri = _read(path), path.absolute().as_uri()
        at = choice.randrange(len(text) + 1)
        for typed in range(1, _EDITS_OF_A_FILE + 1):
            before, after = text[:at] + "x" * typed, text[at:]
            edited = before + after
            start = time.perf_counter()
            index.update(uri, edited)
            update = _since(start)
            start = time.perf_counter()
            index.at(uri, before, after).after("")
            yield update, _since(start)
            time.sleep(_KEY_SECONDS)


def _question_ms(
    index: Index, paths: Sequence[Path], choice: random.Random, *, cursors: int
) -> Iterator[list[float]]:
    """Ask at places within lines, and on while the answer grows by what really stands there."""
    for path in choice.choices(paths, k=cursors):
        text = _read(path)
        at = choice.randrange(len(text) + 1)
        gold = text[at:].partition("\n")[0][:_LONGEST_GOLD].encode()
        before, after = text[:at], "\n" + text[at:].partition("\n")[2]
        uri = path.absolute().as_uri()
        start = time.perf_counter()
        prediction = index.at(uri, before, after)
        prediction.after("")
        times = [_since(start)]
        written = 0
        while written < len(gold):
            written += len(lexeme_at(gold, written))
            generated = gold[:written].decode("utf-8", "ignore")
            start = time.perf_counter()
            prediction.after(generated)
            times.append(_since(start))
        yield times


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def _print(report: Report) -> None:
    print(
        f"{report.files} files, {report.characters / 1e6:.1f} million characters: known after"
        f" {report.build_seconds:.1f} s (reading them {report.reading_seconds:.1f} s),"
        f" {report.megabytes:.0f} MB (at most {report.peak_megabytes:.0f} MB)"
    )
    rows = (
        (f"{report.updates} edits", report.update_ms),
        ("questions after an edit", report.edited_question_ms),
        ("first questions", report.first_question_ms),
        ("next questions", report.next_question_ms),
        (f"{report.questions} questions", report.question_ms),
    )
    for name, one in rows:
        print(f"{name}: p50 {one.p50:.2f}, p95 {one.p95:.2f}, p99 {one.p99:.2f} ms")


if __name__ == "__main__":
    sys.exit(main())
