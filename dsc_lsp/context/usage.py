"""What follows the same receiver elsewhere: the names, and a line with each."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dsc_lsp.context.near import SELF, Near, name_of
from dsc_lsp.repository.plan import Piece
from dsc_lsp.repository.store import CHUNK_LINES
from dsc_lsp.repository.words import identifiers, words_of
from dsc_lsp.repository.workspace import Workspace

_HITS = 300
_MOST_NAMES = 60
_LONGEST_LINE = 160
_SAME_CHAIN = 3.0
"""How often a line counts in which the receiver follows the same name as here."""


@dataclass(frozen=True, slots=True)
class Used:
    """How often a name follows the receiver, 1 at most, and where.

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
    """Return what follows the receiver at the cursor in other files; nothing after ``self``."""
    receiver = near.last
    if not receiver or receiver in SELF:
        return Used({}, ())
    outer = name_of(near.receiver[-2]) if len(near.receiver) > 1 else ""
    after = re.compile(
        rf"(?:\b(\w+)(?:\?\.|\.|->|::))?\b{re.escape(receiver)}(?:\(\)|\[\w+\])?(?:\?\.|\.|->|::)([^\W\d]\w*)"
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


def _lines_with(word: str, path: str, workspace: Workspace) -> Iterator[tuple[str, int, str]]:
    """Yield path, number and text of the lines of other files in which a word stands."""
    for hit in workspace.search([word.lower()], _HITS):
        if hit.path == path:
            continue
        lines = workspace.lines(hit.path)
        for number in range(hit.first_line, min(len(lines), hit.first_line + CHUNK_LINES)):
            if word in lines[number]:
                yield hit.path, number, lines[number]
