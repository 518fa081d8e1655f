"""Holes to be filled: code before and after a cursor, and what stood between.

Read from data sets in the JSON-lines forms of HumanEval-infilling (and SantaCoder's task, which is
alike) and CrossCodeEval, or cut by a seed from any folder of source files or installed package.
"""

import dataclasses
import gzip
import importlib.util
import json
import lzma
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from dsc_lsp.document import Cursor, Document, Position, indentation, split_lines
from dsc_lsp.languages import identifier_of
from dsc_lsp.repository import Repository

_LARGEST_FILE = 400_000
_LONGEST_LINE = 400
_LINES_A_HOLE = 12
_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "_vendor", "site-packages", "build"})


class DatasetError(Exception):
    """A data set cannot be used; the message says what is wrong with it and where."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A place to complete.

    ``kind`` is ``line`` (a whole line is missing) or ``rest of line``. ``program`` makes a
    program of a suggestion that runs to its end if the suggestion is right, if there is one.
    """

    name: str
    kind: str
    cursor: Cursor
    gold: str
    program: "Program | None" = None


@dataclass(frozen=True, slots=True)
class Program:
    """Code around a suggestion with the task's own tests."""

    before: str
    after: str

    def text(self, suggestion: str) -> str:
        """Return the program with the suggestion in its place."""
        return self.before + suggestion + self.after


def read_holes(
    dataset: str, *, seed: int, limit: int | None, with_retrieved: bool = False
) -> list[Hole]:
    """Return the holes of a data set file, folder or installed package, at most ``limit``.

    A limit takes a sample by the seed, not the first ones. ``with_retrieved`` puts the code of
    other files that CrossCodeEval brings along above the code, as its harness does.

    Raises:
        DatasetError: there is no such data set, a field is missing, or there is nothing in it.
    """
    path = Path(dataset)
    if path.is_file():
        holes = list(_from_file(path, with_retrieved=with_retrieved))
    else:
        holes = list(_from_folder(folder_of(dataset), seed))
    if not holes:
        raise DatasetError(f"{dataset} holds no code in which a hole could be cut")
    if limit is None or limit >= len(holes):
        return holes
    return Random(seed).sample(holes, limit)


def read_repository(dataset: str) -> Repository:
    """Return what is known of a folder or an installed package; of a data set file nothing.

    Raises:
        DatasetError: there is no such data set.
    """
    repository = Repository()
    if Path(dataset).is_file():
        return repository
    folder = folder_of(dataset)
    repository.index.update_all(
        (source.absolute().as_uri(), text) for source, _, text in _sources(folder)
    )
    return repository


def folder_of(dataset: str) -> Path:
    """Return a folder by its path, or an installed package's by its name.

    Raises:
        DatasetError: there is neither.
    """
    path = Path(dataset)
    return path if path.is_dir() else _package_folder(dataset)


def hole_in(
    name: str, kind: str, before: str, gold: str, after: str, *, language: str, uri: str
) -> Hole:
    """Return a hole in a document that holds ``before`` and ``after``, the cursor between."""
    document = Document.of(before + after, uri=uri, language=language)
    lines = split_lines(before)
    return Hole(name, kind, Cursor(document, Position(len(lines) - 1, len(lines[-1]))), gold)


def partly_typed(hole: Hole, written: int) -> Hole:
    """Return what is left of a hole when so many code points of its gold text have been typed."""
    document, at = hole.cursor.document, hole.cursor.position
    *above, last = split_lines(hole.gold[:written])
    end = Position(at.line + len(above), len(last) + (0 if above else at.column))
    filled = document.replace(at, at, hole.gold[:written], document.version)
    return dataclasses.replace(hole, cursor=Cursor(filled, end), gold=hole.gold[written:])


