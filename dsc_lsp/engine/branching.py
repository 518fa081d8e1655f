"""Alternatives: the same prompt, gone on with in another way from the first visible text."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from dsc_lsp.engine.choice import Branch, Numbers

_LOOKED_AT = 32
"""Tokens looked at beyond the rank: many say the same but for blanks."""


def branch_of(
    rank: int,
    text_after: Callable[[Sequence[int]], bytes],
    *,
    control: Collection[int],
    end: int,
) -> Branch:
    """Return what takes the ``rank + 1``-th likeliest beginning, of rank 1 or more.

    ``text_after`` tells the text that tokens put behind the cursor; those of ``control`` put
    none. Beginnings are told apart by their visible bytes; a token of blanks only begins nothing.
    Where nothing else can be said, the token ``end`` is chosen, which ends the generation.
    """

    def branch(likelihoods: Numbers, generated: Sequence[int]) -> int | None:
        if text_after(generated).strip():
            return None
        looked_at = min(rank + _LOOKED_AT, likelihoods.shape[0])
        seen = set[bytes]()
        for token in _likeliest(likelihoods, looked_at):
            text = b"" if token in control else text_after((*generated, token)).strip()
            if not seen:
                if not text and token not in control:
                    return None  # Not yet: all go on with these blanks.
                seen.add(text)
            elif text and text not in seen and likelihoods[token] > -np.inf:
                seen.add(text)
                if len(seen) == rank + 1:
                    return token
        return end

    return branch


def _likeliest(likelihoods: Numbers, count: int) -> list[int]:
    """Return so many tokens, the likeliest first, of equally likely ones the first."""
    top = np.argpartition(-likelihoods, count - 1)[:count]
    return top[np.lexsort((top, -likelihoods[top]))].tolist()
