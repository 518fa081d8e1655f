"""What is known of an occurrence, in numbers: how far and how well it fits the cursor's place."""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup.lexemes import (
    BLANK,
    BREAK,
    SIGN,
    WORD,
    kind_of,
    lexeme_at,
    word_before,
)
from dsc_lsp.lookup.occurrences import AFTER, BEFORE, Occurrences, Surroundings
from dsc_lsp.lookup.segment import LONGEST

Features = npt.NDArray[np.float32]
_Fits: TypeAlias = "tuple[bool, ...]"

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
_NEXT_BYTES = 300
_FITS_OF_KIND = {
    kind: (*[False] * 5, kind == BREAK, kind == SIGN, kind == BLANK)
    for kind in (SIGN, BLANK, BREAK)
}
"""What ``_lexeme_fits`` says of lexemes that are no words."""
_LINE_BYTES = 300
_LONGEST_TEXT = 160
_LOG_LINES = 6.0
_BREAK_BYTE = ord("\n")


@dataclass(frozen=True, slots=True)
class Description:
    """Occurrences in numbers, a row each, and what follows them.

    ``texts`` are the different texts that follow, to the end of their line or, behind a line
    break, of the next; ``lexemes`` the lexeme that each begins with (a line break stands for
    itself, without the indentation behind it); ``of_text`` the number of each occurrence's text.
    """

    rows: Features
    of_text: list[int]
    texts: list[bytes]
    lexemes: list[bytes]


class Describer:
    """Describes the occurrences at one cursor; remembers what it has read of their lines."""

    def __init__(self, around: Surroundings) -> None:
        self._fits: dict[tuple[int, int], _Fits] = {}
        self._fits_of: tuple[bytes, int] = (b"", -1)
        self._words: dict[bytes, _Fits] = {}
        self._above, self._below = around.before, around.after
        self._next_lines = around.after[:_NEXT_BYTES]
        self._breaks_before = (around.text_before.array == _BREAK_BYTE).nonzero()[0]
        self._breaks_after = (around.text_after.array == _BREAK_BYTE).nonzero()[0]
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
        known = self._fits
        numbers: dict[bytes, int] = {}
        of_text: list[int] = []
        fits: list[_Fits] = []
        for data, place in zip(found.data, found.places.tolist(), strict=True):
            begin = data.rfind(b"\n", max(0, place - _LINE_BYTES), place) + 1 or place
            key = (id(data), begin)
            fit = known.get(key)
            if fit is None:
                fit = known[key] = self._line_fits(data, begin, place)
            fits.append(fit)
            of_text.append(numbers.setdefault(_text_at(data, place), len(numbers)))
        texts = list(numbers)
        lexemes = [b"\n" if text[0] == _BREAK_BYTE else lexeme_at(text, 0) for text in texts]
        rows = np.zeros((len(found), len(OF_OCCURRENCE)), np.float32)
        if not of_text:
            return Description(rows, of_text, texts, lexemes)
        self._put_agreement(rows, found, len(code), len(line))
        rows[:, _LINE_FITS] = fits
        started = word_before(before[-LONGEST:])
        of_texts = [
            (*self._lexeme_fits(lexeme, started, code), *self._whole_fits(text, code, last))
            for text, lexeme in zip(texts, lexemes, strict=True)
        ]
        rows[:, _TEXT_FITS] = np.array(of_texts, np.float32)[of_text]
        return Description(rows, of_text, texts, lexemes)

    def _put_agreement(self, rows: Features, found: Occurrences, code: int, line: int) -> None:
        """Write the columns that tell how far and how near an occurrence agrees."""
        lengths, nearness = found.lengths, found.nearness
        rows[:, :6] = _AGREEING[lengths]
        if code:
            rows[:, 6] = lengths > code
        rows[:, 7] = lengths > line + 1
        rows[:, 8:11] = _NEARNESS[nearness]
        lines = self._breaks_after.searchsorted(found.places)
        above = nearness == BEFORE
        if above.any():
            count = len(self._breaks_before)
            lines[above] = count - self._breaks_before.searchsorted(found.places[above])
        distance = np.log1p(lines) / _LOG_LINES
        distance[nearness > AFTER] = 1.0
        rows[:, 11] = distance
        rows[:, 12] = distance == 0

    def _line_fits(self, data: bytes, begin: int, place: int) -> _Fits:
        """Return how the lines around a place are like those around the cursor."""
        last, depth = self._fits_of
        before = begin - _LINE_BYTES if begin > _LINE_BYTES else 0
        # Most lines are not alike, which is seen faster than they are cut out.
        is_last = (
            last != b""
            and data.find(last, before, begin) >= 0
            and _line_before(data, begin) == last
        )
        end = data.find(b"\n", place, place + _LINE_BYTES)
        whole = data[begin : end if end >= 0 else place + _LINE_BYTES].partition(b"\0")[0]
        is_as_deep = len(whole) - len(whole.lstrip(b" \t")) == depth
        following = b""
        if end >= 0 and self._next_line and (match := _NEXT_LINE.match(data, end)):
            following = match[1].strip()
        is_next = following == self._next_line != b""
        begins_alike = self._first_of_next != b"" and following.startswith(self._first_of_next)
        return is_next, not is_next and begins_alike, is_last, is_as_deep

    def _lexeme_fits(self, lexeme: bytes, started: bytes, code: bytes) -> _Fits:
        """Return what kind of lexeme comes next, and where else a word stands."""
        kind = kind_of(lexeme)
        if kind != WORD:
            return _FITS_OF_KIND[kind]
        word = started + lexeme
        known = self._words.get(word)
        if known is None:
            known = self._words[word] = (
                True,
                word in self._above or word in self._below,
                word in self._recent,
                word in self._next_lines,
            )
        return (*known, word in code, False, False, False)

    def _whole_fits(self, text: bytes, code: bytes, last: bytes) -> tuple[bool, ...]:
        """Return which lines the cursor's would repeat, were it to go on with a text."""
        whole = code if text[:1] == b"\n" else code + text.strip()
        return whole == last, whole == self._next_line != b"", whole in self._codes

    @cached_property
    def _codes(self) -> frozenset[bytes]:
        """The lines near the cursor, without blanks around."""
        return frozenset(map(bytes.strip, (*self._above.split(b"\n"), *self._below.split(b"\n"))))


def _text_at(data: bytes, place: int) -> bytes:
    """Return the rest of the line at a place, or its line break and the next line."""
    last = place + _LONGEST_TEXT
    end = data.find(b"\n", place + (data[place] == _BREAK_BYTE), last)
    rest = data[place : end + 1 if end >= 0 else last]
    return rest.partition(b"\0")[0] or b"\n" if b"\0" in rest else rest


def _line_before(data: bytes, begin: int) -> bytes:
    """Return the last line before one that begins at a place, without blanks around."""
    before = data[max(0, begin - _LINE_BYTES) : begin].rstrip().rpartition(b"\n")[2]
    return before.rpartition(b"\0")[2].strip()


def describe_all(rows: Features) -> Features:
    """Return the row for all occurrences together, from which follows whether to trust any.

    Their rows are best first, so that none agrees further than the first.
    """
    if not len(rows):
        return np.array([1, 0, 0, 0, 0, 0, 0], np.float32)
    return np.array([1, *rows[0, 1:6].tolist(), math.log1p(len(rows))], np.float32)
