"""Very long lines: what of the cursor's line all that completes it looks at."""

import re
from functools import lru_cache

from dsc_lsp.document import Cursor, Position, indentation
from dsc_lsp.postprocess.brackets import lone_brackets

_SHOWN_WHOLE = 4_096
_SHOWN_BEFORE = 2_048
_SHOWN_AFTER = 1_024
_STEP = 1_024
_MOST_INDENTATION = 200
_LOOKED_THROUGH = 32_000
_MOST_BRACKETS = 64
_LONGEST_STRING = 512
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'")


def shortened(cursor: Cursor) -> Cursor:
    """Return the cursor with only its surroundings left of its line, if that is very long.

    Such a line (of a minified file, or data) would cost at each key what a whole file does. It
    keeps its indentation, and the brackets that are open at the cursor, or closed behind it, and
    is not cut within strings. The cuts move in steps, so that most keys find it cut as before.
    """
    document, at = cursor.document, cursor.position
    line = document.line(at.line)
    if len(line) <= _SHOWN_WHOLE:
        return cursor
    lead = len(indentation(line[:_MOST_INDENTATION]))
    start = max(lead, _rounded_down(at.column - _SHOWN_BEFORE))
    end = len(line) - max(0, _rounded_down(len(line) - at.column - _SHOWN_AFTER))
    opened, unclosed = _left_open(line[max(lead, start - _LOOKED_THROUGH) : start])
    start -= unclosed
    _, unclosed = _left_open(line[start:end])
    end = max(at.column, end - unclosed) if end < len(line) else end
    closed = _closed(line[end : end + _LOOKED_THROUGH])
    for first, last, brackets in ((end, len(line), closed), (lead, start, opened)):
        from_, to = Position(at.line, first), Position(at.line, last)
        document = document.replace(from_, to, brackets, document.version)
    return Cursor(document, Position(at.line, lead + len(opened) + at.column - start))


@lru_cache(4)
def _left_open(text: str) -> tuple[str, int]:
    """Return the brackets that a text leaves open, and the length of the string it ends in."""
    code = _without_strings(text)
    opened = "".join(sign for sign in lone_brackets(code) if sign in "([{")[-_MOST_BRACKETS:]
    unclosed = len(code) - max(code.rfind('"'), code.rfind("'"))
    return opened, unclosed if unclosed <= min(len(code), _LONGEST_STRING) else 0


@lru_cache(4)
def _closed(text: str) -> str:
    code = _without_strings(text)
    return "".join(sign for sign in lone_brackets(code) if sign in ")]}")[:_MOST_BRACKETS]


def _without_strings(text: str) -> str:
    return _QUOTED.sub(lambda quoted: " " * len(quoted[0]), text)


def _rounded_down(column: int) -> int:
    return column // _STEP * _STEP
