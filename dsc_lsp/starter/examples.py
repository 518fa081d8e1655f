"""Training examples: what the server's prompts look like, cut at random from source files.

A hole is a place where somebody might be typing: a cursor, the text that should follow it,
and the text after that. Its prompt is the one that the server builds for this family: the
middle begins at an anchor line above the cursor, so that the recent lines stand right before
what the model writes.

    BOS begin PREFIX hole SUFFIX end TYPED | rest of the middle EOS

Everything is a pure function of a file, an encoder and a seeded random generator.
"""

import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from dsc_lsp import models
from dsc_lsp.anchors import line_above
from dsc_lsp.starter.vocabulary import Encoder

Tokens = NDArray[np.uint16]

SUFFIX_LINES = 15
SUFFIX_TOKENS = 128  # a little more than the server shows

_EMPTY_SUFFIX = 0.2
_CURSOR_AFTER_INDENTATION = 0.15
_CURSOR_AT_BOUNDARY = 0.7
_END_BEFORE_CLOSING = 0.15
_SEVERAL_LINES = 0.15
_WHOLE_BLOCK = 0.12
_LONGEST_BLOCK = 12  # lines
_WORD = re.compile(r"\w+|[^\w\s]+")
_CLOSING = re.compile(r"[)\]}:,\"']+$")


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file, its lines (each with its newline) and their tokens, one after the other.

    Line ``i`` has the tokens ``tokens[starts[i]:starts[i + 1]]``.
    """

    path: str
    lines: tuple[str, ...]
    tokens: Tokens
    starts: Sequence[int]

    def between(self, first: int, last: int) -> Tokens:
        """Return the tokens of lines ``first`` up to but without ``last``."""
        return self.tokens[self.starts[first] : self.starts[last]]


@dataclass(frozen=True, slots=True)
class Hole:
    """A place to complete; lines count from 0, columns are code points.

    The middle runs from the start of line ``anchor`` to ``end_column`` of ``end_line``, and
    what comes before the cursor in it has been typed. The suffix runs from there to the start
    of line ``suffix_end``; where there is none, ``suffix_end`` is ``None``.
    """

    anchor: int
    line: int
    column: int
    end_line: int
    end_column: int
    suffix_end: int | None


@dataclass(frozen=True, slots=True)
class Example:
    """Tokens of one prompt with its answer; ``rest`` is where the answer begins."""

    prompt: list[int]
    rest: list[int]


def seeded(seed: int | str) -> Random:
    """Return a random generator that gives the same choices for the same seed."""
    return Random(seed)


def source_text(path: str, text: str, encoder: Encoder) -> SourceText:
    """Split a file into lines and encode them."""
    lines = tuple(re.findall(r"[^\n]*\n|[^\n]+", text.replace("\r\n", "\n")))
    encoded = [encoder.encode(line) for line in lines]
    starts = [0]
    for tokens in encoded:
        starts.append(starts[-1] + len(tokens))
    flat = np.fromiter((token for tokens in encoded for token in tokens), np.uint16, starts[-1])
    return SourceText(path, lines, flat, starts)


def anchor_line(line: int) -> int:
    """Return the line where the middle begins for a cursor on ``line``."""
    lines = models.STARTER.anchor_lines
    assert lines, "the starter's middle begins above the cursor"
    return line_above(line, lines)


def random_hole(text: SourceText, line: int, random: Random) -> Hole:
    """Choose a cursor on ``line`` and an end for its middle."""
    content = text.lines[line].rstrip("\n")
    column = _random_column(content, random)
    end_line, end_column = line, len(content)
    choice = random.random()
    if choice < _SEVERAL_LINES:
        end_line = min(line + random.randint(1, 5), len(text.lines) - 1)
    elif choice < _SEVERAL_LINES + _WHOLE_BLOCK:
        end_line = _block_end(text.lines, line)
    elif choice < _SEVERAL_LINES + _WHOLE_BLOCK + _END_BEFORE_CLOSING:
        closing = _CLOSING.search(content)
        end_column = max(column, closing.start()) if closing else end_column
    if end_line > line:
        end_column = len(text.lines[end_line].rstrip("\n"))
    suffix_end = None
    if random.random() >= _EMPTY_SUFFIX:
        suffix_end = min(end_line + 1 + random.randint(2, SUFFIX_LINES), len(text.lines))
    return Hole(anchor_line(line), line, column, end_line, end_column, suffix_end)


def rest_of_line_hole(text: SourceText, line: int, column: int) -> Hole:
    """Return the hole from a cursor to the end of its line, with a full suffix."""
    end = len(text.lines[line].rstrip("\n"))
    suffix_end = min(line + 1 + SUFFIX_LINES, len(text.lines))
    return Hole(anchor_line(line), line, column, line, end, suffix_end)


def typed_text(text: SourceText, hole: Hole) -> str:
    """Return the text from the anchor to the cursor."""
    lines = text.lines
    return "".join(lines[hole.anchor : hole.line]) + lines[hole.line][: hole.column]


def rest_text(text: SourceText, hole: Hole) -> str:
    """Return the text from the cursor to the end of the middle."""
    lines = text.lines
    if hole.end_line == hole.line:
        return lines[hole.line][hole.column : hole.end_column]
    between = lines[hole.line + 1 : hole.end_line]
    return "".join(
        (lines[hole.line][hole.column :], *between, lines[hole.end_line][: hole.end_column])
    )


def fill_in_the_middle(
    text: SourceText,
    hole: Hole,
    encoder: Encoder,
    length: int,
    *,
    suffix_tokens: int = SUFFIX_TOKENS,
    head: Sequence[int] = (),
    random: Random | None = None,
) -> Example | None:
    """Lay out the hole in at most ``length`` tokens, answer included; ``None`` if it cannot be.

    The suffix is cut to ``suffix_tokens``, and the prefix to what is left, at the ends of lines.
    ``head`` is what stands before the prefix.
    With ``random``, some typed lines are encoded in two parts, as if the cursor had stood there.
    """
    typed = _tokens_with_cuts(text, hole.anchor, hole.line, encoder, random)
    typed += encoder.encode(text.lines[hole.line][: hole.column])
    rest = [*encoder.encode_rest(rest_text(text, hole)), encoder.end_of_text]
    suffix = _suffix_tokens(text, hole, encoder, suffix_tokens)
    room = length - len(typed) - len(rest) - len(suffix) - len(head) - 4
    if room < 0:
        return None
    first = bisect.bisect_left(text.starts, text.starts[hole.anchor] - room)
    prompt = [
        encoder.begin_of_text,
        encoder.fim_begin,
        *head,
        *text.between(first, hole.anchor).tolist(),
        encoder.fim_hole,
        *suffix,
        encoder.fim_end,
        *typed,
    ]
    return Example(prompt, rest)


def left_to_right(
    text: SourceText,
    line: int,
    encoder: Encoder,
    length: int,
    *,
    head: Sequence[int],
    random: Random,
) -> list[int]:
    """Return ``head`` and a plain window from ``line`` on, at most ``length`` tokens long."""
    last = bisect.bisect_left(text.starts, text.starts[line] + length, hi=len(text.lines))
    body = _tokens_with_cuts(text, line, last, encoder, random)
    window = [encoder.begin_of_text, *head, *body]
    if last == len(text.lines):
        window.append(encoder.end_of_text)
    return window[:length]


def _random_column(content: str, random: Random) -> int:
    """Choose a column of a line: after its indentation, at a word's edge or inside a word."""
    indentation = len(content) - len(content.lstrip())
    choice = random.random()
    if choice < _CURSOR_AFTER_INDENTATION or indentation == len(content):
        return indentation
    if choice > _CURSOR_AFTER_INDENTATION + (1 - _CURSOR_AFTER_INDENTATION) * _CURSOR_AT_BOUNDARY:
        return random.randint(indentation, len(content))
    edges = {edge for match in _WORD.finditer(content) for edge in match.span()}
    return random.choice(sorted(edges))


