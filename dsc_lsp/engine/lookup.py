"""The engine without a model: it says what the repository says, lexeme by lexeme.

It answers while a model loads and where there is none.
"""

import math
from collections.abc import Iterator

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import Generation, GenerationRequest, Token
from dsc_lsp.lookup import Continuations
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
        tokens = _tokens(request.continuations, request.max_new_tokens, cancel)
        return Generation(prompt_tokens=0, reused_tokens=0, tokens=tokens)

    def close(self) -> None:
        """Hold nothing, so give nothing back."""


def _tokens(
    continuations: Continuations | None, max_new_tokens: int, cancel: CancelToken
) -> Iterator[Token]:
    if continuations is None:
        return
    said = ""
    for _ in range(max_new_tokens):
        cancel.check()
        found = continuations.after(said)
        if not found or found[0].matched < _LEAST_MATCHED:
            return
        lexeme = found[0].lexeme
        likelihood = min(1.0, sum(one.weight for one in found if _alike(one.lexeme, lexeme)))
        if likelihood < _LEAST_LIKELY:
            return
        said += lexeme
        yield Token(_NO_ID, lexeme.encode(), math.log(likelihood))


def _alike(one: str, other: str) -> bool:
    """Whether two lexemes are the same, or line breaks with whatever indentation."""
    return one == other or (one[0] == other[0] == "\n")
