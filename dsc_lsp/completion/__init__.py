"""The path from a cursor to a suggestion, on one page.

Everything here is synchronous and works on frozen values. The server runs it on the engine's
thread; the command line, the benchmark and the tests call it directly.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from dsc_lsp import postprocess, syntax
from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion.copied import copied, instead
from dsc_lsp.completion.terms import context_at, most_new_tokens, prompt_at, terms_at
from dsc_lsp.completion.written import Completion, Stages, Wanted, Written, nothing, since
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine.base import (
    Engine,
    EngineChanged,
    Generation,
    GenerationRequest,
    Prompt,
    Token,
)
from dsc_lsp.models import ModelFamily
from dsc_lsp.prompt import Prompts
from dsc_lsp.repository import Repository
from dsc_lsp.repository.secrets import redacted
from dsc_lsp.settings import Settings
from dsc_lsp.shortening import shortened
from dsc_lsp.withheld import Withheld

__all__ = [
    "Completion",
    "Progress",
    "anchor_anew",
    "complete",
    "context_at",
    "extent_of",
    "least_confidence",
    "nothing",
    "prompt_at",
    "terms_at",
    "warm_up",
]


@dataclass(slots=True)
class Progress:
    """What a completion under way has come to: set on the engine's thread, read on any.

    ``text`` is all that the model has written, ``part`` the longest beginning of it that is a
    suggestion by itself: whole lines that leave nothing open.
    """

    text: str = ""
    part: Completion | None = None


def complete(
    cursor: Cursor,
    repository: Repository,
    settings: Settings,
    engine: Engine,
    cancel: CancelToken,
    *,
    prompts: Prompts | None = None,
    withheld: Withheld | None = None,
    after_acceptance: bool = False,
    progress: Progress | None = None,
    rank: int = 0,
) -> Completion:
    """Return the suggestion at a cursor; nothing where secrets are or the user wants none.

    ``prompts`` made the engine's last prompt, so that this one is like it. ``withheld`` is what
    was written last and not shown: where that is typed along, the engine need not be asked.
    ``after_acceptance`` says that a suggestion that ends at the cursor has just been accepted.
    ``progress`` is kept up with what the model has written, token by token.
    ``rank`` asks for an alternative that begins otherwise (``GenerationRequest.rank``).

    Raises:
        Cancelled: somebody called ``cancel``; noticed at the next token.
        EngineError: the engine failed; the message is for the user.
    """
    shown = _shown(cursor)
    if shown is None:
        return nothing("A file or line that looks like a secret is never shown to the model.")
    if not settings.comments and syntax.in_comment(shown):
        return nothing("In comments suggestions are switched off (dsc.comments).")
    while True:
        with suppress(EngineChanged):
            return _complete(
                shown,
                repository,
                settings,
                engine,
                cancel,
                prompts=prompts or Prompts(),
                withheld=withheld or Withheld(),
                after_acceptance=after_acceptance,
                progress=progress or Progress(),
                rank=rank,
            )
        cancel.check()


def _complete(
    cursor: Cursor,
    repository: Repository,
    settings: Settings,
    engine: Engine,
    cancel: CancelToken,
    *,
    prompts: Prompts,
    withheld: Withheld,
    after_acceptance: bool,
    progress: Progress,
    rank: int,
) -> Completion:
    start = time.perf_counter()
    extent = extent_of(cursor, settings, after_acceptance=after_acceptance)
    syntax_ms = since(start)
    cancel.check()
    begins = not prompts.is_anchored(cursor)
    terms = terms_at(cursor, settings, engine, repository, anew=begins)
    context_ms = since(start)
    words = prompts.at(cursor, terms)
    stages = Stages(start, syntax_ms, context_ms, prompt_ms=since(start))
    cancel.check()
    most, least = most_new_tokens(settings, engine), least_confidence(settings, engine.family)
    wanted = Wanted(cursor, extent, most, least, stages)
    continuations = repository.continuations(cursor)

    def of_model(wanted: Wanted) -> Completion:
        heal = engine.family.heals and _in_word(cursor)
        request = GenerationRequest(words, most, continuations, heal=heal, rank=rank)
        return _of_model(wanted, request, engine, cancel, withheld=withheld, progress=progress)

    margin = engine.family.lookup_margin
    other = None if margin is None or rank else copied(wanted, continuations, cancel)
    if margin is not None and rank:
        rank -= 1  # The likeliest beginning is an alternative, too, to what was copied.
    if margin is None or other is None:
        return of_model(wanted)
    progress.part = replace(other, is_part=True)
    least = max(least, margin * (other.confidence or 0.0))
    if least >= 1:
        return other
    result = of_model(replace(wanted, least_confidence=least))
    return result if result.text else instead(result, other)


def _of_model(
    wanted: Wanted,
    request: GenerationRequest,
    engine: Engine,
    cancel: CancelToken,
    *,
    withheld: Withheld,
    progress: Progress,
) -> Completion:
    known = (
        withheld.rest_at(engine.name, request.prompt) if request.heal and not request.rank else ()
    )
    again = _nothing_again(wanted, request.prompt, known)
    if again is not None:
        return again
    written = Written(wanted, engine.generate(request, cancel))
    for _ in written.grow():
        cancel.check()
        progress.text = written.text
        if not written.is_over:
            progress.part = written.part() or progress.part
    result = written.completion()
    if not request.rank:
        withheld.remember(engine.name, request.prompt, () if result.text else written.tokens)
    return result


def _nothing_again(wanted: Wanted, prompt: Prompt, known: Sequence[Token]) -> Completion | None:
    """Return the completion without a text if tokens that are known come to nothing, else none."""
    tokens = len(prompt.ids)  # all known: the engine is not asked
    written = Written(wanted, Generation(tokens, tokens, iter(known)))
    for _ in written.grow():
        pass
    result = written.completion() if written.is_over else None
    return None if result is None or result.text else result


def anchor_anew(
    cursor: Cursor,
    repository: Repository,
    settings: Settings,
    engine: Engine,
    cancel: CancelToken,
    *,
    prompts: Prompts,
) -> None:
    """Anchor the prompt at a cursor, and have the engine read it, so that the next key is cheap.

    Raises:
        Cancelled: somebody called ``cancel``; what has been read by then stays of use.
        EngineError: the engine failed.
    """
    shown = _shown(cursor)
    if shown is None:
        return
    before = prompts.at(shown, terms_at(shown, settings, engine, repository, anew=False))
    words = prompts.anew(shown, terms_at(shown, settings, engine, repository))
    if words == before:
        return
    with suppress(EngineChanged):
        next(engine.generate(GenerationRequest(words, 1), cancel).tokens, None)


def warm_up(
    document: Document,
    repository: Repository,
    settings: Settings,
    engine: Engine,
    cancel: CancelToken,
) -> None:
    """Do at leisure what only the first suggestion in a document costs, but for the model.

    That is imports, the grammar, and a look for secrets at each line: 0.2 s for 10,000 lines.

    Raises:
        Cancelled: somebody called ``cancel``.
    """
    cursor = _shown(Cursor(document, Position(0, 0)))
    if cursor is None:
        return
    cancel.check()
    extent_of(cursor, settings)
    prompt_at(cursor, settings, engine, repository)
    cancel.check()
    repository.continuations(cursor).after("")


def extent_of(
    cursor: Cursor, settings: Settings, *, after_acceptance: bool = False
) -> postprocess.Extent:
    """Return how far a suggestion at a cursor may go."""
    return postprocess.extent_at(
        cursor,
        syntax.opened_block(cursor),
        settings.max_lines,
        multiline=settings.multiline,
        in_text=syntax.code_before(cursor) is None,
        after_acceptance=after_acceptance,
    )


def least_confidence(settings: Settings, family: ModelFamily) -> float:
    """Return how sure a suggestion must be to be shown: the user's word, else the model's own."""
    return family.min_confidence if settings.min_confidence < 0 else settings.min_confidence


def _shown(cursor: Cursor) -> Cursor | None:
    """Return the cursor in what may be shown of its document; ``None`` if nothing may."""
    without_secrets = redacted(cursor)
    return None if without_secrets is None else shortened(without_secrets)


def _in_word(cursor: Cursor) -> bool:
    last = cursor.line_before[-1:]
    return last.isalnum() or last == "_"