def _from_file(path: Path, *, with_retrieved: bool) -> Iterator[Hole]:
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    names: set[str] = set()
    try:
        with opener(path, "rt", encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    place = f"{path.name}:{number}"
                    record = _json(line, place)
                    hole = _from_record(record, place, with_retrieved=with_retrieved)
                    name = f"{hole.name} at {place}" if hole.name in names else hole.name
                    names.add(name)
                    yield dataclasses.replace(hole, name=name)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None


def _json(line: str, place: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{place} is no line of JSON: {error}") from None


def _from_record(record: Any, place: str, *, with_retrieved: bool) -> Hole:
    """Tell the forms apart by their fields."""
    if not isinstance(record, Mapping):
        raise DatasetError(f"{place} is not an object")
    if "canonical_solution" in record:
        return _human_eval(record, place)
    if "groundtruth" in record:
        return _cross_code_eval(record, place, with_retrieved=with_retrieved)
    raise DatasetError(
        f"{place} has neither canonical_solution (HumanEval-infilling) nor groundtruth"
        " (CrossCodeEval)"
    )


def _human_eval(record: Mapping[str, Any], place: str) -> Hole:
    before, after = _text(record, "prompt", place), _text(record, "suffix", place)
    solution = _text(record, "canonical_solution", place)
    gold = solution.removesuffix("\n")
    # The line break belongs to the line that is being written, so it is there already.
    behind = ("\n" if gold != solution else "") + after
    # SantaCoder's task is in several languages and names the holes of a task alike.
    language = str(record.get("language", "py"))
    hole = hole_in(
        str(record.get("task_id", f"{record.get('name', 'hole')} at {place}")),
        "line",
        before,
        gold,
        behind,
        language=identifier_of(Path(f"solution.{language}")),
        uri=f"file:///humaneval/solution.{language}",
    )
    tests, entry = record.get("test"), record.get("entry_point")
    if not isinstance(tests, str) or not isinstance(entry, str):
        return hole
    program = Program(before, f"{behind}\n{tests}\ncheck({entry})\n")
    return Hole(hole.name, hole.kind, hole.cursor, hole.gold, program)


def _cross_code_eval(record: Mapping[str, Any], place: str, *, with_retrieved: bool) -> Hole:
    metadata = record.get("metadata")
    file = metadata.get("file", "file.py") if isinstance(metadata, Mapping) else "file.py"
    after = _text(record, "right_context", place)
    before = _text(record, "prompt", place)
    if with_retrieved:
        others = record.get("crossfile_context")
        before = _text(others if isinstance(others, Mapping) else {}, "text", place) + before
    return hole_in(
        str(record.get("task_id", place)),
        "rest of line",
        before,
        _text(record, "groundtruth", place),
        after if after.startswith("\n") or not after else "\n" + after,
        language=identifier_of(Path(str(file))),
        uri=f"file:///crosscodeeval/{file}",
    )


def _text(record: Mapping[str, Any], field: str, place: str) -> str:
    value = record.get(field)
    if not isinstance(value, str):
        raise DatasetError(f"{place} has no text in its field {field!r}")
    return value


def _package_folder(name: str) -> Path:
    if re.fullmatch(r"[A-Za-z_][\w.]*", name):
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        if spec is not None and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations)))
    raise DatasetError(f"{name} is not a file, a folder or an installed package")


def _from_folder(folder: Path, seed: int) -> Iterator[Hole]:
    for path, language, text in _sources(folder):
        name = path.relative_to(folder).as_posix()
        yield from _cut(name, text, language, path.absolute().as_uri(), seed)


def _sources(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield the path, language and text of each source file."""
    for path in sorted(folder.rglob("*")):
        language = identifier_of(path)
        parts = path.relative_to(folder).parts
        if language == "plaintext" or _SKIPPED_FOLDERS.intersection(parts):
            continue
        if any(part.startswith(".") for part in parts) or not path.is_file():
            continue
        text = _source(path)
        if text is not None:
            yield path, language, text


def _source(path: Path) -> str | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) > _LARGEST_FILE or b"\0" in data:
        return None
    text = data.decode("utf-8", "replace")
    too_long = max(map(len, text.splitlines()), default=0) > _LONGEST_LINE
    return None if too_long else text


def _cut(name: str, text: str, language: str, uri: str, seed: int) -> Iterator[Hole]:
    """Cut one hole in every few lines of a file: the rest of a line, or all of it."""
    document = Document.of(text)
    random = Random(f"{seed}:{name}")
    for start in range(0, len(document.lines), _LINES_A_HOLE):
        number = min(start + random.randrange(_LINES_A_HOLE), len(document.lines) - 1)
        line = document.line(number)
        code = line.strip()
        if len(code) < 4:
            continue
        first = len(indentation(line))
        kind = random.choice(("line", "rest of line"))
        column = first if kind == "line" else random.randrange(first + 1, len(line.rstrip()))
        before = "".join(document.lines[:number]) + line[:column]
        after = document.lines[number][len(line) :] + "".join(document.lines[number + 1 :])
        yield hole_in(
            f"{name}:{number + 1}:{column + 1}",
            kind,
            before,
            line[column:],
            after,
            language=language,
            uri=uri,
        )
