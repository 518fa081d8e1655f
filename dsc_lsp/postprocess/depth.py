"""Indentation: how deep a line is, and how the file around the cursor writes depth."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from dsc_lsp.document import Cursor, indentation
from dsc_lsp.languages import Language

_TAB_COLUMNS = 8
_LOOKED_AT_LINES = 200
_WIDEST = 200
_CONTINUES = re.compile(r"[.?&|+\-*/=<>:)\]}]|(?:and|or)\b")
_IS_CONTINUED = re.compile(r"[,(\[{\\.+\-*/=&|<>?]$")


@dataclass(frozen=True, slots=True)
class Style:
    """How a file is indented: ``unit`` is a tab or some blanks, empty where it cannot be seen."""

    unit: str


def columns(blanks: str) -> int:
    """Return how wide white space is."""
    return len(blanks.expandtabs(_TAB_COLUMNS))


def depth(line: str) -> int:
    """Return how wide the indentation of a line is."""
    return columns(indentation(line))


def is_deeper_below(cursor: Cursor) -> bool:
    """Whether the next line with code is deeper than the cursor's: it is the body of something."""
    document = cursor.document
    here = depth(document.line(cursor.position.line))
    for number in range(cursor.position.line + 1, len(document.lines)):
        line = document.line(number)
        if line.strip():
            return depth(line) > here
    return False


def _code_above(cursor: Cursor) -> str | None:
    for number in range(cursor.position.line - 1, -1, -1):
        line = cursor.document.line(number)
        if line.strip():
            return line
    return None


def style_of(cursor: Cursor) -> Style:
    """Return how the lines around a cursor are indented, those next to it first."""
    lines, at = cursor.document.lines, cursor.position.line
    above = lines[max(0, at - _LOOKED_AT_LINES) : at]
    below = lines[at + 1 : at + _LOOKED_AT_LINES]
    return _style_of(indentation(cursor.line_before), above, below)


@lru_cache(8)
def _style_of(own: str, above: tuple[str, ...], below: tuple[str, ...]) -> Style:
    """Remember the style: at most keys the lines around are the same as at the key before."""
    widths = [len(own)] if own and "\t" not in own else []
    for line in (*reversed(above), *below):
        if line[:1] == "\t":
            return Style("\t")
        if line[:1] == " " and not line.isspace():
            widths.append(len(indentation(line[:_WIDEST])))
    steps = Counter(step for step in (2, 4, 8, 3) for width in widths if width % step == 0)
    if not widths:
        return Style("\t" if own.startswith("\t") else "")
    # The widest step that nearly all lines agree with: comments are often aligned otherwise.
    agreed = [step for step in (8, 4, 3, 2) if steps[step] >= 0.9 * len(widths)]
    return Style(" " * (agreed[0] if agreed else min(widths)))


def in_style(text: str, style: Style, unit: str | None, *, from_start: bool) -> str:
    """Return the text with the indentation of its lines as the style writes it.

    ``unit`` is what a level is in the text, where that is known to be something else.
    ``from_start`` says that the text's first line begins a line of the file, too.
    """
    if not style.unit:
        return text
    lines = text.split("\n")
    first = 0 if from_start else 1
    if unit is None:
        unit = " " * _unit_of_blanks(lines[first:]) if style.unit == "\t" else "\t"
    old, new = unit, style.unit
    return "\n".join([*lines[:first], *(_indented(line, old, new) for line in lines[first:])])


def without_excess_depth(text: str, cursor: Cursor, language: Language, style: Style) -> str:
    """Drop blanks that make the first line deeper than the code above it allows.

    ``text`` begins on a blank line. Only where depth cannot mean a continued line.
    """
    code = text.lstrip(" \t")
    above = _code_above(cursor)
    if above is None or code == text or _CONTINUES.match(code):
        return text
    most = depth(above)
    if re.search(language.opener, above.rstrip()) and not above.rstrip().endswith(("(", "[")):
        # How deep a body is, the editor or the user has said on this line already.
        here = columns(cursor.line_before)
        most = here if here > most else most + columns(style.unit or " " * _TAB_COLUMNS)
    elif _IS_CONTINUED.search(above.rstrip()) or not _ends_statement(above, language):
        return text
    excess = columns(cursor.line_before + text[: len(text) - len(code)]) - most
    return code if excess > 0 and columns(cursor.line_before) >= most else text


def _ends_statement(line: str, language: Language) -> bool:
    return language.name == "python" or line.rstrip().endswith((";", "}"))


def _unit_of_blanks(lines: list[str]) -> int:
    widths = [
        len(blanks) for line in lines if (blanks := indentation(line)) and "\t" not in blanks
    ]
    return next((unit for unit in (4, 2) if all(width % unit == 0 for width in widths)), 4)


def _indented(line: str, old: str, new: str) -> str:
    """Return the line with whole ``old`` units of its indentation written ``new``.

    Blanks behind tabs stay: they align.
    """
    blanks = indentation(line)
    if new == "\t" and "\t" in blanks:
        return line
    return blanks.replace(old, new) + line[len(blanks) :]
