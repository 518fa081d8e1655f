"""What is known of an occurrence, in numbers: how far and how well it fits the cursor's place."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup.lexemes import BLANK, BREAK, SIGN, WORD, kind_of, lexeme_at, word_before
from dsc_lsp.lookup.occurrences import AFTER, BEFORE, FOLDER, Occurrence, Surroundings
from dsc_lsp.lookup.segment import LONGEST

Features = npt.NDArray[np.float32]

OF_OCCURRENCE = (
    "bias",
    "first 4 bytes agree",
    "bytes 5 to 8 agree",
    "bytes 9 to 16 agree",
    "bytes 17 to 32 agree",
    "bytes 33 to 64 agree",
    "the whole line agrees",
    "the line break agrees",
    "in this file, above",
    "in this file, below",
    "in this folder",
    "distance in lines",
    "on the cursor's line",
    "the next line is the same",
    "the next line begins alike",
    "the line before is the same",
    "indented as deep",
    "next is a word",
    "next is a word of this file",
    "next is a word of the last lines",
    "next is a word of the next lines",
    "next is a word of this line",
    "next is a line break",
    "next is a sign",
    "next are blanks",
    "the line would repeat the one before",
    "the line would repeat the next one",
    "the line would repeat one of this file",
)
"""The columns of ``describe``."""
OF_ALL = ("bias", *OF_OCCURRENCE[1:6], "how many")
"""The columns of ``describe_all``."""

_NEXT_LINE = re.compile(rb"\n\s*([^\n\0]*)")
_STEPS = ((0, 4), (4, 4), (8, 8), (16, 16), (32, 32))
_RECENT_BYTES = 3_000
_NEAR_BYTES = 40_000
_NEXT_BYTES = 300
_NO_WORD = (False, False, False, False)
_LINE_BYTES = 300
_LOG_LINES = 6.0
_BREAK_BYTE = ord("\n")
_BREAKS = frozenset({b"\n", b"\0", b""})
_FITS_FROM = OF_OCCURRENCE.index("the next line is the same")


class Line(NamedTuple):
    """A line around a place: its start, indentation, text, and the lines before and after it."""

    start: int
    indentation: int
    text: bytes
    before: bytes
    after: bytes


class Description:
    """The numbers of all occurrences at one cursor; remembers what it has read of their lines."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lines: dict[tuple[int, int], Line] = {}
        self._words: dict[bytes, tuple[bool, bool, bool, bool]] = {}
        self._codes: dict[bytes, bool] = {}
        self._above, self._below = around.before[-_NEAR_BYTES:], around.after[:_NEAR_BYTES]
        self._next_lines = around.after[:_NEXT_BYTES]
        self._breaks_before = np.flatnonzero(around.text_before.array == _BREAK_BYTE)
        self._breaks_after = np.flatnonzero(around.text_after.array == _BREAK_BYTE)
        self._recent = around.before[-_RECENT_BYTES:]
        match = _NEXT_LINE.search(around.after)
        self._next_line = match[1].strip() if match else b""

    def of(
        self, occurrences: Sequence[Occurrence], generated: bytes
    ) -> tuple[Features, list[bytes]]:
        """Return a row for each occurrence, and the lexeme that follows it.

        A line break stands for itself, without the indentation behind it.
        """
        before = self._around.before[-_RECENT_BYTES:] + generated
        start = before.rfind(b"\n") + 1
        line = before[start:].lstrip(b"\0")
        code = line.lstrip(b" \t")
        depth = len(line) - len(code)
        last = before[:start].rstrip().rpartition(b"\n")[2].strip(b"\0 \t")
        first_of_next = lexeme_at(self._next_line, 0)
        started = word_before(before[-LONGEST:])
        lexemes: list[bytes] = []
        fits: list[tuple[bool, ...]] = []
        for text, place, _, _ in occurrences:
            there = self._line(text, place)
            lexeme = lexeme_at(text, place)
            if lexeme[:1] in _BREAKS:
                lexeme = b"\n"
            lexemes.append(lexeme)
            whole = code + there.text[place - there.start :].strip()
            same_next = there.after == self._next_line != b""
            kind = kind_of(lexeme)
            fits.append(
                (
                    same_next,
                    not same_next
                    and first_of_next != b""
                    and there.after.startswith(first_of_next),
                    there.before == last != b"",
                    there.indentation == depth,
                    *(self._known_word(started + lexeme) if kind == WORD else _NO_WORD),
                    kind == WORD and started + lexeme in code,
                    kind == BREAK,
                    kind == SIGN,
                    kind == BLANK,
                    whole == last,
                    whole == self._next_line != b"",
                    self._is_line(whole),
                )
            )
        rows = np.zeros((len(occurrences), len(OF_OCCURRENCE)), np.float32)
        if not occurrences:
            return rows, lexemes
        rows[:, :_FITS_FROM] = self._agreement(occurrences, len(code), len(line))
        rows[:, _FITS_FROM:] = fits
        return rows, lexemes

    def _agreement(self, occurrences: Sequence[Occurrence], code: int, line: int) -> Features:
        """Return the columns that tell how far and how near an occurrence agrees."""
        lengths = np.array([one.length for one in occurrences])
        places = np.array([one.place for one in occurrences])
        nearness = np.array([one.nearness for one in occurrences])
        above = np.searchsorted(self._breaks_before, places)
        below = np.searchsorted(self._breaks_after, places)
        lines = np.where(nearness == AFTER, below, len(self._breaks_before) - above)
        distance = np.where(nearness <= AFTER, np.log1p(lines), _LOG_LINES)
        columns = [
            np.ones(len(occurrences)),
            *(np.clip(lengths - low, 0, width) / width for low, width in _STEPS),
            (lengths > code) & (code > 0),
            lengths > line + 1,
            nearness == BEFORE,
            nearness == AFTER,
            nearness == FOLDER,
            distance / _LOG_LINES,
            distance == 0,
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def _line(self, text: bytes, place: int) -> Line:
        start = text.rfind(b"\n", max(0, place - _LINE_BYTES), place) + 1 or place
        key = (id(text), start)
        line = self._lines.get(key)
        if line is None:
            end = text.find(b"\n", place, place + _LINE_BYTES)
            following = _NEXT_LINE.match(text, end) if end >= 0 else None
            whole = text[start : end if end >= 0 else place + _LINE_BYTES].partition(b"\0")[0]
            before = text[max(0, start - _LINE_BYTES) : start].rstrip().rpartition(b"\n")[2]
            line = self._lines[key] = Line(
                start,
                len(whole) - len(whole.lstrip(b" \t")),
                whole,
                before.rpartition(b"\0")[2].strip(),
                following[1].strip() if following else b"",
            )
        return line

    def _is_line(self, code: bytes) -> bool:
        """Whether a line with this code stands near the cursor."""
        known = self._codes.get(code)
        if known is None:
            line = code + b"\n"
            known = self._codes[code] = line in self._above or line in self._below
        return known

    def _known_word(self, word: bytes) -> tuple[bool, bool, bool, bool]:
        """Return that it is a word, and whether one of this file, the last and the next lines."""
        known = self._words.get(word)
        if known is None:
            known = self._words[word] = (
                True,
                word in self._above or word in self._below,
                word in self._recent,
                word in self._next_lines,
            )
        return known


def describe_all(rows: Features) -> Features:
    """Return the row for all occurrences together, from which follows whether to trust any."""
    if not len(rows):
        return np.array([1, 0, 0, 0, 0, 0, 0], np.float32)
    return np.array([1, *rows[:, 1:6].max(axis=0), math.log1p(len(rows))], np.float32)
