"""From the model's raw text to what is worth inserting: small functions in a stated order.

The model writes ``\\n`` line breaks; ``clean`` gives the document's own.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dsc_lsp import syntax
from dsc_lsp.document import Cursor, indentation
from dsc_lsp.languages import language_of
from dsc_lsp.postprocess.brackets import balanced, brackets_around
from dsc_lsp.postprocess.breakage import breaks_code
from dsc_lsp.postprocess.candidates import Candidate, distinct, ranked
from dsc_lsp.postprocess.depth import Style, in_style, is_deeper_below, without_excess_depth
from dsc_lsp.postprocess.extent import Extent, Reach, end_of, extent_at, unit_in
from dsc_lsp.postprocess.overlap import (
    line_above,
    without_lines_below,
    without_rest_of_line,
    without_start_of_line,
)
from dsc_lsp.postprocess.repetition import loop_in, repeated_line
from dsc_lsp.postprocess.whole import is_whole

__all__ = [
    "Candidate",
    "Cleaned",
    "Extent",
    "Reach",
    "breaks_code",
    "clean",
    "distinct",
    "end_of",
    "extent_at",
    "is_over",
    "is_whole",
    "ranked",
]

_CONTROL_TOKEN = re.compile(r"<[|｜][\w▁]{1,40}[|｜]>")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
_CLOSERS = frozenset(")]}")
_JUDGED = frozenset({"python", "javascript", "typescript", "tsx", "go", "yaml"})
"""Where hardly a line that people have written breaks the code before it (docs/log.md)."""
_JOINER, _AS_PICTURE = "\u200d", "\ufe0f"
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_LOOK_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is worth inserting, in the document's line endings, and which steps changed it.

    ``changed`` names the steps in order; where ``text`` is empty, the last one emptied it.
    """

    text: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """What the steps know besides the text."""

    cursor: Cursor
    extent: Extent
    finished: bool

    @property
    def in_text(self) -> bool:
        """Whether the cursor is in a comment or string."""
        return syntax.code_before(self.cursor) is None


def is_over(text: str, extent: Extent) -> bool:
    """Whether nothing of what the model would write next can be of use."""
    return end_of(text, extent) is not None or loop_in(text) is not None


def clean(text: str, extent: Extent, cursor: Cursor, *, finished: bool) -> Cleaned:
    """Return what of the model's text is worth inserting at the cursor; empty if nothing is.

    ``finished`` says that the model itself ended the text, so that its last line is complete.
    """
    place = _Place(cursor, extent, finished)
    changed: list[str] = []
    for name, step in _STEPS:
        kept = step(text, place)
        if kept != text:
            changed.append(name)
        text = kept
        if not text.strip():
            return Cleaned("", tuple(changed))
    return Cleaned(cursor.document.newline.join(text.split("\n")), tuple(changed))


def _without_control_tokens(text: str, place: _Place) -> str:
    """Cut at a control token that was written out, unless the document is about such tokens."""
    token = _CONTROL_TOKEN.search(text)
    if token is None or any(token[0] in line for line in place.cursor.document.lines):
        return text
    return text[: token.start()]


def _visible(text: str, _place: _Place) -> str:
    """Return a text without what its reader would not see, so that it is what it seems.

    Dropped are control characters but tab and line breaks, format characters (bidirectional
    overrides, zero-width characters, tags), line separators that only some editors know,
    variation selectors, blanks that pass for letters, surrogates and unassigned code points:
    ways to hide code (https://trojansource.codes) or what a prompt injection carries away.
    What makes one picture of several (👩 and 👧) stays between pictures.
    """
    return "".join(
        letter
        for place, letter in enumerate(text)
        if _is_visible(letter) or _joins_pictures(text, place)
    )


def _joins_pictures(text: str, place: int) -> bool:
    before = text[max(0, place - 2) : place]
    if text[place] == _AS_PICTURE:
        return _is_picture(before[-1:])
    joins = text[place] == _JOINER and _is_picture(text[place + 1 : place + 2])
    return joins and _is_picture(before.removesuffix(_AS_PICTURE)[-1:])


def _is_picture(letter: str) -> bool:
    return bool(letter) and (unicodedata.category(letter) == "So" or letter in _SKIN_TONES)


def _is_visible(letter: str) -> bool:
    if letter in "\t\r\n" or " " <= letter <= "~":
        return True
    if letter in _LOOK_BLANK or "\ufe00" <= letter <= "\ufe0f" or letter >= "\U000e0000":
        return False
    return unicodedata.category(letter) not in _HIDDEN_CATEGORIES


def _without_loop(text: str, place: _Place) -> str:
    """Cut a text that goes round in circles, down to lines that are complete without it."""
    second_round = loop_in(text)
    if second_round is None or (place.finished and "\n" not in text):
        return text
    whole, line_break, _ = text[:second_round].rpartition("\n")
    return whole if line_break else ""


