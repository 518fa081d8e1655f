"""What each thing that is known of an occurrence counts, in sums that many of them share."""

import json
import math
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup.segment import LONGEST

Row: TypeAlias = npt.NDArray[np.floating[Any]]
Fits: TypeAlias = "tuple[bool, ...]"
Score = TypeVar("Score", float, Row)

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
    "distance",
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
)
"""What is known of an occurrence."""
OF_NONE = ("bias", *OF_OCCURRENCE[1:6], "how many")
"""What is known of all occurrences together, from which follows whether to trust any."""

_STEPS = ((0, 4), (4, 4), (8, 8), (16, 16), (32, 32))
_AGREEING = tuple(
    (1.0, *(min(max(length - low, 0), width) / width for low, width in _STEPS))
    for length in range(LONGEST + 1)
)
_NEARNESS = slice(8, 11)
"""Above, below and in this folder; what is elsewhere has none of them."""
_LINE_FITS = slice(12, 16)
_TEXT_FITS = slice(16, len(OF_OCCURRENCE))
_LINE_BYTES = 32
"""So long are lines; to count those of a large file takes a tenth of a question."""
_LOG_LINES = 6.0


class Scoring(Generic[Score]):
    """Sums of weights, one for each name in ``OF_OCCURRENCE`` and ``OF_NONE``.

    With numbers for weights the sums are scores; with the rows of a unit matrix (``UNITS``) they
    are the columns themselves, to which weights are fitted. Any thread may use it.
    """

    def __init__(self, weights: Sequence[Score], weights_of_none: Sequence[Score]) -> None:
        self._far = weights[11]
        agreeing = [_sum(weights, values) for values in _AGREEING]
        near = [*weights[_NEARNESS], self._far * 0.0]
        near = [*near[:2], *(one + self._far for one in near[2:])]
        self.agreeing: list[list[Score]] = [[one + far for one in agreeing] for far in near]
        """By nearness and the number of bytes that agree, without the distance in a file."""
        self.whole_line, self.line_break = weights[6:8]
        self._none = [_sum(weights_of_none, values) for values in _AGREEING]
        self._many = weights_of_none[-1]
        self._of_line, self._of_text = weights[_LINE_FITS], weights[_TEXT_FITS]
        self._lines: dict[Fits, Score] = {}
        self._texts: dict[Fits, Score] = {}

    def none(self, length: int, count: int) -> Score:
        """Return the score of none of so many occurrences, the best of which agrees so far."""
        return self._none[length] + self._many * math.log1p(count)

    def distance(self, away: int) -> Score:
        """Return the score of an occurrence so many bytes away in the same file."""
        return self._far * (math.log1p(away / _LINE_BYTES) / _LOG_LINES)

    def line(self, fits: Fits) -> Score:
        """Return the score of how the lines around are alike, which has four columns."""
        known = self._lines.get(fits)
        if known is None:
            known = self._lines[fits] = _sum(self._of_line, fits)
        return known

    def text(self, fits: Fits) -> Score:
        """Return the score of a text that comes next, which has the last ten columns."""
        known = self._texts.get(fits)
        if known is None:
            known = self._texts[fits] = _sum(self._of_text, fits)
        return known


def _sum(weights: Sequence[Score], values: Iterable[float]) -> Score:
    total = weights[0] * 0.0
    for weight, value in zip(weights, values, strict=False):
        total = total + weight * value
    return total


UNITS = Scoring[Row](
    list(np.eye(len(OF_OCCURRENCE), dtype=np.float32)),
    list(np.eye(len(OF_NONE), dtype=np.float32)),
)
"""Scores that are the columns themselves."""


@cache
def fitted() -> Scoring[float]:
    """Return the fitted weights as they stand in the package."""
    text = resources.files("dsc_lsp.lookup").joinpath("weights.json").read_text("utf-8")
    stored: dict[str, dict[str, float]] = json.loads(text)
    return Scoring(
        [stored["occurrence"][name] for name in OF_OCCURRENCE],
        [stored["none"][name] for name in OF_NONE],
    )
