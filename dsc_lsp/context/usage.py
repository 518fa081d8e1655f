"""What follows the same receiver elsewhere: the names, and a line with each."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from dsc_lsp.context.near import ACCESS, SELF, Near, name_of
from dsc_lsp.context.types import bases_of_scope
from dsc_lsp.repository.plan import Piece
from dsc_lsp.repository.store import CHUNK_LINES
from dsc_lsp.repository.words import identifiers, words_of
from dsc_lsp.repository.workspace import Workspace

_HITS = 300
_MOST_RELATIVES = 60
_MOST_LINES = 2_000
_MOST_NAMES = 60
_LONGEST_LINE = 160
_SAME_CHAIN = 3.0
"""How often a line counts in which the receiver follows the same name as here."""
_SAME_BASE = 2.0
"""What a name is worth that all types of the same base ask of themselves."""
_AFTER_SELF = re.compile(rf"\b(?:{'|'.join(sorted(SELF))})(?:\(\))?{ACCESS}([^\W\d]\w*)")


@dataclass(frozen=True, slots=True)
class Used:
    """How often a name follows the receiver, 1 at most (2 after ``self``), and where.

    ``pieces`` are single lines, worth 1 at most.
    """

    names: Mapping[str, float]
    pieces: tuple[Piece, ...]


@dataclass(slots=True)
class _Name:
    count: float = 0.0
    best: float = -1.0
    path: str = ""
    number: int = 0
    line: str = ""


def used_after_receiver(path: str, near: Near, workspace: Workspace) -> Used:
    """Return what follows the receiver at the cursor in other files.

    After ``self`` it is what follows that in files with types of the same base; names only.
    """
    receiver = near.last
    if receiver in SELF:
        return Used(_used_after_self(path, near, workspace), ())
    if not receiver:
        return Used({}, ())
    outer = name_of(near.receiver[-2]) if len(near.receiver) > 1 else ""
    after = re.compile(
        rf"(?:\b(\w+){ACCESS})?\b{re.escape(receiver)}(?:\(\)|\[\w+\])?{ACCESS}([^\W\d]\w*)"
    )
    found: dict[str, _Name] = {}
    for place, number, line in _lines_with(receiver, path, workspace):
        like = sum(
            near.words.get(word, 0.0) for name in {*identifiers(line)} for word in words_of(name)
        )
        for before, name in after.findall(line):
            known = found.setdefault(name, _Name())
            known.count += _SAME_CHAIN if before and before == outer else 1.0
            if like > known.best and len(line) <= _LONGEST_LINE:
                known.best, known.path, known.number, known.line = like, place, number, line
    if not found:
        return Used({}, ())
    most = max(name.count for name in found.values())
    likest = max(name.best for name in found.values()) or 1.0
    worths = {
        name: ((one.count / most) ** 0.5 + max(0.0, one.best) / likest) / 2
        for name, one in found.items()
    }
    chosen = sorted(worths, key=lambda name: -worths[name])[:_MOST_NAMES]
    pieces = (
        Piece(
            one.path, ((one.number, one.line),), worths[name], f"{name} follows {receiver} there"
        )
        for name in chosen
        if (one := found[name]).path
    )
    return Used({name: one.count / most for name, one in found.items()}, tuple(pieces))


def _used_after_self(path: str, near: Near, workspace: Workspace) -> dict[str, float]:
    """Return in how many files with types of the same base a name follows ``self``."""
    bases = set(bases_of_scope(near, {}))
    if not bases:
        return {}
    files = Counter[str]()
    for relative in islice(_relatives(bases, path, workspace), _MOST_RELATIVES):
        lines = workspace.lines(relative)[:_MOST_LINES]
        files.update({name for line in lines for name in _AFTER_SELF.findall(line)})
    most = max(files.values(), default=1)
    return {name: _SAME_BASE * (count / most) ** 0.5 for name, count in files.items()}


def _relatives(bases: set[str], path: str, workspace: Workspace) -> Iterator[str]:
    """Yield the other files in which a base is named, once each."""
    seen = {path}
    sought = dict.fromkeys(word for base in sorted(bases) for word in words_of(base))
    for hit in workspace.search(["class", *sought], _HITS):
        if hit.path in seen:
            continue
        lines = workspace.lines(hit.path)[hit.first_line : hit.first_line + CHUNK_LINES]
        if any(bases.intersection(identifiers(line)) for line in lines):
            seen.add(hit.path)
            yield hit.path


def _lines_with(word: str, path: str, workspace: Workspace) -> Iterator[tuple[str, int, str]]:
    """Yield path, number and text of the lines of other files in which a word stands."""
    for hit in workspace.search([word.lower()], _HITS):
        if hit.path == path:
            continue
        lines = workspace.lines(hit.path)
        for number in range(hit.first_line, min(len(lines), hit.first_line + CHUNK_LINES)):
            if word in lines[number]:
                yield hit.path, number, lines[number]
