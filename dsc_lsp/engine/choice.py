"""Which token comes next: the one place where it is decided.

The likeliest token of a row of logits is chosen, after each adjustment has had its say, unless a
branch takes another one. All are pure functions of the row and of what has been generated, so that
drafts, which are checked against the same choice, can never change an answer.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch

Adjustment: TypeAlias = Callable[[torch.Tensor, Sequence[int]], torch.Tensor]
"""From logits of shape (vocabulary,) and the ids generated before them to other logits.

It must not write into the row, and returns the very row where it has nothing to say.
"""

Branch: TypeAlias = Callable[[torch.Tensor, Sequence[int]], int | None]
"""From log likelihoods of shape (vocabulary,) and the ids generated before them to a token.

``None`` leaves it to the likeliest.
"""


def choose(
    row: torch.Tensor,
    generated: Sequence[int],
    adjustments: Sequence[Adjustment] = (),
    branch: Branch | None = None,
) -> tuple[int, float]:
    """Return the chosen token of a row, shape (vocabulary,), with its log likelihood."""
    for adjust in adjustments:
        row = adjust(row, generated)
    likelihoods = torch.log_softmax(row.float(), dim=-1)
    token = branch(likelihoods, generated) if branch is not None else None
    if token is not None:
        return token, float(likelihoods[token])
    best = likelihoods.max(dim=-1)
    return int(best.indices), float(best.values)
