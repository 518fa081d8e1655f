"""Where a suggestion ends: at its line, its statement, its block or its paragraph.

Looked at after every token, on the model's text so far with ``\\n`` line breaks.
"""

import re
from dataclasses import dataclass
from enum import Enum

from dsc_lsp.document import Cursor, indentation
from dsc_lsp.languages import language_of
from dsc_lsp.postprocess.depth import columns, depth, is_deeper_below, style_of

_MOST_LEADING_BREAKS = 3
_UNITS = frozenset({"\t", "  ", "   ", "    ", " " * 8})
_TAKEN_FOR_COMMENT = re.compile(r"\s*(?:#(?![\w-]+\s*\{)|//|--|/?\*|<!--|\"\"\"|''')")
# A definition needs a blank behind it: "def" may become "default".
_DEFINITION = re.compile(
    r"\s*(?:@\w|(?:(?:pub(?:\([^)]*\))?|public|private|protected|internal|static|export|default|"
    r"async|abstract|final|override|open|sealed|unsafe|local|inline|virtual|suspend)\s+)*"
    r"(?:def|class|function|fn|func|fun|interface|struct|enum|trait|impl|module|namespace)\s|"
    r"(?:public|private|protected)\s)"
)


class Reach(Enum):
    """How far a suggestion may go."""

    LINE = "to the end of the line"
    STATEMENT = "to the end of the line, and of the block that it opens"
    BLOCK = "to the end of the block that was opened before the cursor"
    PARAGRAPH = "to a blank line, or to code that is less deep than the cursor's line"


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a suggestion may go.

    ``indent`` is the indentation of the line that opens the block, or else of the cursor's line.
    ``closer`` matches the start of a line that closes the block and belongs to it, ``opener``
    the end of one that opens a block. ``on_blank_line`` and ``before_closers`` say where the
    cursor is: on a line with nothing on it, or in one that goes on with closing signs.
    ``is_inline`` says that a block begun in the cursor's line ends with that line.
    ``unit`` is what a level of indentation is in the file, empty where it cannot be seen.
    """

    reach: Reach
    indent: str
    opener: str
    closer: str | None
    max_lines: int
    on_blank_line: bool
    before_closers: bool
    is_inline: bool
    unit: str


def extent_at(
    cursor: Cursor,
    block: str | None,
    max_lines: int,
    *,
    multiline: str = "auto",
    in_text: bool = False,
    after_acceptance: bool = False,
) -> Extent:
    """Return the extent of the suggestion at a cursor before which ``block`` was opened.

    ``multiline`` is the setting, ``in_text`` says that the cursor is in a comment or string, and
    ``after_acceptance`` that a suggestion that ends here has just been accepted.
    """
    language = language_of(cursor.document.language, cursor.document.uri)
    at_end = not cursor.line_after.strip()
    before = cursor.line_before
    on_blank_line = at_end and not before.strip()
    reach, indent = Reach.LINE, indentation(before)
    if multiline == "never":
        reach = Reach.LINE
    elif block is not None:
        reach, indent = Reach.BLOCK, block
    elif at_end and not in_text and (after_acceptance or multiline == "always"):
        reach = Reach.PARAGRAPH
    elif on_blank_line and not in_text and not is_deeper_below(cursor):
        reach = Reach.STATEMENT
    return Extent(
        reach,
        indent,
        language.opener,
        language.closer,
        1 if reach is Reach.LINE else max_lines,
        on_blank_line,
        not at_end,
        # In YAML, what stands behind a colon and a blank is the value.
        not at_end or (language.name == "yaml" and not on_blank_line and before.endswith(" ")),
        style_of(cursor).unit,
    )


def end_of(text: str, extent: Extent) -> int | None:
    """Return where the suggestion ends in what the model wrote so far; ``None`` if it goes on.

    The end once seen stays where it is, however the text goes on.
    """
    lead = len(text) - len(text.lstrip("\n")) if extent.on_blank_line else 0
    if lead > _MOST_LEADING_BREAKS:
        return 0
    first, line_break, _ = text[lead:].partition("\n")
    if extent.reach is Reach.LINE or (extent.is_inline and first.strip()):
        return lead + len(first) if line_break else None
    goes_on = line_break and (_opens_block(first, extent) or _is_open(first))
    if extent.reach is Reach.STATEMENT and not goes_on:
        return lead + len(first) if line_break else None
    end = _end_of_lines(text[lead:].split("\n"), extent)
    return None if end is None else lead + end


def unit_in(lines: list[str], extent: Extent) -> str | None:
    """Return what a level of indentation is in a text of blanks in a file of tabs, or otherwise.

    ``None`` where both are of one kind, as blanks may be aligned, or where it cannot be told.
    The first line with code below the text's own first tells: how deep it must be is known.
    """
    below = next((line for line in lines[1:] if line.strip()), "")
    blanks = indentation(below)
    level = _level_below(lines[0], extent)
    if level and extent.closer and re.match(extent.closer, below.lstrip()):
        level -= 1
    if not level or len(set(blanks)) != 1 or len(blanks) % level:
        return None
    unit = blanks[: len(blanks) // level]
    return unit if unit in _UNITS and unit[0] != extent.unit[0] else None


def _level_below(first: str, extent: Extent) -> int:
    """Return how many levels deep the line below the first is; 0 if that is not known."""
    is_block = extent.reach is Reach.BLOCK
    indent = extent.indent
    if extent.on_blank_line and not is_block:
        indent += indentation(first)
    level = len(indent) // len(extent.unit) if extent.unit else 0
    if not extent.unit or indent != extent.unit * level:
        return 0
    opens = _opens_block(first, extent) and (extent.on_blank_line or not is_block)
    return level + is_block + opens


def _end_of_lines(lines: list[str], extent: Extent) -> int | None:
    """Return where several lines end.

    A line below the first ends the block as soon as its first character shows that it is indented
    no deeper than the opener; a closing bracket or word at the opener's depth is taken along,
    when its line is complete, and the block goes on behind it if it opens the next branch
    (``} else {``). So does a definition below a blank line, which begins something new.
    """
    base, unit = _base(lines[0], extent), unit_in(lines, extent)
    start = 0
    for count, line in enumerate(lines):
        complete, blank = count + 1 < len(lines), not line.strip()
        if count and not blank and depth(seen := _in_unit(line, unit, extent)) <= base:
            if not complete and _may_become_closer(seen, base, extent):
                return None
            if not _closes(seen, base, extent):
                return start - 1
            if not re.search(extent.opener, line.rstrip()):
                return start + len(line)
        elif _begins_anew(lines[: count + 1], extent):
            return start - 1
        if count + 1 == extent.max_lines and complete:
            return start + len(line)
        start += len(line) + 1
    return None


def _in_unit(line: str, unit: str | None, extent: Extent) -> str:
    if unit is None:
        return line
    blanks = indentation(line)
    return blanks.replace(unit, extent.unit) + line[len(blanks) :]


def _base(first: str, extent: Extent) -> int:
    """Return how deep a line must at most be to end the text."""
    if extent.reach is Reach.STATEMENT:
        return columns(extent.indent + indentation(first))
    return columns(extent.indent) - (extent.reach is Reach.PARAGRAPH)


def _begins_anew(lines: list[str], extent: Extent) -> bool:
    """Whether the last line is a new paragraph, or a new definition after a blank line."""
    *above, last = lines
    if not any(line.strip() for line in above) or above[-1].strip():
        return False
    if extent.reach is Reach.PARAGRAPH:
        return bool(last.strip())
    return _DEFINITION.match(last) is not None


def _opens_block(line: str, extent: Extent) -> bool:
    is_comment = _TAKEN_FOR_COMMENT.match(line) is not None
    return not is_comment and re.search(extent.opener, line.rstrip()) is not None


def _is_open(line: str) -> bool:
    """Whether a line ends within brackets that it has opened."""
    ends_within = line.rstrip().endswith((",", "(", "["))
    return ends_within and sum((c in "([{") - (c in ")]}") for c in line) > 0


def _closes(line: str, base: int, extent: Extent) -> bool:
    if extent.closer is None or depth(line) != base:
        return False
    return bool(re.match(extent.closer, line.lstrip()))


def _may_become_closer(line: str, base: int, extent: Extent) -> bool:
    """Whether a line still being written is a closer, or a word or sign that may become one."""
    code = line.strip()
    return _closes(line, base, extent) or code.isalpha() or len(code) == 1
