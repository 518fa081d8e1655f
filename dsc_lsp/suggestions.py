"""What was offered, so that typing along it needs no model.

A suggestion stays right while the document differs from the one it was made for only by what was
typed or deleted at its place: the text typed is the beginning of what was offered, or the text
deleted comes back as the beginning of what is offered now.
"""

from dataclasses import dataclass

from cachetools import LRUCache

from dsc_lsp.document import Cursor, Position

_REMEMBERED = 250


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text that was offered at a cursor."""

    cursor: Cursor
    text: str


class Suggestions:
    """The last suggestions, the least recently used one forgotten first; one thread at a time."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._offered: LRUCache[tuple[str, int, Position], Suggestion] = LRUCache(remembered)

    def remember(self, cursor: Cursor, text: str) -> None:
        """Keep a suggestion; an empty one is not worth it."""
        if text:
            document = cursor.document
            key = (document.uri, document.version, cursor.position)
            self._offered[key] = Suggestion(cursor, text)

    def find(self, cursor: Cursor) -> str | None:
        """Return what is left of a suggestion that leads to this cursor, the newest first."""
        for key in reversed(list(self._offered)):
            if key[0] != cursor.document.uri:
                continue
            rest = rest_of(self._offered[key], cursor)
            if rest is not None:
                return rest
        return None

    def forget(self, uri: str) -> None:
        """Forget a document's suggestions."""
        for key in [key for key in self._offered if key[0] == uri]:
            del self._offered[key]


def rest_of(suggestion: Suggestion, cursor: Cursor) -> str | None:
    """Return what to offer at a cursor some keys after a suggestion was made elsewhere.

    ``None`` if the documents differ otherwise, if something else was typed, or if nothing is left.
    """
    then, now = suggestion.cursor, cursor
    if now.position < then.position:
        return _between(then, now.position) + suggestion.text if _differ_at(now, then) else None
    if not _differ_at(then, now):
        return None
    typed = _between(now, then.position)
    return suggestion.text[len(typed) :] or None if suggestion.text.startswith(typed) else None


def _differ_at(shorter: Cursor, longer: Cursor) -> bool:
    """Whether the documents differ at most by what stands between the two cursors in the longer.

    The cheap questions come first: most of the time nobody typed along.
    """
    old, new = shorter.document.lines, longer.document.lines
    start, end = shorter.position, longer.position
    return (
        len(new) - len(old) == end.line - start.line
        and old[start.line][: start.column] == new[start.line][: start.column]
        and old[start.line][start.column :] == new[end.line][end.column :]
        and old[start.line + 1 :] == new[end.line + 1 :]
        and old[: start.line] == new[: start.line]
    )


def _between(cursor: Cursor, start: Position) -> str:
    """Return the text of the cursor's document from ``start`` to the cursor."""
    lines, end = cursor.document.lines, cursor.position
    if start.line == end.line:
        return lines[start.line][start.column : end.column]
    first, *middle = lines[start.line : end.line]
    return "".join((first[start.column :], *middle, lines[end.line][: end.column]))
