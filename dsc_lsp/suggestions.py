"""What was offered, so that typing along it needs no model.

A suggestion stays right while the document differs from the one it was made for only by what was
typed or deleted at its place: the text typed is the beginning of what was offered, or the text
deleted comes back as the beginning of what is offered now. What editors do by themselves is
followed: blanks typed otherwise, and closing signs inserted behind the cursor.
"""

from dataclasses import dataclass

from cachetools import FIFOCache

from dsc_lsp.document import Cursor, Document, Position, split_lines

_REMEMBERED = 250
_LOOSELY_FOLLOWED = 8
"""Who follows a suggestion but for blanks follows one of the last: others cost more to look at."""
_CLOSERS = frozenset(")]}\"'`")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text that was offered at a cursor."""

    cursor: Cursor
    text: str


@dataclass(frozen=True, slots=True)
class _Offered:
    """The suggestions of a place, the first of them the one to show, and how far they go."""

    suggestions: tuple[Suggestion, ...]
    end: Position


class Suggestions:
    """The last suggestions, the least recently used one forgotten first; one thread at a time.

    For one state of a document there may be several, the first of them the one to show.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        # Each question looks at all of them, so the one it finds is what is used, and put last.
        self._offered: FIFOCache[tuple[str, int, Position], _Offered]
        self._offered = FIFOCache(remembered)

    def remember(self, cursor: Cursor, *texts: str) -> None:
        """Keep the suggestions of a place instead of those before; an empty one is not kept."""
        offered = tuple(Suggestion(cursor, text) for text in texts if text)
        if not offered:
            return
        key = (cursor.document.uri, cursor.document.version, cursor.position)
        self._offered.pop(key, None)
        self._offered[key] = _Offered(offered, max(map(_end_of, offered)))

    def find(self, cursor: Cursor) -> tuple[str, ...]:
        """Return what is left of the suggestions that lead to this cursor, the newest place first.

        What was shown here or before comes before what is known of a place further on: who has
        taken a part of a suggestion sees the rest of that, and nothing that would follow it.
        One that was followed letter by letter comes before one that was followed but for blanks.
        """
        uri, here = cursor.document.uri, cursor.position
        keys = [key for key in reversed(list(self._offered)) if key[0] == uri]
        # The cheap questions to all of them, and comparing documents for the few that are left.
        own = [(key, self._offered[key]) for key in keys]
        behind = [key for key, offered in own if key[2] <= here <= offered.end]
        loosely = [key for key, offered in own if key[2] <= here and here.line <= offered.end.line]
        ahead = [key for key, _ in own if key[2] > here]
        for keys, follow in (
            (behind, rest_of),
            (loosely[:_LOOSELY_FOLLOWED], loose_rest_of),
            (ahead, rest_of),
        ):
            for key in keys:
                rests = [follow(one, cursor) for one in self._offered[key].suggestions]
                if left := tuple(rest for rest in rests if rest is not None):
                    self._offered[key] = self._offered.pop(key)
                    return left
        return ()

    def forget(self, uri: str) -> None:
        """Forget what was offered in a document: it is closed."""
        for key in [key for key in self._offered if key[0] == uri]:
            del self._offered[key]


def rest_of(suggestion: Suggestion, cursor: Cursor) -> str | None:
    """Return what to offer at a cursor some keys after a suggestion was made elsewhere.

    ``None`` if the documents differ otherwise, if something else was typed, or if nothing is left.
    """
    then, now = suggestion.cursor, cursor
    if now.position < then.position:
        return _between(then, now.position) + suggestion.text if _differ_at(now, then) else None
    if now.position.line - then.position.line > _count_breaks(suggestion.text):
        return None
    typed = _between(now, then.position)
    if not suggestion.text.startswith(typed) or not _differ_at(then, now):
        return None
    return suggestion.text[len(typed) :] or None


def typed_since(then: Cursor, now: Cursor) -> str | None:
    """Return what was typed from one cursor to the other; ``None`` if more was changed."""
    forward = now.position > then.position and _differ_at(then, now)
    return _between(now, then.position) if forward else None


