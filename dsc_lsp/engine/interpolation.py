"""A small model's next token mixed with what the repository says.

A nested cache model (Hellendoorn and Devanbu, FSE 2017) interpolated as by Grave et al. (2017):
``(1 - share) * model + share * repository``. The share depends on how sure either is, and among
the repository's tokens those count more that the model finds likely, too. The parameters
maximize the likelihood of real code (``dsc_lsp.measure.fit``) and stand in ``mixtures.json``, by
the name of the model's family.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dsc_lsp.engine import choice
from dsc_lsp.engine.choice import Adjustment, log_likelihoods
from dsc_lsp.lookup import LEAST_BYTES, Continuations

FEATURES = (
    "bias",
    "the repository's certainty that it knows",
    "the repository's certainty of its best token",
    "the model's certainty of its best token",
    "the model's certainty of the repository's best token",
    "the repository's certainty of the model's best token",
    "bytes agreeing",
)
"""The columns of ``Evidence.features``: logarithms of likelihoods, the first one's odds."""

_READ = 32
LEAST = 1e-4
"""Added to likelihoods before their logarithm is taken."""

Numbers = npt.NDArray[np.float64]


class Vocabulary(Protocol):
    """What is needed of a model's tokenizer."""

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text."""
        ...

    def first(self, text: str) -> int | None:
        """Return the first id of a text; ``None`` if it is empty."""
        ...

    def bytes_of(self, token: int) -> bytes:
        """Return the bytes that a token stands for."""
        ...


@dataclass(frozen=True, slots=True)
class Mixture:
    """Fitted parameters: of the share by ``FEATURES``, and how much the model's opinion counts."""

    share: tuple[float, ...]
    opinion: float

    def parts(self, evidence: "Evidence") -> tuple[float, Numbers]:
        """Return the repository's share, and the likelihoods of its tokens, summing to 1."""
        odds = float(np.dot(self.share, evidence.features))
        counted = evidence.weights * (evidence.model + LEAST) ** self.opinion
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds)))), counted / counted.sum()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the repository says about the next token, and the model about the same tokens.

    ``gold`` is the token that was really written and ``model_of_gold`` the model's likelihood
    of it, where that is known.
    """

    ids: tuple[int, ...]
    weights: Numbers
    model: Numbers
    features: Numbers
    gold: int = -1
    model_of_gold: float = 0.0


def interpolation(
    continuations: Continuations, vocabulary: Vocabulary, mixture: Mixture
) -> Adjustment:
    """Return the adjustment of a model's logits to the mixture's log likelihoods."""

    def adjust(row: choice.Numbers, generated: Sequence[int]) -> choice.Numbers:
        if continuations.size < LEAST_BYTES:
            return row
        likelihoods = log_likelihoods(row)
        evidence = evidence_of(likelihoods, generated, continuations, vocabulary)
        if evidence is None:
            return row
        share, among = mixture.parts(evidence)
        mixed = likelihoods + math.log1p(-share)
        ids = list(evidence.ids)
        mixed[ids] = np.logaddexp(mixed[ids], np.log(share * among))
        return mixed

    return adjust


def evidence_of(
    likelihoods: choice.Numbers,
    generated: Sequence[int],
    continuations: Continuations,
    vocabulary: Vocabulary,
    gold: int = -1,
) -> Evidence | None:
    """Return what is known about the next token; ``None`` if the repository knows nothing.

    ``likelihoods`` are the model's, logarithms of shape (vocabulary,). ``gold`` is the token
    that was really written, if that is known.
    """
    try:
        said = b"".join(map(vocabulary.bytes_of, generated)).decode()
    except UnicodeDecodeError:  # within a character, which is the model's alone
        return None
    found = continuations.after(said)
    weights: dict[int, float] = {}
    for one in found:
        first = vocabulary.first(one.text[:_READ])
        if first is not None:
            weights[first] = weights.get(first, 0.0) + one.weight
    if not weights:
        return None
    ids = tuple(weights)
    model = np.exp(likelihoods[list(ids)], dtype=np.float64)
    known = min(sum(weights.values()), 1 - LEAST)
    best = max(range(len(ids)), key=lambda index: weights[ids[index]])
    best_of_model = int(likelihoods.argmax())
    features = [
        1.0,
        math.log(known / (1 - known)),
        math.log(weights[ids[best]]),
        float(likelihoods[best_of_model]),
        math.log(model[best] + LEAST),
        math.log(weights.get(best_of_model, 0.0) + LEAST),
        math.log1p(max(one.matched for one in found)),
    ]
    of_gold = math.exp(float(likelihoods[gold])) if gold >= 0 else 0.0
    repository = np.array(list(weights.values()))
    return Evidence(ids, repository, model, np.array(features), gold, of_gold)


@cache
def mixture_of(family: str) -> Mixture | None:
    """Return the fitted parameters of a family; ``None`` if it has none."""
    text = resources.files("dsc_lsp.engine").joinpath("mixtures.json").read_text("utf-8")
    stored = json.loads(text).get(family)
    if stored is None:
        return None
    return Mixture(tuple(stored["share"][name] for name in FEATURES), stored["opinion"])