def _within_extent(text: str, place: _Place) -> str:
    end = end_of(text + "\n" if place.finished else text, place.extent)
    if end is None and not place.finished:
        return _complete_lines(text)
    kept = text[:end]
    # What the comma announced stands on the lines that are left out.
    is_list_cut = (
        text[len(kept) :].startswith("\n") and place.cursor.line_after.lstrip()[:1] in _CLOSERS
    )
    return kept.rstrip().removesuffix(",") if is_list_cut else kept


def _complete_lines(text: str) -> str:
    """Return a text that a cap has cut without its last line, unless that is all there is."""
    whole, newline, _ = text.rpartition("\n")
    return whole if newline and whole.strip() else text


def _without_leading_lines(text: str, place: _Place) -> str:
    """Drop blank lines at the start on a blank line, and what is there of the indentation."""
    if not place.extent.on_blank_line or not text.startswith("\n"):
        return text
    text = text.lstrip("\n")
    before = place.cursor.line_before
    return text.removeprefix(before) if text.startswith(before) else text.lstrip(" \t")


def _without_start_of_line(text: str, place: _Place) -> str:
    return without_start_of_line(text, place.cursor.line_before)


def _in_style_of_file(text: str, place: _Place) -> str:
    style = Style(place.extent.unit)
    unit = unit_in(text.split("\n"), place.extent)
    text = in_style(text, style, unit, from_start=place.extent.on_blank_line)
    if not place.extent.on_blank_line or place.in_text:
        return text
    document = place.cursor.document
    language = language_of(document.language, document.uri)
    return without_excess_depth(text, place.cursor, language, style)


def _without_rest_of_line(text: str, place: _Place) -> str:
    rest = place.cursor.line_after
    return without_rest_of_line(text, rest, in_quotes=place.in_text)


def _without_lines_around(text: str, place: _Place) -> str:
    text = without_lines_below(text, place.cursor)
    lines = text.split("\n")
    above = line_above(place.cursor) if place.extent.on_blank_line else None
    again = repeated_line(lines, above)
    return text if again is None else "\n".join(lines[: max(0, again)])


def _without_odd_brackets(text: str, place: _Place) -> str:
    cursor = place.cursor
    before = syntax.code_before(cursor)
    if before is None:
        return _balanced_behind_string(text, cursor)
    around = brackets_around(before, syntax.code_after(cursor))
    mask = partial(syntax.code_of, cursor)
    if syntax.is_cut_below(cursor) and is_deeper_below(cursor):
        # What the last line opens is closed below, further than we look.
        mask = partial(_code_without_last_opener, cursor)
    return balanced(text, around, indentation(cursor.line_before), mask)


def _balanced_behind_string(text: str, cursor: Cursor) -> str:
    """Balance what stands behind the string that the cursor is in, if the text closes it.

    Not where the line goes on behind the cursor: the end of the string may stand there.
    """
    if cursor.line_after.strip() or syntax.ends_in_text(cursor, text):
        return text
    around = brackets_around(syntax.code_before_with(cursor, text), syntax.code_after(cursor))
    mask = partial(syntax.code_of, cursor)
    return balanced(text, around, indentation(cursor.line_before), mask)


def _that_parses(text: str, place: _Place) -> str:
    """Drop the last lines with which the code parses worse than without; all, if it must be.

    A suggestion that breaks the code is hardly ever right (docs/log.md).
    """
    document = place.cursor.document
    if language_of(document.language, document.uri).name not in _JUDGED or place.in_text:
        return text
    lines = text.split("\n")
    for count in range(len(lines), 0, -1):
        fewer = text if count == len(lines) else "\n".join(lines[:count])
        kept = fewer if fewer is text else _without_odd_brackets(fewer, place)
        if not breaks_code(place.cursor, kept):
            return kept
    return ""


def _code_without_last_opener(cursor: Cursor, text: str) -> str:
    return re.sub(r"[(\[{](\s*)$", r" \1", syntax.code_of(cursor, text))


def _without_idle_blanks(text: str, place: _Place) -> str:
    """Drop blanks at the ends of lines, and blank lines but one in a row.

    What closes behind the cursor goes on a line of its own behind a block.
    """
    lines = [line.rstrip() for line in text.rstrip().split("\n")]
    kept = [line for number, line in enumerate(lines) if line or number < 2 or lines[number - 1]]
    if len(kept) > 1 and place.extent.before_closers:
        kept.append(place.extent.indent)
    return "\n".join(kept)


_STEPS: tuple[tuple[str, Callable[[str, _Place], str]], ...] = (
    ("control tokens", _without_control_tokens),
    ("invisible characters", _visible),
    ("loop", _without_loop),
    ("end", _within_extent),
    ("leading lines", _without_leading_lines),
    ("start of the line", _without_start_of_line),
    ("indentation", _in_style_of_file),
    ("rest of the line", _without_rest_of_line),
    ("neighbouring lines", _without_lines_around),
    ("brackets", _without_odd_brackets),
    ("syntax", _that_parses),
    ("blanks", _without_idle_blanks),
)
