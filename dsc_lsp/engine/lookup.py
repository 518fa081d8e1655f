"""The engine without a model: it says what the repository says, lexeme by lexeme.

It answers while a model loads and where there is none.
"""

import math
from collections.abc import Iterator, Sequence

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import Generation, GenerationRequest, Token
from dsc_lsp.lookup import Continuation
from dsc_lsp.models import LOOKUP

NAME = "lookup"
"""What the setting ``dsc.model`` calls it."""

_NO_ID = -1
_LEAST_LIKELY = 0.02
_LEAST_MATCHED = 3
"""Fewer code points before the cursor agree everywhere, and what follows them means nothing."""


class BytesTokenizer:
    """The tokenizer of an engine that reads no prompt: an id for each byte."""

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the UTF-8 bytes of a text."""
        return tuple(text.encode("utf-8", "replace"))

    def control(self, name: str) -> int:
        """Return an id beyond those of bytes."""
        return 0x100 + LOOKUP.control_tokens.index(name)


class LookupEngine:
    """Continues with the likeliest lexeme that followed elsewhere; ready at once."""

    name = NAME
    family = LOOKUP
    context_tokens = 4_096

    def __init__(self) -> None:
        self.tokenizer = BytesTokenizer()

    def generate(self, request: GenerationRequest, cancel: CancelToken) -> Generation:
        """Start to say what ``request.continuations`` knows; the prompt is not read.

        Ends where next to nothing agrees or no lexeme is likely.
        """
        return Generation(prompt_tokens=0, reused_tokens=0, tokens=_tokens(request, cancel))

    def close(self) -> None:
        """Hold nothing, so give nothing back."""


def _tokens(request: GenerationRequest, cancel: CancelToken) -> Iterator[Token]:
    if request.continuations is None:
        return
    said, rank = "", request.rank
    for _ in range(request.max_new_tokens):
        cancel.check()
        found = request.continuations.after(said)
        if not found or found[0].matched < _LEAST_MATCHED:
            return
        chosen = _chosen(found, rank)
        if chosen is None:
            return
        lexeme, likelihood = chosen
        if likelihood < _LEAST_LIKELY:
            return
        if lexeme.strip():
            rank = 0  # It has begun in its own way, and goes on as is likeliest.
        said += lexeme
        yield Token(_NO_ID, lexeme.encode(), math.log(likelihood))


def _chosen(found: Sequence[Continuation], rank: int) -> tuple[str, float] | None:
    """Return the ``rank + 1``-th lexeme with its likelihood, the first where that is blank."""
    first = found[0].lexeme
    if not rank or not first.strip():
        return first, min(1.0, sum(one.weight for one in found if _alike(one.lexeme, first)))
    likelihoods = dict[str, float]()
    for one in found:
        if one.lexeme.strip():
            likelihoods[one.lexeme] = likelihoods.get(one.lexeme, 0.0) + one.weight
    del likelihoods[first]  # That is rank 0, however likely the others are.
    others = sorted(likelihoods.items(), key=lambda item: -item[1])
    if rank > len(others):
        return None
    lexeme, likelihood = others[rank - 1]
    return lexeme, min(1.0, likelihood)


def _alike(one: str, other: str) -> bool:
    """Whether two lexemes are the same, or line breaks with whatever indentation."""
    return one == other or (one[0] == other[0] == "\n")
