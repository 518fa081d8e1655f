"""Where a suggestion ends, and what of it is kept: small functions over text.

The model writes ``\\n`` line breaks; ``clean`` gives the document's own.
"""

import re
import unicodedata
from dataclasses import dataclass

from dsc_lsp.document import Cursor, indentation
from dsc_lsp.languages import language_of

_TAB_COLUMNS = 8
_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_QUOTES = frozenset("\"'`")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
_LOOK_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a suggestion may go: to the end of its line, or of its block.

    ``block`` is the indentation of the line that opens the block, ``None`` for a single line.
    ``closer`` matches the start of a line that closes the block and belongs to it, ``opener``
    the end of one that opens a block.
    """

    block: str | None
    opener: str
    closer: str | None
    max_lines: int


def extent_at(cursor: Cursor, block: str | None, max_lines: int) -> Extent:
    """Return the extent of the suggestion at a cursor before which ``block`` was opened."""
    language = language_of(cursor.document.language, cursor.document.uri)
    return Extent(block, language.opener, language.closer, 1 if block is None else max_lines)


def end_of(text: str, extent: Extent) -> int | None:
    """Return where the suggestion ends in what the model wrote so far; ``None`` if it goes on.

    Looked at after every token. A line below the first ends the block as soon as its first
    character shows that it is indented no deeper than the opener; a closing bracket or word at
    the opener's depth is taken along, when its line is complete, and the block goes on behind it
    if it opens the next branch (``} else {``).
    """
    if extent.block is None:
        end = text.find("\n")
        return None if end < 0 else end
    start = 0
    for count, line in enumerate(text.split("\n")):
        complete = start + len(line) < len(text)
        if count and line.strip() and _columns(indentation(line)) <= _columns(extent.block):
            if not complete and _may_become_closer(line, extent):
                return None
            if not _closes(line, extent):
                return start - 1
            if not re.search(extent.opener, line.rstrip()):
                return start + len(line)
        if count + 1 == extent.max_lines and complete:
            return start + len(line)
        start += len(line) + 1
    return None


def clean(text: str, extent: Extent, cursor: Cursor, *, finished: bool) -> str:
    """Return what of the model's text is worth inserting at the cursor; empty if nothing is.

    ``finished`` says that the model itself ended the text, so that its last line is complete.
    In this order: cut at the end of the extent, give up a last line that is not complete, drop
    invisible characters, then what stands after the cursor anyway, then trailing white space, and
    use the document's line ending.
    """
    end = end_of(text + "\n" if finished else text, extent)
    kept = text[:end] if end is not None or finished else _complete_lines(text)
    kept = _visible(kept)
    kept = _without_rest_of_line(kept, cursor.line_after)
    kept = _without_next_line(kept, cursor)
    lines = [line.rstrip() for line in kept.rstrip().split("\n")]
    return cursor.document.newline.join(lines)


def _complete_lines(text: str) -> str:
    """Return a text that a cap has cut without its last line, unless that is all there is."""
    whole, newline, _ = text.rpartition("\n")
    return whole if newline and whole.strip() else text


def _visible(text: str) -> str:
    """Return a text without what its reader would not see, so that it is what it seems.

    Dropped are control characters but tab and line breaks, format characters (bidirectional
    overrides, zero-width characters, tags), line separators that only some editors know,
    variation selectors, blanks that pass for letters, surrogates and unassigned code points:
    ways to hide code (https://trojansource.codes) or what a prompt injection carries away.
    """
    return "".join(filter(_is_visible, text))


def _is_visible(letter: str) -> bool:
    if letter in "\t\r\n" or " " <= letter <= "~":
        return True
    if letter in _LOOK_BLANK or "\ufe00" <= letter <= "\ufe0f" or letter >= "\U000e0000":
        return False
    return unicodedata.category(letter) not in _HIDDEN_CATEGORIES


def _without_rest_of_line(text: str, rest: str) -> str:
    """Drop from the end of a single line what the rest of the cursor's line says already.

    Only whole words are dropped, and only what leaves brackets and quotes in balance: at
    ``print(|)`` the model's ``f(x)`` must keep its bracket.
    """
    rest = rest.strip()
    if "\n" in text or not rest:
        return text
    text = text.rstrip()
    for length in range(min(len(text), len(rest)), 0, -1):
        kept, overlap = text[:-length], rest[:length]
        if not text.endswith(overlap) or (_in_word(kept[-1:]) and _in_word(overlap[0])):
            continue
        if _is_balanced(kept, overlap):
            return kept
    return text


def _without_next_line(text: str, cursor: Cursor) -> str:
    """Drop the line that stands below the cursor anyway, and all after it.

    A line says the same only at the same depth: many blocks end in the same bracket.
    """
    below = _next_line_with_code(cursor)
    if below is None:
        return text
    lines = text.split("\n")
    for count, line in enumerate(lines):
        whole = line if count else cursor.line_before + line + cursor.line_after
        if _depth_and_code(whole) == _depth_and_code(below):
            return "\n".join(lines[:count])
    return text


def _next_line_with_code(cursor: Cursor) -> str | None:
    document = cursor.document
    for number in range(cursor.position.line + 1, len(document.lines)):
        if document.lines[number].strip():
            return document.line(number)
    return None


def _depth_and_code(line: str) -> tuple[int, str]:
    return _columns(indentation(line)), line.strip()


def _closes(line: str, extent: Extent) -> bool:
    if extent.closer is None or _columns(indentation(line)) != _columns(extent.block or ""):
        return False
    return bool(re.match(extent.closer, line.lstrip()))


def _may_become_closer(line: str, extent: Extent) -> bool:
    """Whether a line still being written is a closer, or a word or sign that may become one."""
    return _closes(line, extent) or line.strip().isalpha() or len(line.strip()) == 1


def _is_balanced(kept: str, overlap: str) -> bool:
    """Whether ``kept`` leaves no bracket open and none of the quotes that ``overlap`` ends."""
    depth = sum(_BRACKETS.get(character, 0) for character in kept)
    return depth <= 0 and all(kept.count(quote) % 2 == 0 for quote in _QUOTES & set(overlap))


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _columns(blanks: str) -> int:
    return len(blanks.expandtabs(_TAB_COLUMNS))
