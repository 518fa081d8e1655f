"""Where the middle of a prompt begins, and how long it stays there while the user types.

The order of a prompt is prefix, suffix, middle, so a prefix that grew at each key would have the
model read the suffix anew at each key. Instead the middle begins at an anchor, and what has been
typed since is the part of it that is written already: only that is new to the model.
"""

from dataclasses import dataclass

from dsc_lsp.document import Cursor, Position

PAUSE_SECONDS = 1.5
"""Who has pressed no key for so long has paused: time to anchor the middle anew."""

_LONGEST_WORD = 64


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the middle begins, and the cursor at which it was put there.

    What stands behind that cursor is the suffix.
    """

    start: Position
    cursor: Cursor


def anchored_at(cursor: Cursor, lines_above: int | None) -> Anchor:
    """Return the anchor that a prompt made anew at a cursor has.

    ``lines_above`` is the family's: ``None`` for the word at the cursor (a word cut in two would
    be tokens that no model has seen), 0 for the start of its line, or for a line further up.
    """
    line = cursor.position.line
    if lines_above is None:
        return Anchor(Position(line, _start_of_word(cursor.line_before)), cursor)
    return Anchor(Position(line_above(line, lines_above), 0), cursor)


def line_above(line: int, lines: int) -> int:
    """Return a line at least so many lines above, the same one for as many neighbours."""
    return line if lines == 0 else max(0, (line - lines) // lines * lines)


def holds(anchor: Anchor, cursor: Cursor) -> bool:
    """Whether all that has changed since is what stands between the anchor and the cursor."""
    then, now, start = anchor.cursor, cursor, anchor.start
    if now.position < start or now.document.uri != then.document.uri:
        return False
    old, new = then.document.lines, now.document.lines
    last, here = then.position, now.position
    return (
        len(old) - last.line == len(new) - here.line
        and old[last.line][last.column :] == new[here.line][here.column :]
        and old[start.line][: start.column] == new[start.line][: start.column]
        and old.alike_behind(new) >= len(old) - last.line - 1
        and old.alike_before(new) >= start.line
    )


def is_deleted_past(anchor: Anchor, cursor: Cursor) -> bool:
    """Whether all that has changed since is that text up to before the anchor's place is gone.

    Only within its line. Who deletes key by key goes on, so the next anchor had better not stand
    at the cursor again.
    """
    if cursor.position.line != anchor.start.line or cursor.position >= anchor.start:
        return False
    return holds(Anchor(cursor.position, anchor.cursor), cursor)


def _start_of_word(text: str) -> int:
    """Return where the word begins that ends a text; the end if it does not end in one."""
    start = len(text)
    while start and len(text) - start < _LONGEST_WORD and _in_word(text[start - 1]):
        start -= 1
    return start


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
