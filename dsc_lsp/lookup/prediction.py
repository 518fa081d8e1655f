"""Continuations with likelihoods: attention over the occurrences, with weights fitted on code.

Each occurrence has a score, a weighted sum of its features; so has "none of them". Their softmax
is how likely the text goes on as it did there. The weights maximize the likelihood of what was
really written next (``dsc_lsp.measure.fit``).
"""

import math
from collections.abc import Sequence

from dsc_lsp.lookup import Continuation
from dsc_lsp.lookup.features import Describer, Description
from dsc_lsp.lookup.lexemes import lexeme_at
from dsc_lsp.lookup.occurrences import Search, Sources, Surroundings
from dsc_lsp.lookup.scoring import UNITS, Row, fitted

_LEAST_WEIGHT = 0.001


class Prediction:
    """What may follow at one cursor; to be asked again as the answer grows, by one thread."""

    def __init__(self, around: Surroundings, sources: Sources) -> None:
        self.size = around.size + sources.size
        self._around = around
        self.sources = sources
        self._search = Search(around, sources)
        self._describer = Describer(around, fitted())
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

    def evidence(self, generated: str) -> Description[Row]:
        """Return what is known of the occurrences of what stands before and ``generated``."""
        encoded = generated.encode("utf-8", "replace")
        found = self._search.occurrences(encoded)
        return Describer(self._around, UNITS).describe(found, encoded)

    def _continuations(self, generated: str) -> tuple[Continuation, ...]:
        encoded = generated.encode("utf-8", "replace")
        found = self._search.occurrences(encoded)
        seen = self._describer.describe(found, encoded)
        weights, matched = [0.0] * len(seen.texts), [0] * len(seen.texts)
        of_each = zip(seen.of_text, found, attention(seen.scores, seen.none), strict=True)
        for number, occurrence, weight in of_each:
            weights[number] += weight
            # The best stand first, so the first of a text agrees the furthest.
            matched[number] = matched[number] or occurrence.length
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


def attention(scores: Sequence[float], none: float) -> list[float]:
    """Return the likelihood of each occurrence; what is missing to 1 is that of none."""
    likelihoods = list(map(math.exp, scores))
    total = sum(likelihoods) + math.exp(none)
    return [likelihood / total for likelihood in likelihoods]


def _continuation(text: bytes, lexeme: bytes, matched: int, weight: float) -> Continuation:
    whole = lexeme_at(text, 0) if lexeme == b"\n" else lexeme
    # Bytes of a lexeme that was cut in two may be left over.
    return Continuation(
        text.decode("utf-8", "ignore"), whole.decode("utf-8", "ignore"), matched, weight
    )
