"""Guesses of the next tokens, checked by the model in one run instead of written in several.

A guess costs time and never changes an answer: ``decode`` takes of it only what would have been
chosen anyway.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dsc_lsp.engine.interpolation import Vocabulary
from dsc_lsp.lookup import Continuations

MOST_DRAFTED = 4
_LEAST_MATCHED = 2
_MOST_MATCHED = 8
_SMOOTHING = 0.1
_HOPED_FOR = 0.5
_WIDER_COSTS = 0.15
_TRY_AGAIN_AFTER = 32


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens that may follow, and who says so; no tokens where nobody knows."""

    ids: Sequence[int] = ()
    source: str = ""


class Thrift:
    """How many tokens are worth guessing, learnt from what guesses cost and how often they hold.

    A run over ``width`` tokens that takes ``cost`` and whose guesses hold with likelihood ``p``
    each gives ``1 + p + p² + …`` tokens. Where guessing does not pay it is tried again now and
    then. One for each engine; engine thread only.
    """

    def __init__(self) -> None:
        self._costs: dict[int, float] = {}
        self._holds: dict[str, float] = {}
        self._without = 0

    def worth(self, source: str) -> int:
        """Return how many tokens of a source are worth checking at once; 0 is none."""
        single = self._costs.get(1)
        if single is None:
            return 0
        likelihood = self._holds.get(source, _HOPED_FOR)
        gains = list[float]()
        for drafted in range(MOST_DRAFTED + 1):
            cost = self._costs.get(drafted + 1, single * (1 + _WIDER_COSTS * drafted))
            gains.append(sum(likelihood**power for power in range(drafted + 1)) / cost)
        best = gains.index(max(gains))
        self._without = 0 if best else self._without + 1
        if self._without == _TRY_AGAIN_AFTER:
            self._without = 0
            return 1
        return best

    def took(self, width: int, seconds: float) -> None:
        """Learn what a run over so many tokens cost."""
        known = self._costs.get(width, seconds)
        # One that waited for the processor says nothing about the width.
        self._costs[width] = known + _SMOOTHING * (min(seconds, 3 * known) - known)

    def held(self, source: str, checked: int, accepted: int) -> None:
        """Learn how many of the tokens that were checked held."""
        known = self._holds.get(source, _HOPED_FOR)
        for number in range(checked):
            known += _SMOOTHING * ((number < accepted) - known)
        self._holds[source] = known


@dataclass(frozen=True, slots=True)
class Drafting:
    """Who guesses, from the tokens generated so far, and whether that pays."""

    guess: Callable[[Sequence[int]], Draft]
    thrift: Thrift


def guesses(
    before: Sequence[int],
    continuations: Continuations | None,
    vocabulary: Vocabulary,
) -> Callable[[Sequence[int]], Draft]:
    """Return what guesses after tokens that were generated behind those of ``before``.

    First what followed elsewhere in the repository, else what followed the longest match of the
    last tokens among all that were read.
    """
    read = np.array(before, dtype=np.int64)

    def guess(generated: Sequence[int]) -> Draft:
        said = _text(generated, vocabulary)
        found = continuations.after(said) if continuations is not None and said is not None else ()
        if found:
            return Draft(vocabulary.encode(found[0].text)[:MOST_DRAFTED], "repository")
        return Draft(_repeated(np.concatenate((read, np.array(generated, np.int64)))), "prompt")

    return guess


def _text(generated: Sequence[int], vocabulary: Vocabulary) -> str | None:
    try:
        return b"".join(map(vocabulary.bytes_of, generated)).decode()
    except UnicodeDecodeError:  # within a character
        return None


def _repeated(ids: np.typing.NDArray[np.int64]) -> Sequence[int]:
    """Return what followed the longest, then the latest, match of the last ids before them."""
    if len(ids) <= _LEAST_MATCHED:
        return ()
    ends = np.flatnonzero((ids[1:-1] == ids[-1]) & (ids[:-2] == ids[-2])) + 2
    for length in range(_LEAST_MATCHED + 1, _MOST_MATCHED + 1):
        if length >= len(ids):
            break
        longer = ends[ends >= length]
        longer = longer[ids[longer - length] == ids[-length]]
        if not len(longer):
            break
        ends = longer
    if not len(ends):
        return ()
    return ids[ends[-1] : ends[-1] + MOST_DRAFTED].tolist()
