"""Confidence against what was right."""

import math

import pytest

from dsc_lsp.measure.calibration import calibration
from dsc_lsp.measure.evaluation import Score, evaluate
from dsc_lsp.measure.holes import hole_in
from dsc_lsp.settings import Settings
from tests.scripted import ScriptedEngine


def scores(*answers: tuple[str, float]) -> list[Score]:
    """Return scores of holes whose gold text is ``y = 1``; an answer's tokens are as sure."""
    found: list[Score] = []
    for text, confidence in answers:
        hole = hole_in("one", "line", "x\n", "y = 1", "\n", language="python", uri="file:///a.py")
        [score] = evaluate([hole], Settings(), ScriptedEngine(text))
        object.__setattr__(score.completion, "confidence", confidence)
        found.append(score)
    return found


def test_bins_thresholds_and_the_expected_error():
    found = calibration(
        scores(("y = 1\n", 0.95), ("z\n", 0.91), ("y = 1\n", 0.32), ("z\n", 0.05), ("\n", 0.9))
    )
    assert found is not None
    assert found.suggestions == 4  # nothing was suggested in the fifth hole
    assert [(one.count, one.precision) for one in found.bins] == [(1, 0), (1, 1), (2, 0.5)]
    expected = (0.05 + 0.68 + 2 * abs(0.93 - 0.5)) / 4
    assert math.isclose(found.expected_error, expected)
    by_least = {one.min_confidence: (one.shown, one.precision) for one in found.thresholds}
    assert by_least[0.0] == (80, 50)
    assert by_least[0.3] == (60, pytest.approx(200 / 3))
    assert by_least[0.8] == (40, 50)


def test_without_suggestions_nothing_is_known():
    assert calibration(scores(("\n", 0.0))) is None
