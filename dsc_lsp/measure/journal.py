"""Results kept in a file as they come, so that an interrupted evaluation goes on where it was."""

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Self, TypeAlias

from dsc_lsp.completion import Completion
from dsc_lsp.engine.base import Effort
from dsc_lsp.measure.evaluation import Score
from dsc_lsp.measure.holes import Hole

Evaluate: TypeAlias = Callable[[Iterable[Hole]], Iterable[Score]]


class JournalError(Exception):
    """Results cannot be kept or read; the message is for the user."""


class Journal:
    """A file of JSON lines: what is measured, then a score a line; to be used by ``with``.

    Raises:
        JournalError: it cannot be read or written, or holds results of something else.
    """

    def __init__(self, path: Path, measured: Mapping[str, object]) -> None:
        self._path = path
        self._kept: dict[tuple[str, str, str], dict[str, Any]] = {}
        try:
            whole = self._read(json.loads(json.dumps(measured)))
            self._file: IO[bytes] = path.open("ab", buffering=0)
        except OSError as error:
            raise self._failed(error) from None
        try:
            if self._file.tell() > whole:
                self._file.truncate(whole)  # what an interruption left half written
            if not whole:
                self._add(measured)
        except OSError as error:
            self._file.close()
            raise self._failed(error) from None

    def __enter__(self) -> Self:
        """Be closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; each line is in it already."""
        self._file.close()

    def scores(self, way: str, holes: Iterable[Hole], evaluate: Evaluate) -> Iterator[Score]:
        """Yield the score of each hole: the one that was kept, or one that is made now."""
        for hole in holes:
            kept = self._kept.get((way, hole.cursor.document.uri, hole.name))
            if kept is not None:
                yield _score(hole, kept)
                continue
            for score in evaluate([hole]):
                try:
                    self._add({"way": way, **_record(score)})
                except OSError as error:
                    raise self._failed(error) from None
                yield score

    def _read(self, measured: Mapping[str, object]) -> int:
        """Remember what is kept; return how many bytes of the file are whole lines."""
        if not self._path.is_file():
            return 0
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        try:
            records = [json.loads(line) for line in data[:whole].splitlines()]
            self._kept = {(one["way"], one["uri"], one["hole"]): one for one in records[1:]}
        except (ValueError, TypeError, KeyError):
            raise JournalError(f"{self._path} is not a file of kept results.") from None
        if records and records[0] != measured:
            raise JournalError(
                f"{self._path} holds results of something else, {json.dumps(records[0])}."
                " Name another file, or delete this one."
            )
        return whole

    def _add(self, record: Mapping[str, object]) -> None:
        line = json.dumps(record).encode() + b"\n"
        if self._file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _failed(self, error: OSError) -> JournalError:
        return JournalError(
            f"{self._path} cannot be used: {error.strerror}."
            " What was kept in it stays: the same command goes on from there."
        )


def _record(score: Score) -> dict[str, Any]:
    return {
        "hole": score.hole.name,
        "uri": score.hole.cursor.document.uri,
        "completion": asdict(score.completion),
        "shown": score.shown,
        "exact": score.exact,
        "similarity": score.similarity,
        "identifiers": score.identifiers,
        "parses": score.parses,
        "passes": score.passes,
        "bits": score.bits,
        "gold_bytes": score.gold_bytes,
        "seen": score.seen,
    }


def _score(hole: Hole, record: Mapping[str, Any]) -> Score:
    fields = {name: record[name] for name in record.keys() - {"way", "hole", "uri", "completion"}}
    said: dict[str, Any] = dict(record["completion"])
    said["changed"] = tuple(said["changed"])
    said["effort"] = Effort(**said["effort"])
    return Score(hole=hole, completion=Completion(**said), **fields)
