"""What the code near the cursor speaks of: its words by weight, and what stands before the dot."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsc_lsp.document import Cursor, Document, indentation
from dsc_lsp.repository.words import identifiers, words_of

SELF = frozenset({"self", "cls", "this", "super"})
"""What stands for the object whose code it is."""

ACCESS = r"(?:\?\.|\.|->|::)"
"""The pattern of what stands between an object and its member, in any language."""

LONGEST_LINE = 4_096
"""Of a longer line (data, a minified file) only the beginning counts, of the cursor's the end."""

_LINES_BEFORE = 60
_LINES_AFTER = 20
_PROMPT_LINES_BEFORE = 300
_PROMPT_LINES_AFTER = 100
_HALF_LIFE = 6.0
_CURSOR_LINE = 3.0
_AFTER = 0.5
_QUOTED = re.compile(r"[\"'`“‘]([^\W\d][\w.:]*)")
_NAME = r"[^\W\d]\w*(?:\([^()]*\)|\[[^\[\]]*\])*"
_RECEIVER = re.compile(rf"({_NAME}(?:{ACCESS}{_NAME})*){ACCESS}(\w*)$")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """the and for not self this def class return import from none null true false else elif
        with func function const let var public private static void int str bool string new async
        await try except catch finally raise throw pass break continue while case switch default
        in is lambda yield super cls type float list dict tuple object any""",
    )
)


@dataclass(frozen=True, slots=True)
class Near:
    """The surroundings of a cursor.

    ``identifiers`` and ``words`` (identifiers in lower case and their parts) have weights that
    fall with the distance from the cursor. ``receiver`` are the names before the dot at the
    cursor, outermost first, ``callees`` the functions in whose calls the cursor is, innermost
    first. ``last`` is the name right before the dot, without arguments and indices; empty without
    a dot. ``scope`` are the lines that open the blocks around the cursor, innermost first.
    ``text_before`` ends at the cursor, ``text_after`` begins with the next line.
    """

    text_before: str
    text_after: str
    identifiers: Mapping[str, float]
    words: Mapping[str, float]
    receiver: tuple[str, ...]
    last: str
    typed: str
    callees: tuple[str, ...]
    scope: tuple[str, ...]


def near(cursor: Cursor, reported: Sequence[tuple[int, str]] = ()) -> Near:
    """Return what the code near a cursor speaks of, and what is said of lines near it.

    ``reported`` are messages of other tools; the names that they quote count.
    """
    document, place = cursor.document, cursor.position.line
    before_cursor = _before(cursor)
    first = max(0, place - _LINES_BEFORE)
    last = min(len(document.lines), place + 1 + _LINES_AFTER)
    by_identifier: dict[str, float] = {}
    for number in range(first, last):
        line = _line(document, number)
        weight = 1.0 / (1.0 + abs(number - place) / _HALF_LIFE)
        if number == place:
            line, weight = before_cursor, _CURSOR_LINE
        elif number > place:
            weight *= _AFTER
        for name in identifiers(line):
            by_identifier[name] = max(by_identifier.get(name, 0.0), weight)
    for number, message in reported:
        if abs(number - place) <= _LINES_AFTER:
            for quoted in _QUOTED.findall(message):
                by_identifier |= dict.fromkeys(identifiers(quoted), 1.0)
    receiver, typed = _receiver(before_cursor)
    before = "\n".join(_line(document, number) for number in range(max(0, place - 8), place))
    return Near(
        text_before="\n".join(_line(document, number) for number in range(first, place))
        + "\n"
        + before_cursor,
        text_after="\n".join(_line(document, number) for number in range(place + 1, last)),
        identifiers=by_identifier,
        words=_weighted_words(by_identifier),
        receiver=receiver,
        last=name_of(receiver[-1]) if receiver else "",
        typed=typed,
        callees=tuple(_callees(f"{before}\n{before_cursor}")),
        scope=tuple(_scope(cursor)),
    )


def name_of(part: str) -> str:
    """Return a part of a receiver without arguments and indices."""
    return re.split(r"[(\[]", part, maxsplit=1)[0]


def around(cursor: Cursor) -> str:
    """Return the text around a cursor that is likely to be in the prompt: some pages."""
    document, place = cursor.document, cursor.position.line
    first, last = max(0, place - _PROMPT_LINES_BEFORE), place + 1 + _PROMPT_LINES_AFTER
    above = (_line(document, number) for number in range(first, place))
    below = (
        _line(document, number) for number in range(place + 1, min(last, len(document.lines)))
    )
    return "\n".join((*above, _before(cursor), *below))


def _line(document: Document, number: int) -> str:
    return document.line(number)[:LONGEST_LINE]


def _before(cursor: Cursor) -> str:
    return cursor.line_before[-LONGEST_LINE:]


def _weighted_words(by_identifier: Mapping[str, float]) -> dict[str, float]:
    result: dict[str, float] = {}
    for name, weight in by_identifier.items():
        whole, *parts = words_of(name)
        if whole not in _COMMON:
            result[whole] = max(result.get(whole, 0.0), weight)
        for part in parts:
            if part not in _COMMON:
                result[part] = max(result.get(part, 0.0), weight * 0.5)
    return result


def _receiver(before: str) -> tuple[tuple[str, ...], str]:
    found = _RECEIVER.search(before)
    if found is None:
        typed = re.search(r"\w*$", before)
        return (), typed[0] if typed else ""
    return tuple(re.findall(_NAME, found[1])), found[2]


def _callees(before: str) -> Iterator[str]:
    """Yield the functions whose argument lists are open at the end of a text, innermost first."""
    depth = 0
    for place in range(len(before) - 1, -1, -1):
        character = before[place]
        if character in ")]}":
            depth += 1
        elif character in "([{":
            if depth:
                depth -= 1
            elif character == "(":
                name = re.search(r"([^\W\d]\w*)\s*$", before[:place])
                if name is not None:
                    yield name[1]


def _scope(cursor: Cursor) -> Iterator[str]:
    document = cursor.document
    line = _line(document, cursor.position.line)
    width = len(indentation(line).expandtabs(8)) if line.strip() else 1_000
    for number in range(cursor.position.line - 1, -1, -1):
        line = _line(document, number)
        if not line.strip():
            continue
        own = len(indentation(line).expandtabs(8))
        if own < width:
            width = own
            yield line.strip()
            if not own:
                return
