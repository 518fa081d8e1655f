"""What is known of an occurrence: how far and how well it fits the cursor's place."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from dsc_lsp.lookup.lexemes import (
    BLANK,
    BREAK,
    SIGN,
    WORD,
    kind_of,
    lexeme_at,
    word_before,
)
from dsc_lsp.lookup.occurrences import AFTER, BEFORE, Occurrence, Surroundings
from dsc_lsp.lookup.scoring import Fits, Score, Scoring
from dsc_lsp.lookup.segment import LONGEST

_NEXT_LINE = re.compile(rb"\n\s*([^\n\0]*)")
_RECENT_BYTES = 3_000
_NEXT_BYTES = 300
_FITS_OF_KIND = {
    kind: (*[False] * 5, kind == BREAK, kind == SIGN, kind == BLANK)
    for kind in (SIGN, BLANK, BREAK)
}
"""What ``_lexeme_fits`` says of lexemes that are no words."""
_LINE_BYTES = 300
_BLANKS = 80
"""So many blanks and line breaks at most stand between a line and the one before it."""
_LONGEST_TEXT = 160
_BREAK_BYTE = ord("\n")
_NO_RESTS = (None, None)
_REPEATS_NOTHING = (False, False)


@dataclass(frozen=True, slots=True)
class Description(Generic[Score]):
    """Occurrences, what each one's fit counts, and what follows them.

    ``none`` is the score of none of them. ``texts`` are the different texts that follow, to the
    end of their line or, behind a line break, of the next; ``lexemes`` the lexeme that each begins
    with (a line break stands for itself, without the indentation behind it); ``of_text`` the
    number of each occurrence's text.
    """

    scores: list[Score]
    none: Score
    of_text: list[int]
    texts: list[bytes]
    lexemes: list[bytes]


class Describer(Generic[Score]):
    """Describes the occurrences at one cursor; remembers what it has read of their lines."""

    def __init__(self, around: Surroundings, scoring: Scoring[Score]) -> None:
        self._scoring = scoring
        self._fits: dict[tuple[int, int], Score] = {}
        self._fits_of: tuple[bytes, int] = (b"", -1)
        self._words: dict[bytes, Fits] = {}
        self._around = around
        self._above, self._below = around.before, around.after
        self._next_lines = around.after[:_NEXT_BYTES]
        self._recent = around.before[-_RECENT_BYTES:]
        match = _NEXT_LINE.search(around.after)
        self._next_line = match[1].strip() if match else b""
        self._first_of_next = lexeme_at(self._next_line, 0)

    def describe(self, found: Sequence[Occurrence], generated: bytes) -> Description[Score]:
        """Return what fits of occurrences of the text before the cursor and ``generated``."""
        scoring = self._scoring
        before = self._recent + generated
        start = before.rfind(b"\n") + 1
        line = before[start:].lstrip(b"\0")
        code = line.lstrip(b" \t")
        depth = len(line) - len(code)
        last = before[:start].rstrip().rpartition(b"\n")[2].strip(b"\0 \t")
        if self._fits_of != (last, depth):
            self._fits_of = (last, depth)
            self._fits = {}
        whole_line, line_break = len(code) or LONGEST, len(line) + 1
        fits, ends, begins = self._fits, self._around.ends, self._around.begins
        numbers: dict[bytes, int] = {}
        of_text: list[int] = []
        scores: list[Score] = []
        for data, place, length, nearness in found:
            least = place - _LINE_BYTES if place > _LINE_BYTES else 0
            begin = max(data.rfind(b"\n", least, place), data.rfind(b"\0", least, place)) + 1
            begin = begin or place
            end = data.find(b"\n", place, place + _LINE_BYTES)
            key = (id(data), begin)
            fit = fits.get(key)
            if fit is None:
                fit = fits[key] = scoring.line(self._line_fits(data, begin, end))
            score = scoring.agreeing[nearness][length] + fit
            if nearness <= AFTER:
                away = ends - place if nearness == BEFORE else place - begins
                score = score + scoring.distance(away)
            if length > whole_line:
                score = score + scoring.whole_line
            if length > line_break:
                score = score + scoring.line_break
            scores.append(score)
            of_text.append(numbers.setdefault(_text_at(data, place, end), len(numbers)))
        texts = list(numbers)
        lexemes = [b"\n" if text[0] == _BREAK_BYTE else lexeme_at(text, 0) for text in texts]
        started = word_before(before[-LONGEST:])
        rests = _rest(last, code), _rest(self._next_line, code) if self._next_line else None
        of_texts = [
            scoring.text(self._lexeme_fits(lexeme, started, code) + _whole_fits(text, rests))
            for text, lexeme in zip(texts, lexemes, strict=True)
        ]
        return Description(
            [score + of_texts[number] for score, number in zip(scores, of_text, strict=True)],
            scoring.none(found[0].length if found else 0, len(found)),
            of_text,
            texts,
            lexemes,
        )

    def _line_fits(self, data: bytes, begin: int, end: int) -> Fits:
        """Return how the lines around one are like those around the cursor's."""
        last, depth = self._fits_of
        before = begin - len(last) - _BLANKS
        # Most lines are not alike, which is seen faster than they are cut out.
        is_last = (
            last != b""
            and data.find(last, before if before > 0 else 0, begin) >= 0
            and _line_before(data, begin) == last
        )
        is_as_deep = len(data[begin : begin + depth + 1].lstrip(b" \t")) == 1
        first = self._first_of_next
        if not first or end < 0 or data.find(first, end, end + _LINE_BYTES) < 0:
            return False, False, is_last, is_as_deep
        match = None if b"\0" in data[begin:end] else _NEXT_LINE.match(data, end)
        following = match[1].strip() if match else b""
        is_next = following == self._next_line
        return is_next, not is_next and following.startswith(first), is_last, is_as_deep

    def _lexeme_fits(self, lexeme: bytes, started: bytes, code: bytes) -> Fits:
        """Return what kind of lexeme comes next, and where else a word stands."""
        kind = kind_of(lexeme)
        if kind != WORD:
            return _FITS_OF_KIND[kind]
        word = started + lexeme
        known = self._words.get(word)
        if known is None:
            last = self._above.rfind(word)
            is_next = word in self._next_lines
            known = self._words[word] = (
                True,
                last >= 0 or is_next or word in self._below,
                last >= max(0, len(self._above) - _RECENT_BYTES),
                is_next,
            )
        return (*known, word in code, False, False, False)


def _rest(line: bytes, code: bytes) -> bytes | None:
    """Return what a line says behind the code that it begins with, ``None`` if it does not."""
    return line[len(code) :] if line.startswith(code) else None


def _whole_fits(text: bytes, rests: tuple[bytes | None, bytes | None]) -> Fits:
    """Return whether the cursor's line, were it to go on with a text, would say these rests."""
    if rests == _NO_RESTS:
        return _REPEATS_NOTHING
    said = b"" if text[0] == _BREAK_BYTE else text.strip()
    return said == rests[0], said == rests[1]


def _text_at(data: bytes, place: int, end: int) -> bytes:
    """Return the rest of the line at a place, or its line break and the next line."""
    last = place + _LONGEST_TEXT
    if end == place:
        end = data.find(b"\n", place + 1, last)
    rest = data[place : end + 1 if 0 <= end < last else last]
    return rest.partition(b"\0")[0] or b"\n" if b"\0" in rest else rest


def _line_before(data: bytes, begin: int) -> bytes:
    """Return the last line before one that begins at a place, without blanks around."""
    before = data[max(0, begin - _LINE_BYTES) : begin].rstrip().rpartition(b"\n")[2]
    return before.rpartition(b"\0")[2].strip()
