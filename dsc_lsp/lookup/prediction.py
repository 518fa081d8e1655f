"""Continuations with likelihoods: attention over the occurrences, with weights fitted on code.

Each occurrence has a score, a weighted sum of its features; so has "none of them". Their softmax
is how likely the text goes on as it did there. The weights maximize the likelihood of what was
really written next (``dsc_lsp.measure.fit``).
"""

import json
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup import Continuation
from dsc_lsp.lookup.features import (
    OF_ALL,
    OF_OCCURRENCE,
    Describer,
    Description,
    Features,
    describe_all,
)
from dsc_lsp.lookup.lexemes import Places, lexeme_at
from dsc_lsp.lookup.occurrences import Sources, Surroundings, occurrences

Weights = npt.NDArray[np.float32]

_LEAST_WEIGHT = 0.001


class Prediction:
    """What may follow at one cursor; to be asked again as the answer grows, by one thread."""

    def __init__(self, around: Surroundings, sources: Sources) -> None:
        self.size = around.size + sources.size
        self._around = around
        self.sources = sources
        self._describer = Describer(around)
        self._answers: dict[str, tuple[Continuation, ...]] = {}

    def after(self, generated: str) -> tuple[Continuation, ...]:
        """Return what may follow the text before the cursor and ``generated``, best first.

        Texts that begin with the same lexeme (for line breaks, whatever the indentation) stand
        together, the likelier lexeme first, so the first is the best guess. The weights sum to
        the likelihood that one of them is right.
        """
        answer = self._answers.get(generated)
        if answer is None:
            answer = self._answers[generated] = self._continuations(generated)
        return answer

    def evidence(self, generated: str) -> Description:
        """Return what is known of the occurrences of what stands before and ``generated``."""
        return self._evidence(generated)[0]

    def _evidence(self, generated: str) -> tuple[Description, Places]:
        encoded = generated.encode("utf-8", "replace")
        found = occurrences(self._around, self.sources, encoded)
        return self._describer.describe(found, encoded), found.lengths

    def _continuations(self, generated: str) -> tuple[Continuation, ...]:
        seen, lengths = self._evidence(generated)
        weights = np.bincount(
            seen.of_text, attention(seen.rows, *fitted()), len(seen.texts)
        ).tolist()
        # The best stand first, so the first of a text agrees the furthest.
        matched = dict(zip(reversed(seen.of_text), lengths[::-1].tolist(), strict=True))
        likelihood = dict.fromkeys(seen.lexemes, 0.0)
        for lexeme, weight in zip(seen.lexemes, weights, strict=True):
            likelihood[lexeme] += weight
        kept = [
            (likelihood[seen.lexemes[number]], weight, -number)
            for number, weight in enumerate(weights)
            if weight >= _LEAST_WEIGHT
        ]
        kept.sort(reverse=True)
        return tuple(
            _continuation(seen.texts[-n], seen.lexemes[-n], matched[-n], weight)
            for _, weight, n in kept
        )


def attention(rows: Features, weights: Weights, weights_of_none: Weights) -> Weights:
    """Return the likelihood of each occurrence; what is missing to 1 is that of none."""
    scores = np.exp(rows @ weights)
    none = np.exp(describe_all(rows) @ weights_of_none)
    return scores / (scores.sum() + none)


@cache
def fitted() -> tuple[Weights, Weights]:
    """Return the fitted weights, of occurrences and of none."""
    text = resources.files("dsc_lsp.lookup").joinpath("weights.json").read_text("utf-8")
    stored: dict[str, dict[str, float]] = json.loads(text)
    return (
        np.array([stored["occurrence"][name] for name in OF_OCCURRENCE], np.float32),
        np.array([stored["none"][name] for name in OF_ALL], np.float32),
    )


def _continuation(text: bytes, lexeme: bytes, matched: int, weight: float) -> Continuation:
    whole = lexeme_at(text, 0) if lexeme == b"\n" else lexeme
    return Continuation(_str(text), _str(whole), matched, weight)


def _str(text: bytes) -> str:
    return text.decode("utf-8", "ignore")
