"""What is known of an occurrence, in numbers: how far and how well it fits the cursor's place."""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup.lexemes import (
    BLANK,
    BREAK,
    SIGN,
    WORD,
    Places,
    kind_of,
    lexeme_at,
    word_before,
)
from dsc_lsp.lookup.occurrences import AFTER, Occurrences, Surroundings
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
_AGREEING = np.array(
    [
        [1, *(min(max(length - low, 0), width) / width for low, width in _STEPS)]
        for length in range(LONGEST + 1)
    ],
    np.float32,
)
_NEARNESS = np.eye(4, 3, dtype=np.float32)
"""The columns of what is above, below and in this folder; what is elsewhere has none."""
_LINE_FITS = slice(13, 17)
_TEXT_FITS = slice(17, len(OF_OCCURRENCE))
_RECENT_BYTES = 3_000
_NEAR_BYTES = 8_000
_NEXT_BYTES = 300
_NO_WORD = (False, False, False, False)
_LINE_BYTES = 300
_LONGEST_TEXT = 160
_LOG_LINES = 6.0
_BREAK_BYTE = ord("\n")


class Line(NamedTuple):
    """A line around a place: its indentation, and the lines before and after it."""

    indentation: int
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class Description:
    """Occurrences in numbers, a row each, and what follows them.

    ``texts`` are the different texts that follow, to the end of their line or, behind a line
    break, of the next; ``lexemes`` the lexeme that each begins with (a line break stands for
    itself, without the indentation behind it); ``of_text`` the number of each occurrence's text.
    """

    rows: Features
    of_text: Places
    texts: list[bytes]
    lexemes: list[bytes]


