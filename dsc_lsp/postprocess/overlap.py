"""What the suggestion says that stands around the cursor anyway."""

from dsc_lsp.document import Cursor
from dsc_lsp.postprocess.depth import depth

_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_QUOTES = frozenset("\"'`")
_LEAST_REPEATED = 6


def without_start_of_line(text: str, before: str) -> str:
    """Drop from a text's start what the line up to the cursor says already, all of it.

    Only more than one word counts: in C, ``long long`` is a type.
    """
    said = before.strip()
    if len(said) < _LEAST_REPEATED or said.isidentifier() or not text.lstrip().startswith(said):
        return text
    rest = text.lstrip()[len(said) :]
    return text if in_word(said[-1]) and in_word(rest[:1]) else rest


def without_rest_of_line(text: str, rest: str, *, in_quotes: bool) -> str:
    """Drop what the rest of the cursor's line says already.

    From the end of a line only whole words are dropped, and only what leaves brackets and quotes
    in balance: at ``print(|)`` the model's ``f(x)`` must keep its bracket. A text of several
    lines loses its last one, if that is the rest of the line.
    ``in_quotes`` says that the cursor is in a string that the rest of the line closes: then what
    follows the closing quote is not the text's to say.
    """
    said = rest.strip()
    if not said:
        return text
    if "\n" in text:
        kept, _, last = text.rstrip().rpartition("\n")
        return kept if last.strip() and _overlap(last.strip(), said) else text
    if in_quotes and said[0] in _QUOTES:
        text = _up_to_quote(text, said[0])
    text = text.rstrip()
    for length in range(min(len(text), len(said)), 0, -1):
        kept, overlap = text[:-length], said[:length]
        if not text.endswith(overlap) or (in_word(kept[-1:]) and in_word(overlap[0])):
            continue
        if _is_balanced(kept, overlap):
            return kept
    return text


def without_lines_below(text: str, cursor: Cursor) -> str:
    """Drop the line that stands below the cursor anyway, and all after it.

    A line says the same only at the same depth: many blocks end in the same bracket.
    """
    below = _next_line_with_code(cursor)
    if below is None:
        return text
    lines = text.split("\n")
    for count, line in enumerate(lines):
        whole = line if count else cursor.line_before + line + cursor.line_after
        if (depth(whole), line_of_code(whole)) == (depth(below), line_of_code(below)):
            return "\n".join(lines[:count])
    return text


def line_above(cursor: Cursor) -> str | None:
    """Return the line right above the cursor's, if there is code in it."""
    if cursor.position.line == 0:
        return None
    line = cursor.document.line(cursor.position.line - 1)
    return line if line.strip() else None


def line_of_code(line: str) -> str:
    """Return a line without its indentation, and without what is all the same within it."""
    return " ".join(line.split())


def in_word(character: str) -> bool:
    """Whether a character is a part of names."""
    return character.isalnum() or character == "_"


def _overlap(last: str, rest: str) -> bool:
    return last.startswith(rest) or rest.startswith(last)


def _up_to_quote(text: str, quote: str) -> str:
    escaped = False
    for place, character in enumerate(text):
        if character == quote and not escaped:
            return text[:place]
        escaped = character == "\\" and not escaped
    return text


def _next_line_with_code(cursor: Cursor) -> str | None:
    document = cursor.document
    for number in range(cursor.position.line + 1, len(document.lines)):
        if document.lines[number].strip():
            return document.line(number)
    return None


def _is_balanced(kept: str, overlap: str) -> bool:
    """Whether ``kept`` leaves no bracket open and none of the quotes that ``overlap`` ends."""
    open_brackets = sum(_BRACKETS.get(character, 0) for character in kept)
    return open_brackets <= 0 and all(
        kept.count(quote) % 2 == 0 for quote in _QUOTES & set(overlap)
    )
