"""Continuations with likelihoods: attention over the occurrences, with weights fitted on code.

Each occurrence has a score, a weighted sum of its features; so has "none of them". Their softmax
is how likely the text goes on as it did there. The weights maximize the likelihood of what was
really written next (``dsc_lsp.measure.fit``).
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup import Continuation
from dsc_lsp.lookup.features import OF_ALL, OF_OCCURRENCE, Description, Features, describe_all
from dsc_lsp.lookup.lexemes import lexeme_at
from dsc_lsp.lookup.occurrences import Occurrence, Source, Surroundings, occurrences

Weights = npt.NDArray[np.float32]

_LONGEST_TEXT = 160
_LEAST_WEIGHT = 0.001
_BREAK = ord("\n")


class Prediction:
    """What may follow at one cursor; to be asked again as the answer grows, by one thread."""

    def __init__(self, around: Surroundings, sources: Sequence[Source], files: int) -> None:
        self.files = files
        self._around = around
        self._sources = sources
        self._description = Description(around)

    def after(self, generated: str) -> list[Continuation]:
        """Return what may follow the text before the cursor and ``generated``, best first.

        Texts that begin with the same lexeme (for line breaks, whatever the indentation) stand
        together, the likelier lexeme first, so the first is the best guess. The weights sum to
        the likelihood that one of them is right.
        """
        rows, lexemes, found = self.evidence(generated)
        weights = attention(rows, *fitted()).tolist()
        likelihood: dict[bytes, float] = {}
        texts: dict[bytes, tuple[float, int, bytes]] = {}
        for lexeme, weight, occurrence in zip(lexemes, weights, found, strict=True):
            likelihood[lexeme] = likelihood.get(lexeme, 0.0) + weight
            text = _text_at(occurrence)
            so_far, matched, _ = texts.get(text, (0.0, 0, lexeme))
            texts[text] = (so_far + weight, max(matched, occurrence.length), lexeme)
        order = sorted(
            texts.items(), key=lambda item: (likelihood[item[1][2]], item[1][0]), reverse=True
        )
        return [
            Continuation(_str(text), _str(lexeme_at(text, 0)), matched, weight)
            for text, (weight, matched, _) in order
            if weight >= _LEAST_WEIGHT
        ]

    def evidence(self, generated: str) -> tuple[Features, list[bytes], list[Occurrence]]:
        """Return the features of all occurrences, what lexeme follows each, and where they are."""
        encoded = generated.encode("utf-8", "replace")
        found = occurrences(self._around, self._sources, encoded)
        rows, lexemes = self._description.of(found, encoded)
        return rows, lexemes, found


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


def _text_at(occurrence: Occurrence) -> bytes:
    """Return the rest of the line at an occurrence, or its line break and the next line."""
    text, place = occurrence.text, occurrence.place
    last = place + _LONGEST_TEXT
    end = text.find(b"\n", place + (text[place] == _BREAK), last)
    rest = text[place : end + 1 if end >= 0 else last]
    return rest.partition(b"\0")[0] or b"\n"


def _str(text: bytes) -> str:
    return text.decode("utf-8", "ignore")
