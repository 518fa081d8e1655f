"""The next token of a small model, mixed with what the repository says."""

from collections.abc import Sequence

import numpy as np
import pytest

from dsc_lsp.engine.choice import Numbers
from dsc_lsp.engine.interpolation import FEATURES, Mixture, interpolation
from dsc_lsp.lookup import Continuation

EVEN = Mixture(share=(0.0,) * len(FEATURES), opinion=0.0)
"""Half and half, and the model has no say among the repository's tokens."""


class Letters:
    """A vocabulary of the first letters, one token each."""

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(ord(letter) - ord("a") for letter in text)

    def first(self, text: str) -> int | None:
        return self.encode(text)[0] if text else None

    def bytes_of(self, token: int) -> bytes:
        return bytes([ord("a") + token])


class Known:
    """Says ``b`` with 0.75 and ``c`` with 0.25 after ``a``, and knows nothing elsewhere."""

    def __init__(self, size: int) -> None:
        self.size = size

    def after(self, generated: str) -> Sequence[Continuation]:
        if generated != "a":
            return ()
        return (Continuation("ba", "ba", 9, 0.75), Continuation("c", "c", 9, 0.25))


def mixed(generated: Sequence[int], row: Numbers, *, size: int = 3_000) -> Numbers:
    return interpolation(Known(size), Letters(), EVEN)(row, generated)


def test_both_have_their_share_and_likelihoods_sum_to_one():
    row = np.log([0.6, 0.1, 0.1, 0.2])
    likelihoods = np.exp(mixed([0], row))
    expected = (np.exp(row) + np.array([0, 0.75, 0.25, 0])) / 2
    assert likelihoods.tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    assert likelihoods.sum() == pytest.approx(1)


def test_where_the_repository_knows_nothing_the_model_decides():
    row = np.log([0.6, 0.1, 0.1, 0.2])
    assert mixed([], row) is row
    assert mixed([0, 1], row) is row


def test_within_a_character_the_model_decides():
    class Bytes(Letters):
        def bytes_of(self, _token: int) -> bytes:
            return b"\xc3"

    row = np.zeros(4)
    assert interpolation(Known(9_000), Bytes(), EVEN)(row, [0]) is row


def test_where_little_text_is_known_the_model_decides():
    row = np.log([0.6, 0.1, 0.1, 0.2])
    assert mixed([0], row, size=2_999) is row


def test_the_row_is_not_written_into():
    row = np.log([0.6, 0.1, 0.1, 0.2])
    before = row.copy()
    mixed([0], row)
    assert np.array_equal(row, before)