def _block_end(lines: Sequence[str], line: int) -> int:
    """Return the last line of the block that begins on ``line`` or contains it."""
    depth = _indentation(lines[line])
    end = line
    for index in range(line + 1, min(line + _LONGEST_BLOCK, len(lines))):
        if not lines[index].strip():
            continue
        inside = _indentation(lines[index]) - depth
        if inside < 0 or (inside == 0 and lines[line].rstrip().endswith(":")):
            break
        end = index
    return end


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _suffix_tokens(text: SourceText, hole: Hole, encoder: Encoder, budget: int) -> list[int]:
    """Encode the suffix; whole lines after the first are left out to keep to the budget."""
    if hole.suffix_end is None:
        return []
    begin = encoder.encode_rest(text.lines[hole.end_line][hole.end_column :])
    after = text.starts[hole.end_line + 1]
    room = budget - len(begin)
    last = bisect.bisect_right(text.starts, after + room, hi=hole.suffix_end + 1) - 1
    return begin + text.between(hole.end_line + 1, max(last, hole.end_line + 1)).tolist()


def _tokens_with_cuts(
    text: SourceText, first: int, last: int, encoder: Encoder, random: Random | None
) -> list[int]:
    """Return the tokens of some lines, up to two of them encoded in two parts."""
    if random is None or last <= first:
        return text.between(first, last).tolist()
    tokens: list[int] = []
    position = first
    for line in sorted({random.randrange(first, last) for _ in range(random.randint(0, 2))}):
        content = text.lines[line]
        column = _random_column(content.rstrip("\n"), random)
        tokens += text.between(position, line).tolist()
        tokens += encoder.encode(content[:column]) + encoder.encode_rest(content[column:])
        position = line + 1
    return tokens + text.between(position, last).tolist()
