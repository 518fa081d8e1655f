"""How far confidence can be trusted: of suggestions that are sure by so much, how many are right.

Confidence is the likelihood of the first line with its end (``Completion.confidence``), which is
compared with whether the whole suggestion is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dsc_lsp.measure.evaluation import Score

BINS = 10
_THRESHOLDS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class Bin:
    """Suggestions of like confidence: how many, their mean confidence, the share of exact ones."""

    count: int
    confidence: float
    precision: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """What would be shown by a ``minConfidence``, and how much of that is exact, in percent."""

    min_confidence: float
    shown: float
    precision: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """``expected_error`` is the mean distance of confidence and precision over all suggestions.

    The ECE of Guo et al. (ICML 2017, section 2): ten bins of equal width, shares as likelihoods
    from 0 to 1. Empty bins are left out.
    """

    suggestions: int
    expected_error: float
    bins: tuple[Bin, ...]
    thresholds: tuple[Threshold, ...]


def calibration(scores: Sequence[Score]) -> Calibration | None:
    """Return how confidence and precision agree; ``None`` where no confidence is known."""
    known = [
        (score.completion.confidence, score.exact)
        for score in scores
        if score.completion.confidence is not None and score.completion.text.strip()
    ]
    if not known:
        return None
    bins = tuple(
        Bin(len(there), _mean([sure for sure, _ in there]), _mean([right for _, right in there]))
        for number in range(BINS)
        if (there := [one for one in known if _bin_of(one[0]) == number])
    )
    error = sum(one.count * abs(one.confidence - one.precision) for one in bins) / len(known)
    thresholds: list[Threshold] = []
    for least in _THRESHOLDS:
        shown = [right for sure, right in known if sure >= least]
        share = 100 * len(shown) / len(scores)
        thresholds.append(Threshold(least, share, 100 * _mean(shown) if shown else None))
    return Calibration(len(known), error, bins, tuple(thresholds))


def _bin_of(confidence: float) -> int:
    return min(BINS - 1, int(confidence * BINS))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
