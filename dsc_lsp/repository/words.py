"""The words of code: identifiers, and what they are made of (``getUserName``: get, user, name)."""

import re
from collections.abc import Iterable

_IDENTIFIER = re.compile(r"[^\W\d]\w{2,}")
_RUN = re.compile(r"\w+")
_BLANKS = "".join(chr(n) if chr(n).isalnum() or chr(n) == "_" else " " for n in range(128))
"""What each character of ASCII becomes, so that blanks part the same runs: a third of the time."""
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]{2,}|[^\W\d_A-Za-z]{2,}")
_MOST_CACHED = 50_000
_LONGEST = 80


class _Words(dict[str, tuple[str, ...]]):
    """The words of each identifier met so far; ``map`` is fastest on a dictionary."""

    def __missing__(self, identifier: str) -> tuple[str, ...]:
        if len(self) > _MOST_CACHED:
            self.clear()
        words = self[identifier] = _cut(identifier)
        return words


class _Joined(dict[str, str]):
    """The same with blanks between; empty for what is no identifier."""

    def __missing__(self, identifier: str) -> str:
        if len(self) > _MOST_CACHED:
            self.clear()
        is_one = len(identifier) > 2 and not identifier[0].isdecimal()
        joined = self[identifier] = " ".join(_cut(identifier)) if is_one else ""
        return joined


def _cut(identifier: str) -> tuple[str, ...]:
    plain = identifier.replace("_", "")
    if plain.isascii() and plain.isalpha() and plain.islower():
        parts = identifier.split("_")  # as below, in a third of the time: nearly all are such
    else:
        parts = [part.lower() for part in _PART.findall(identifier)]
    whole = identifier.lower()[:_LONGEST]
    return (whole, *(part for part in dict.fromkeys(parts) if len(part) > 2 and part != whole))


_words, _joined = _Words(), _Joined()


def identifiers(text: str) -> list[str]:
    """Return the identifiers of three letters or more, as often as they are there."""
    return _IDENTIFIER.findall(text)


def words_of(identifier: str) -> tuple[str, ...]:
    """Return an identifier in lower case, and its parts if it has several."""
    return _words[identifier]


def plain(identifier: str) -> str:
    """Return an identifier without what tells a value from its type: cases and underscores."""
    return identifier.replace("_", "").lower()


def words(texts: Iterable[str]) -> Iterable[str]:
    """Yield for each text its words with blanks between, each identifier once."""
    for text in texts:
        found = text.translate(_BLANKS).split() if text.isascii() else _RUN.findall(text)
        yield " ".join(filter(None, map(_joined.__getitem__, dict.fromkeys(found))))
