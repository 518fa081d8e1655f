"""What the repository says by itself, beside a model so small that it is often right instead."""

import time
from dataclasses import replace

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion.written import Completion, Wanted, Written
from dsc_lsp.engine.base import GenerationRequest, Prompt
from dsc_lsp.engine.lookup import LookupEngine
from dsc_lsp.lookup import LEAST_BYTES, Continuations

_SECONDS = 0.025
"""Of processor time, after which the model is asked: about what its own answer takes."""


def copied(wanted: Wanted, continuations: Continuations, cancel: CancelToken) -> Completion | None:
    """Return the lookup's own suggestion; ``None`` where it has none or too little is known.

    What takes long is cut as at the deadline of a key: to whole lines that leave nothing open.
    """
    if continuations.size < LEAST_BYTES:
        return None
    end = time.thread_time() + _SECONDS
    request = GenerationRequest(Prompt(()), wanted.most_tokens, continuations)
    written = Written(wanted, LookupEngine().generate(request, cancel))
    for _ in written.grow():
        if time.thread_time() > end and not written.is_over:
            part = written.longest_part()
            return None if part is None or not part.text else replace(part, is_part=False)
    found = written.completion()
    return found if found.text else None


def instead(model: Completion, other: Completion) -> Completion:
    """Return another's word instead of a model's, with what both have cost."""
    return replace(
        model,
        text=other.text,
        raw=other.raw,
        changed=other.changed,
        withheld="",
        confidence=other.confidence,
    )
