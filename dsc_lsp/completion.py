"""The path from a cursor to a suggestion, on one page.

Everything here is synchronous and works on frozen values. The server runs it on the engine's
thread; the command line, the benchmark and the tests call it directly.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dsc_lsp import context, postprocess, prompt, syntax
from dsc_lsp.cancel import CancelToken
from dsc_lsp.context import Context
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine.base import (
    Effort,
    Engine,
    EngineChanged,
    Generation,
    GenerationRequest,
    Prompt,
    PromptPart,
    Token,
    Tokenizer,
)
from dsc_lsp.engine.tokens import text_decoder
from dsc_lsp.models import ModelFamily
from dsc_lsp.prompt import Prompts, Terms
from dsc_lsp.repository import Repository
from dsc_lsp.repository.plan import Plan
from dsc_lsp.repository.secrets import redacted
from dsc_lsp.settings import Settings
from dsc_lsp.shortening import shortened
from dsc_lsp.withheld import Withheld

_LEAST_CONTEXT_TOKENS = 32
_NO_CONTEXT = Context("", ())


@dataclass(frozen=True, slots=True)
class Completion:
    """A suggestion to insert at the cursor, and what it cost.

    ``text`` has the document's line endings and is empty where there is nothing to say.
    ``raw`` is what the model wrote, with ``\\n`` line breaks, and ``changed`` the steps of
    post-processing that changed it; ``withheld`` says for the user why ``text`` is empty.
    ``confidence`` is the likelihood, from 0 to 1, of the first line with its end; ``None`` where
    a server does not tell likelihoods, and then ``minConfidence`` withholds nothing. Where it
    falls below ``minConfidence`` the model is not asked further: it is then what it was there.
    ``is_part`` says that the model was still writing: the text is what was complete by then.
    Times are milliseconds: ``syntax_ms``, ``context_ms``, ``prompt_ms``, ``first_token_ms`` and
    ``total_ms`` from the call of ``complete``, ``effort``'s and ``post_ms`` (finding the end,
    cleaning up) each by itself.
    """

    text: str
    raw: str
    changed: tuple[str, ...]
    withheld: str
    confidence: float | None
    prompt_tokens: int
    reused_tokens: int
    new_tokens: int
    syntax_ms: float
    context_ms: float
    prompt_ms: float
    first_token_ms: float
    post_ms: float
    total_ms: float
    effort: Effort
    is_part: bool = False


@dataclass(slots=True)
class Progress:
    """What a completion under way has come to: set on the engine's thread, read on any.

    ``text`` is all that the model has written, ``part`` the longest beginning of it that is a
    suggestion by itself: whole lines that leave nothing open.
    """

    text: str = ""
    part: Completion | None = None


def nothing(withheld: str, *, is_part: bool = False) -> Completion:
    """Return a completion without a text, and say for the user why."""
    return Completion(
        text="",
        raw="",
        changed=(),
        withheld=withheld,
        confidence=0.0,
        prompt_tokens=0,
        reused_tokens=0,
        new_tokens=0,
        syntax_ms=0.0,
        context_ms=0.0,
        prompt_ms=0.0,
        first_token_ms=0.0,
        post_ms=0.0,
        total_ms=0.0,
        effort=Effort(),
        is_part=is_part,
    )


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
    syntax_ms = _since(start)
    cancel.check()
    begins = not prompts.is_anchored(cursor)
    terms = terms_at(cursor, settings, engine, repository, anew=begins)
    context_ms = _since(start)
    words = prompts.at(cursor, terms)
    prompt_ms = _since(start)
    cancel.check()
    stages = _Stages(start, syntax_ms, context_ms, prompt_ms)
    least = least_confidence(settings, engine.family)
    heal = engine.family.heals and _in_word(cursor)
    known = withheld.rest_at(engine.name, words) if heal and not rank else ()
    again = _nothing_again(known, _Written(cursor, least, extent, _told(words), stages))
    if again is not None:
        return again
    most = _most_new_tokens(settings, engine)
    request = GenerationRequest(
        words,
        most,
        repository.continuations(cursor),
        heal=heal,
        rank=rank,
    )
    generation = engine.generate(request, cancel)
    written = _Written(cursor, least, extent, generation, stages)
    is_over = False
    for token in generation.tokens:
        cancel.check()
        written.add(token)
        progress.text = written.text
        is_over = written.is_over() or written.is_hopeless()
        if is_over:
            break
        progress.part = written.part() or progress.part
    result = written.completion(finished=not is_over and written.tokens < most)
    if not rank:
        withheld.remember(engine.name, words, () if result.text else written.told)
    return result


def _nothing_again(known: Sequence[Token], written: "_Written") -> Completion | None:
    """Return the completion without a text if tokens that are known come to nothing, else none."""
    for token in known:
        written.add(token)
        if written.is_over() or written.is_hopeless():
            result = written.completion(finished=False)
            return None if result.text else result
    return None


def _told(prompt: Prompt) -> Generation:
    """Return a generation of an engine that is not asked: all of the prompt is known."""
    tokens = len(prompt.ids)
    return Generation(tokens, tokens, iter(()))


@dataclass(frozen=True, slots=True)
class _Stages:
    """When ``complete`` was called, and after how many ms each stage before the model ended."""

    start: float
    syntax_ms: float
    context_ms: float
    prompt_ms: float


@dataclass(slots=True)
class _Written:
    """What the model has written so far at a cursor, and what that has cost."""

    cursor: Cursor
    least: float
    extent: postprocess.Extent
    generation: Generation
    stages: _Stages
    text: str = ""
    told: list[Token] = field(default_factory=list[Token])
    first_line: list[float | None] = field(default_factory=list[float | None])
    first_token_ms: float = 0.0
    post_ms: float = 0.0
    decode: Callable[[bytes], str] = field(default_factory=text_decoder)
    lines: int = 0

    def add(self, token: Token) -> None:
        """Take note of the next token."""
        if not self.told:
            self.first_token_ms = _since(self.stages.start)
        self.told.append(token)
        if "\n" not in self.text.lstrip():
            self.first_line.append(token.logprob)
        self.text += self.decode(token.data)

    @property
    def tokens(self) -> int:
        """How many there are."""
        return len(self.told)

    def is_over(self) -> bool:
        """Whether nothing of what would come next can be of use."""
        began = time.perf_counter()
        is_over = postprocess.is_over(self.text, self.extent)
        self.post_ms += _since(began)
        return is_over

    def is_hopeless(self) -> bool:
        """Whether nothing will be shown: each token of the first line makes it less likely."""
        likelihood = _likelihood(self.first_line)
        return likelihood is not None and likelihood < self.least

    def part(self) -> Completion | None:
        """Return what is complete, if a line has ended and nothing is open behind it."""
        lines = self.text.count("\n")
        if lines == self.lines:
            return None
        self.lines = lines
        began = time.perf_counter()
        is_whole = postprocess.is_whole(self.text, self.extent, self.cursor)
        self.post_ms += _since(began)
        return self.completion(finished=False, is_part=True) if is_whole else None

    def completion(self, *, finished: bool, is_part: bool = False) -> Completion:
        """Return what is worth inserting; ``finished`` says that the model has ended the text."""
        began = time.perf_counter()
        kept = postprocess.clean(self.text, self.extent, self.cursor, finished=finished)
        self.post_ms += _since(began)
        confidence = _likelihood(self.first_line) if self.tokens else 0.0
        withheld = _why_nothing(self.text, kept, confidence, self.least)
        return Completion(
            text="" if withheld else kept.text,
            raw=self.text,
            changed=kept.changed,
            withheld=withheld,
            confidence=confidence,
            prompt_tokens=self.generation.prompt_tokens,
            reused_tokens=self.generation.reused_tokens,
            new_tokens=self.tokens,
            syntax_ms=self.stages.syntax_ms,
            context_ms=self.stages.context_ms,
            prompt_ms=self.stages.prompt_ms,
            first_token_ms=self.first_token_ms,
            post_ms=self.post_ms,
            total_ms=_since(self.stages.start),
            effort=self.generation.effort,
            is_part=is_part,
        )


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


def prompt_at(
    cursor: Cursor, settings: Settings, engine: Engine, repository: Repository | None = None
) -> Prompt:
    """Return what the engine is told at a cursor when nothing was typed there before."""
    return prompt.build_prompt(cursor, terms_at(cursor, settings, engine, repository))


def terms_at(
    cursor: Cursor,
    settings: Settings,
    engine: Engine,
    repository: Repository | None,
    *,
    anew: bool = True,
) -> Terms:
    """Return what besides the document decides on a prompt; of a repository what is planned.

    ``anew`` says that the prompt will not go on from the last one.
    """
    text = context_at(cursor, settings, engine, repository, anew=anew).text
    part = PromptPart(engine.tokenizer.encode(text) if text else (), text)
    return Terms(engine.family, engine.tokenizer, _prompt_tokens(settings, engine), part)


def context_at(
    cursor: Cursor,
    settings: Settings,
    engine: Engine,
    repository: Repository | None,
    *,
    anew: bool = True,
) -> Context:
    """Return what the engine is told of other files at a cursor."""
    family = engine.family
    room = min(_prompt_tokens(settings, engine), family.prompt_tokens)
    most = int(room * family.context_share)
    if repository is None or not settings.repository_context or most < _LEAST_CONTEXT_TOKENS:
        return _NO_CONTEXT
    fit = _Fit(most, family, engine.tokenizer)
    return repository.shown(cursor, fit, anew=anew) or _NO_CONTEXT


@dataclass(frozen=True)
class _Fit:
    """Makes the context of a plan, within some tokens; on any thread."""

    most: int
    family: ModelFamily
    tokenizer: Tokenizer

    def __call__(self, plan: Plan) -> Context:
        header = self.family.file_header
        return context.fitted(
            plan,
            self.most,
            lambda path: header.format(path=path),
            lambda text: len(self.tokenizer.encode(text)),
        )


def _shown(cursor: Cursor) -> Cursor | None:
    """Return the cursor in what may be shown of its document; ``None`` if nothing may."""
    without_secrets = redacted(cursor)
    return None if without_secrets is None else shortened(without_secrets)


def _prompt_tokens(settings: Settings, engine: Engine) -> int:
    return _context_tokens(settings, engine) - _most_new_tokens(settings, engine)


def _in_word(cursor: Cursor) -> bool:
    last = cursor.line_before[-1:]
    return last.isalnum() or last == "_"


def _why_nothing(
    raw: str, kept: postprocess.Cleaned, confidence: float | None, least: float
) -> str:
    """Return why nothing is suggested; empty if something is."""
    if raw and confidence is not None and confidence < least:
        # Before the other reasons: the model was not asked to the end.
        return (
            f"The model was not sure enough: {confidence:.2f} or less, and `dsc.minConfidence` is"
            f" {least:.2f}."
        )
    if not raw.strip():
        return "The model had nothing to say here."
    if not kept.text:
        return f"Nothing was left of what the model wrote (rule: {kept.changed[-1]})."
    return ""


def _likelihood(logprobs: Sequence[float | None]) -> float | None:
    """Return how likely tokens are together; ``None`` if that of one is not known."""
    known = [logprob for logprob in logprobs if logprob is not None]
    return math.exp(math.fsum(known)) if len(known) == len(logprobs) else None


def _context_tokens(settings: Settings, engine: Engine) -> int:
    return min(settings.context_tokens, engine.context_tokens)


def _most_new_tokens(settings: Settings, engine: Engine) -> int:
    """Return how long the answer may be: no longer than what is left to say it to."""
    return min(settings.max_new_tokens, _context_tokens(settings, engine) // 2)


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
