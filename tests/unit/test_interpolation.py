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

    def __init__(self, files: int) -> None:
        self.files = files

    def after(self, generated: str) -> Sequence[Continuation]:
        if generated != "a":
            return ()
        return (Continuation("ba", "ba", 9, 0.75), Continuation("c", "c", 9, 0.25))


def mixed(files: int, generated: Sequence[int], row: Numbers) -> Numbers:
    return interpolation(Known(files), Letters(), EVEN)(row, generated)


def test_both_have_their_share_and_likelihoods_sum_to_one():
    row = np.log([0.6, 0.1, 0.1, 0.2])
    likelihoods = np.exp(mixed(1, [0], row))
    expected = [0.3, 0.05 + 0.375, 0.05 + 0.125, 0.1]
    assert likelihoods.tolist() == pytest.approx(expected, abs=1e-4)


def test_where_the_repository_knows_nothing_the_model_decides():
    row = np.log([0.6, 0.1, 0.1, 0.2])
    assert mixed(1, [], row) is row
    assert mixed(1, [0, 1], row) is row


def test_within_a_character_the_model_decides():
    class Bytes(Letters):
        def bytes_of(self, _token: int) -> bytes:
            return b"\xc3"

    row = np.zeros(4)
    assert interpolation(Known(1), Bytes(), EVEN)(row, [0]) is row


def test_the_repository_has_more_of_a_say_where_it_knows_more_than_a_file():
    row = np.log([0.6, 0.1, 0.1, 0.2])
    few, many = (float(np.exp(mixed(files, [0], row))[1]) for files in (4, 5))
    assert few == pytest.approx(0.425, abs=1e-4)
    assert many > 0.7


def test_the_row_is_not_written_into():
    row = np.log([0.6, 0.1, 0.1, 0.2])
    before = row.copy()
    mixed(9, [0], row)
    assert np.array_equal(row, before)