class Describer:
    """Describes the occurrences at one cursor; remembers what it has read of their lines."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lines: dict[tuple[int, int], Line] = {}
        self._fits: dict[tuple[int, int], tuple[bool, ...]] = {}
        self._fits_of: tuple[bytes, int] = (b"", -1)
        self._words: dict[bytes, tuple[bool, bool, bool, bool]] = {}
        self._above, self._below = around.before[-_NEAR_BYTES:], around.after[:_NEAR_BYTES]
        self._next_lines = around.after[:_NEXT_BYTES]
        self._breaks_before = np.flatnonzero(around.text_before.array == _BREAK_BYTE)
        self._breaks_after = np.flatnonzero(around.text_after.array == _BREAK_BYTE)
        self._recent = around.before[-_RECENT_BYTES:]
        match = _NEXT_LINE.search(around.after)
        self._next_line = match[1].strip() if match else b""
        self._first_of_next = lexeme_at(self._next_line, 0)

    def describe(self, found: Occurrences, generated: bytes) -> Description:
        """Return the numbers of occurrences of the text before the cursor and ``generated``."""
        before = self._recent + generated
        start = before.rfind(b"\n") + 1
        line = before[start:].lstrip(b"\0")
        code = line.lstrip(b" \t")
        depth = len(line) - len(code)
        last = before[:start].rstrip().rpartition(b"\n")[2].strip(b"\0 \t")
        if self._fits_of != (last, depth):
            self._fits_of = (last, depth)
            self._fits = {}
        numbers: dict[bytes, int] = {}
        of_text: list[int] = []
        fits: list[tuple[bool, ...]] = []
        for data, place in zip(found.data, found.places.tolist(), strict=True):
            begin = data.rfind(b"\n", max(0, place - _LINE_BYTES), place) + 1 or place
            key = (id(data), begin)
            fit = self._fits.get(key)
            if fit is None:
                fit = self._fits[key] = self._line_fits(data, begin, place)
            fits.append(fit)
            of_text.append(numbers.setdefault(_text_at(data, place), len(numbers)))
        texts = list(numbers)
        lexemes = [b"\n" if text[:1] == b"\n" else lexeme_at(text, 0) for text in texts]
        rows = np.zeros((len(found), len(OF_OCCURRENCE)), np.float32)
        which = np.array(of_text, np.int64)
        if not len(found):
            return Description(rows, which, texts, lexemes)
        self._put_agreement(rows, found, len(code), len(line))
        started = word_before(before[-LONGEST:])
        rows[:, _LINE_FITS] = fits
        of_texts = [
            (*self._lexeme_fits(lexeme, started, code), *self._whole_fits(text, code, last))
            for text, lexeme in zip(texts, lexemes, strict=True)
        ]
        rows[:, _TEXT_FITS] = np.array(of_texts, np.float32)[which]
        return Description(rows, which, texts, lexemes)

    def _put_agreement(self, rows: Features, found: Occurrences, code: int, line: int) -> None:
        """Write the columns that tell how far and how near an occurrence agrees."""
        lengths, nearness = found.lengths, found.nearness
        above = np.searchsorted(self._breaks_before, found.places)
        below = np.searchsorted(self._breaks_after, found.places)
        lines = np.where(nearness == AFTER, below, len(self._breaks_before) - above)
        distance = np.where(nearness <= AFTER, np.log1p(lines) / _LOG_LINES, 1.0)
        rows[:, :6] = _AGREEING[lengths]
        rows[:, 6] = (lengths > code) & (code > 0)
        rows[:, 7] = lengths > line + 1
        rows[:, 8:11] = _NEARNESS[nearness]
        rows[:, 11] = distance
        rows[:, 12] = distance == 0

    def _line_fits(self, data: bytes, begin: int, place: int) -> tuple[bool, ...]:
        """Return how the lines around a place are like those around the cursor."""
        last, depth = self._fits_of
        there = self._lines.get((id(data), begin))
        if there is None:
            there = self._lines[id(data), begin] = _line(data, begin, place)
        same_next = there.after == self._next_line != b""
        begins_alike = self._first_of_next != b"" and there.after.startswith(self._first_of_next)
        return (
            same_next,
            not same_next and begins_alike,
            there.before == last != b"",
            there.indentation == depth,
        )

    def _lexeme_fits(self, lexeme: bytes, started: bytes, code: bytes) -> tuple[bool, ...]:
        """Return what kind of lexeme comes next, and where else a word stands."""
        kind = kind_of(lexeme)
        return (
            *(self._known_word(started + lexeme) if kind == WORD else _NO_WORD),
            kind == WORD and started + lexeme in code,
            kind == BREAK,
            kind == SIGN,
            kind == BLANK,
        )

    def _whole_fits(self, text: bytes, code: bytes, last: bytes) -> tuple[bool, ...]:
        """Return which lines the cursor's would repeat, were it to go on with a text."""
        whole = code if text[:1] == b"\n" else code + text.strip()
        return whole == last, whole == self._next_line != b"", whole in self._codes

    @cached_property
    def _codes(self) -> frozenset[bytes]:
        """The lines near the cursor, without blanks around."""
        return frozenset(map(bytes.strip, (*self._above.split(b"\n"), *self._below.split(b"\n"))))

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


def _text_at(data: bytes, place: int) -> bytes:
    """Return the rest of the line at a place, or its line break and the next line."""
    last = place + _LONGEST_TEXT
    end = data.find(b"\n", place + (data[place] == _BREAK_BYTE), last)
    rest = data[place : end + 1 if end >= 0 else last]
    return rest.partition(b"\0")[0] or b"\n"


def _line(data: bytes, begin: int, place: int) -> Line:
    end = data.find(b"\n", place, place + _LINE_BYTES)
    following = _NEXT_LINE.match(data, end) if end >= 0 else None
    whole = data[begin : end if end >= 0 else place + _LINE_BYTES].partition(b"\0")[0]
    before = data[max(0, begin - _LINE_BYTES) : begin].rstrip().rpartition(b"\n")[2]
    return Line(
        len(whole) - len(whole.lstrip(b" \t")),
        before.rpartition(b"\0")[2].strip(),
        following[1].strip() if following else b"",
    )


def describe_all(rows: Features) -> Features:
    """Return the row for all occurrences together, from which follows whether to trust any."""
    if not len(rows):
        return np.array([1, 0, 0, 0, 0, 0, 0], np.float32)
    return np.array([1, *rows[:, 1:6].max(axis=0), math.log1p(len(rows))], np.float32)
