"""The names in a document, found piece by piece.

A search by pattern holds the interpreter's lock: 80 ms in 700,000 characters. A piece is some
hundred lines, and what versions of a document share is looked through once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from dsc_lsp.context.near import LONGEST_LINE, SELF
from dsc_lsp.document import Document
from dsc_lsp.repository.words import identifiers

_MOST_CHARACTERS = 65_536
_MOST_CACHED = 512
_MEMBER = re.compile(r"(\w+)\.([^\W\d]\w*)")


@dataclass(frozen=True, slots=True)
class Names:
    """The identifiers of a text; of what it asks of other objects, how much, how much private."""

    identifiers: frozenset[str]
    members: int
    private: int

    @property
    def private_share(self) -> float:
        """The share of private names among those that are asked of other objects."""
        return self.private / (self.members or 1)


def names_in(document: Document) -> Names:
    """Return the names of a document."""
    found = [_names(piece) for piece in document.lines.pieces]
    return Names(
        frozenset().union(*(one.identifiers for one in found)),
        sum(one.members for one in found),
        sum(one.private for one in found),
    )


def texts_of(document: Document) -> Iterator[str]:
    """Yield the text in pieces of whole lines, very long ones cut."""
    return map(_text, document.lines.pieces)


@lru_cache(_MOST_CACHED)
def _names(lines: tuple[str, ...]) -> Names:
    text = _text(lines)
    asked = [name for receiver, name in _MEMBER.findall(text) if receiver not in SELF]
    return Names(
        frozenset(identifiers(text)), len(asked), sum(name.startswith("_") for name in asked)
    )


def _text(lines: tuple[str, ...]) -> str:
    text = "".join(lines)
    if len(text) <= _MOST_CHARACTERS:
        return text
    return "\n".join(line[:LONGEST_LINE] for line in lines)[:_MOST_CHARACTERS]
