"""Guesses of the next tokens, checked by the model in one run instead of written in several.

A guess costs time and never changes an answer: ``decode`` takes of it only what would have been
chosen anyway.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dsc_lsp.engine.interpolation import Vocabulary
from dsc_lsp.lookup import Continuation, Continuations

MOST_DRAFTED = 4
MODEL = "model"
"""The source of drafts that a smaller model writes."""
_MOST_MATCHED = 8
_SMOOTHING = 0.1
_HOPED_FOR = 0.5
_WIDER_COSTS = 0.15
_TRY_AGAIN_AFTER = 32


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens that may follow, and who says so how surely; no tokens where nobody knows.

    Sources are told apart by that, because of each it is learnt how often what it says holds.
    """

    ids: Sequence[int] = ()
    source: str = ""


class Thrift:
    """How many tokens are worth guessing, learnt from what guesses cost and how often they hold.

    A run over ``width`` tokens that takes ``cost`` and whose guesses hold with likelihood ``p``
    each gives ``1 + p + p² + …`` tokens. Where guessing does not pay it is tried again now and
    then. A guess of a draft model has a price itself, at first taken to be ``model_share`` of a
    run. One for each engine; engine thread only.
    """

    def __init__(self, model_share: float = 0.0) -> None:
        self._costs: dict[int, float] = {}
        self._holds: dict[str, float] = {}
        self._without: dict[str, int] = {}
        self._model_share = model_share
        self._price: float | None = None

    def worth(self, source: str) -> int:
        """Return how many tokens of a source are worth checking at once; 0 is none."""
        gains = self._gains(source)
        best = gains.index(max(gains))
        if best or not any(gains):
            return best
        without = self._without.get(source, 0) + 1
        self._without[source] = without % _TRY_AGAIN_AFTER
        return int(without == _TRY_AGAIN_AFTER)

    def gain(self, source: str) -> float:
        """Return how many tokens a second a source is worth, as far as is known, else 0."""
        return max(self._gains(source))

    def _gains(self, source: str) -> Sequence[float]:
        """Return the tokens a second that 0, 1, 2, … tokens of a source give."""
        single = self._costs.get(1)
        if single is None:
            return (0.0,)
        likelihood, price = self.likelihood(source), 0.0
        if source == MODEL:
            price = self._price_known(single)
        gains = list[float]()
        for drafted in range(MOST_DRAFTED + 1):
            cost = self._costs.get(drafted + 1, single * (1 + _WIDER_COSTS * drafted))
            tokens = sum(likelihood**power for power in range(drafted + 1))
            gains.append(tokens / (cost + drafted * price))
        return gains

    def likelihood(self, source: str) -> float:
        """Return how likely a token that a source says holds, as far as is known."""
        return self._holds.get(source, _HOPED_FOR)

    def took(self, width: int, seconds: float) -> None:
        """Learn what a run over so many tokens cost."""
        known = self._costs.get(width, seconds)
        # One that waited for the processor says nothing about the width.
        self._costs[width] = known + _SMOOTHING * (min(seconds, 3 * known) - known)

    def paid(self, tokens: int, seconds: float) -> None:
        """Learn what so many tokens cost a draft model, all it read for them included."""
        price = seconds / tokens
        known = self._price_known(self._costs.get(1, price))
        # The prompt, which it reads once, is not the price of each of its tokens.
        self._price = known + _SMOOTHING * (min(price, 3 * known) - known)

    def _price_known(self, single: float) -> float:
        return single * self._model_share if self._price is None else self._price

    def held(self, source: str, checked: int, accepted: int) -> None:
        """Learn how many of the tokens that were checked held."""
        known = self.likelihood(source)
        for number in range(checked):
            known += _SMOOTHING * ((number < accepted) - known)
        self._holds[source] = known


@dataclass(frozen=True, slots=True)
class Drafting:
    """Who guesses, from the tokens generated so far, and whether that pays."""

    guess: Callable[[Sequence[int]], Sequence[Draft]]
    thrift: Thrift
    model: Callable[[Sequence[int], int], Sequence[int]] | None = None
    """What a draft model says next, at most so many tokens."""

    def best(self, generated: Sequence[int], most: int) -> Draft:
        """Return the guess that promises most, of at most so many tokens and only if it pays.

        A draft model is asked only where it promises more than what is known for nothing.
        """
        thrift = self.thrift
        known = [draft for draft in self.guess(generated) if draft.ids]
        best = max(known, key=lambda one: thrift.likelihood(one.source), default=Draft())
        if self.model is not None and (
            not best.ids or thrift.gain(MODEL) > thrift.gain(best.source)
        ):
            wanted = min(most, thrift.worth(MODEL))
            if wanted > 0:
                return self._of_model(self.model, generated, wanted)
        if not best.ids or most < 1:
            return Draft()
        return Draft(best.ids[: min(most, thrift.worth(best.source))], best.source)

    def _of_model(
        self,
        model: Callable[[Sequence[int], int], Sequence[int]],
        generated: Sequence[int],
        wanted: int,
    ) -> Draft:
        began = time.perf_counter()
        ids = model(generated, wanted)
        if ids:
            self.thrift.paid(len(ids), time.perf_counter() - began)
        return Draft(ids, MODEL)


def guesses(
    before: Sequence[int],
    continuations: Continuations | None,
    vocabulary: Vocabulary,
    again: Sequence[int] = (),
) -> Callable[[Sequence[int]], Sequence[Draft]]:
    """Return what guesses after tokens that were generated behind those of ``before``.

    One guess is ``again``, what the last answer says if this one agrees with it so far. Else one
    is what followed elsewhere in the repository, and one what followed the longest match of the
    last tokens among all that were read.
    """
    read = np.array(before, dtype=np.int64)

    def guess(generated: Sequence[int]) -> Sequence[Draft]:
        so_far = len(generated)
        if so_far < len(again) and list(again[:so_far]) == list(generated):
            return (Draft(again[so_far : so_far + MOST_DRAFTED], "last answer"),)
        said = _text(generated, vocabulary)
        found = continuations.after(said) if continuations is not None and said is not None else ()
        repeated = _repeated(np.concatenate((read, np.array(generated, np.int64))))
        return (_likeliest(found, vocabulary), repeated) if found else (repeated,)

    return guess


def _likeliest(found: Sequence[Continuation], vocabulary: Vocabulary) -> Draft:
    ids = vocabulary.encode(found[0].text)[:MOST_DRAFTED]
    lexeme = found[0].lexeme
    likelihood = sum(one.weight for one in found if one.lexeme == lexeme)
    return Draft(ids, f"repository, {likelihood:.1f}")


def _text(generated: Sequence[int], vocabulary: Vocabulary) -> str | None:
    try:
        return b"".join(map(vocabulary.bytes_of, generated)).decode()
    except UnicodeDecodeError:  # within a character
        return None


def _repeated(ids: np.typing.NDArray[np.int64]) -> Draft:
    """Return what followed the longest, then the latest, match of the last ids before them."""
    ends = np.flatnonzero(ids[:-1] == ids[-1]) + 1 if len(ids) else ids
    if not len(ends):
        return Draft()
    length = 1
    while length < min(_MOST_MATCHED, len(ids) - 1):
        longer = ends[ends > length]
        longer = longer[ids[longer - length - 1] == ids[-length - 1]]
        if not len(longer):
            break
        ends, length = longer, length + 1
    return Draft(ids[ends[-1] : ends[-1] + MOST_DRAFTED].tolist(), f"prompt, {length}")