def loose_rest_of(suggestion: Suggestion, cursor: Cursor) -> str | None:
    """Return what to offer where a suggestion was followed but for blanks and closing signs.

    Signs that close stand behind the cursor now because the editor has put them there; what is
    left of the suggestion must say them in its last line, and then does without them.
    """
    then, now = suggestion.cursor, cursor
    if now.position <= then.position:
        return None
    if now.position.line - then.position.line > _count_breaks(suggestion.text):
        return None
    rest = _rest_but_for_blanks(suggestion.text, _between(now, then.position))
    closers = None if rest is None else _inserted_behind(then, now)
    if rest is None or closers is None:
        return None
    if not closers:
        return rest or None
    return _without_closers(rest, closers) or None


def as_accepted(suggestion: Suggestion) -> Cursor:
    """Return the cursor behind a suggestion, in the document that has taken it."""
    start = suggestion.cursor.position
    document = suggestion.cursor.document
    taken = document.replace(start, start, suggestion.text, document.version)
    return Cursor(taken, _end_of(suggestion))


def is_taken(suggestion: Suggestion, document: Document) -> bool:
    """Whether a document is the one that accepting the suggestion gives."""
    then = suggestion.cursor
    more = len(document.rows) - len(then.document.rows)
    if more != _count_breaks(suggestion.text):
        return False
    now = Cursor(document, _end_of(suggestion))
    return _between(now, then.position) == suggestion.text and _differ_at(then, now)


def _end_of(suggestion: Suggestion) -> Position:
    """Return the place behind a suggestion in the document that has taken it."""
    start, lines = suggestion.cursor.position, split_lines(suggestion.text)
    column = len(lines[-1]) + (start.column if len(lines) == 1 else 0)
    return Position(start.line + len(lines) - 1, column)


def _differ_at(shorter: Cursor, longer: Cursor, inserted: str = "") -> bool:
    """Whether the documents differ at most by what stands between the two cursors in the longer.

    ``inserted`` may stand behind the cursor of the longer besides. The cheap questions come
    first: most of the time nobody typed along.
    """
    old, new = shorter.document.lines, longer.document.lines
    start, end = shorter.position, longer.position
    return (
        len(new) - len(old) == end.line - start.line
        and old[start.line][: start.column] == new[start.line][: start.column]
        and inserted + old[start.line][start.column :] == new[end.line][end.column :]
        and old.alike_behind(new) >= len(old) - start.line - 1
        and old.alike_before(new) >= start.line
    )


def _inserted_behind(then: Cursor, now: Cursor) -> str | None:
    """Return the closing signs that stand behind the cursor now and did not then."""
    if now.position.line >= len(now.document.rows):
        return None
    more = len(now.line_after) - len(then.line_after)
    inserted = now.line_after[:more] if more > 0 else ""
    if not set(inserted) <= _CLOSERS or not _differ_at(then, now, inserted):
        return None
    return inserted


def _rest_but_for_blanks(offered: str, typed: str) -> str | None:
    """Return what is left of a text that was typed with other blanks; ``None`` if it was not.

    Between two words there must be some.
    """
    place = 0
    for number, letter in enumerate(typed):
        if place < len(offered) and offered[place] == letter:
            place += 1
            continue
        if letter in " \t":
            continue
        skipped = place
        while skipped < len(offered) and offered[skipped] in " \t":
            skipped += 1
        joins = number and _in_word(typed[number - 1]) and _in_word(letter)
        if skipped == len(offered) or offered[skipped] != letter or (joins and skipped > place):
            return None
        place = skipped + 1
    if typed[-1:] in {" ", "\t"}:
        return offered[place:].lstrip(" \t")
    return offered[place:]


def _without_closers(rest: str, closers: str) -> str | None:
    """Return what stands before the closing signs in a text of one line that ends with them."""
    if "\n" in rest or "\r" in rest or not rest.endswith(closers):
        return None
    return rest[: -len(closers)]


def _count_breaks(text: str) -> int:
    return text.count("\n") or text.count("\r")


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _between(cursor: Cursor, start: Position) -> str:
    """Return the text of the cursor's document from ``start`` to the cursor."""
    lines, end = cursor.document.lines, cursor.position
    if start.line == end.line:
        return lines[start.line][start.column : end.column]
    first, *middle = lines[start.line : end.line]
    return "".join((first[start.column :], *middle, lines[end.line][: end.column]))
