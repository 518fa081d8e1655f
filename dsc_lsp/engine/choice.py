"""Which token comes next: the one place where it is decided.

The likeliest token of a row of logits is chosen, after each adjustment has had its say, unless a
branch takes another one. All are pure functions of the row and of what has been generated, so that
drafts, which are checked against the same choice, can never change an answer. Rows stand in main
memory: each of these operations is too small for a device, and calling it is what costs.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.floating[Any]]

Adjustment: TypeAlias = Callable[[Numbers, Sequence[int]], Numbers]
"""From logits of shape (vocabulary,) and the ids generated before them to other logits.

It must not write into the row, and returns the very row where it has nothing to say.
"""

Branch: TypeAlias = Callable[[Numbers, Sequence[int]], int | None]
"""From log likelihoods of shape (vocabulary,) and the ids generated before them to a token.

``None`` leaves it to the likeliest.
"""


def choose(
    row: Numbers,
    generated: Sequence[int],
    adjustments: Sequence[Adjustment] = (),
    branch: Branch | None = None,
) -> tuple[int, float]:
    """Return the chosen token of a row, shape (vocabulary,), with its log likelihood."""
    for adjust in adjustments:
        row = adjust(row, generated)
    likelihoods = log_likelihoods(row)
    token = branch(likelihoods, generated) if branch is not None else None
    chosen = int(likelihoods.argmax()) if token is None else token
    return chosen, float(likelihoods[chosen])


def log_likelihoods(row: Numbers) -> Numbers:
    """Return natural log likelihoods of logits, any of which may be minus infinity."""
    shifted = row - row.max()
    return shifted - np.log(np.exp(shifted).sum())
