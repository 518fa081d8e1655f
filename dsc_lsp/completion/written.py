"""What the model has written, token by token, and the completion that comes of it."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from dsc_lsp import postprocess
from dsc_lsp.document import Cursor
from dsc_lsp.engine.base import Effort, Generation, Token
from dsc_lsp.engine.tokens import text_decoder

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


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
    raw: str = ""
    changed: tuple[str, ...] = ()
    withheld: str = ""
    confidence: float | None = 0.0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    new_tokens: int = 0
    syntax_ms: float = 0.0
    context_ms: float = 0.0
    prompt_ms: float = 0.0
    first_token_ms: float = 0.0
    post_ms: float = 0.0
    total_ms: float = 0.0
    effort: Effort = field(default_factory=Effort)
    is_part: bool = False


@dataclass(frozen=True, slots=True)
class Stages:
    """When ``complete`` was called, and after how many ms each stage before the model ended."""

    start: float
    syntax_ms: float
    context_ms: float
    prompt_ms: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where something is to be written, how far it may go, and how sure of it one must be.

    ``most_tokens`` is how many the model may write, ``least_confidence`` what is shown at all.
    """

    cursor: Cursor
    extent: postprocess.Extent
    most_tokens: int
    least_confidence: float
    stages: Stages


@dataclass(slots=True)
class Written:
    """What the model has written so far, and what that has cost; grows token by token.

    ``is_over`` says that nothing of what would come next can be of use.
    """

    wanted: Wanted
    generation: Generation
    text: str = ""
    tokens: list[Token] = field(default_factory=list[Token])
    is_over: bool = False
    _first_line: list[float | None] = field(default_factory=list[float | None])
    _lines: int = 0
    _first_token_ms: float = 0.0
    _post_ms: float = 0.0
    _decode: Callable[[bytes], str] = field(default_factory=text_decoder)

    def grow(self) -> Iterator[None]:
        """Take token after token, until nothing of what would come next can be of use."""
        for token in self.generation.tokens:
            self._add(token)
            yield
            if self.is_over:
                return

    def _add(self, token: Token) -> None:
        if not self.tokens:
            self._first_token_ms = since(self.wanted.stages.start)
        self.tokens.append(token)
        if "\n" not in self.text.lstrip():
            self._first_line.append(token.logprob)
        self.text += self._decode(token.data)
        self.is_over = (
            self._timed(postprocess.is_over, self.text, self.wanted.extent) or self._is_hopeless()
        )

    def part(self) -> Completion | None:
        """Return what is complete, if a line has ended and nothing is open behind it."""
        lines = self.text.count("\n")
        if lines == self._lines:
            return None
        self._lines = lines
        return self._part_of(self.text)

    def longest_part(self) -> Completion | None:
        """Return the longest beginning that is complete; none where each leaves something open."""
        text = self.text
        while "\n" in text:
            part = self._part_of(text)
            if part is not None:
                return part
            text = text.rpartition("\n")[0]
        return None

    def completion(self) -> Completion:
        """Return what is worth inserting of all that was written."""
        # Who was neither stopped nor out of tokens has ended the text.
        is_ended = not self.is_over and len(self.tokens) < self.wanted.most_tokens
        return self._completion(self.text, is_ended=is_ended, is_part=False)

    def _part_of(self, text: str) -> Completion | None:
        """Return the lines of a text that have ended, if nothing is open behind them."""
        wanted = self.wanted
        if not self._timed(postprocess.is_whole, text, wanted.extent, wanted.cursor):
            return None
        return self._completion(text, is_ended=False, is_part=True)

    def _completion(self, text: str, *, is_ended: bool, is_part: bool) -> Completion:
        wanted, stages = self.wanted, self.wanted.stages
        confidence = _likelihood(self._first_line) if self.tokens else 0.0
        withheld = _why_unsure(text, confidence, wanted.least_confidence)
        kept = postprocess.Cleaned("", ())
        if not withheld:
            kept = self._timed(
                postprocess.clean, text, wanted.extent, wanted.cursor, finished=is_ended
            )
            withheld = _why_nothing(text, kept)
        return Completion(
            text=kept.text,
            raw=self.text,
            changed=kept.changed,
            withheld=withheld,
            confidence=confidence,
            prompt_tokens=self.generation.prompt_tokens,
            reused_tokens=self.generation.reused_tokens,
            new_tokens=len(self.tokens),
            syntax_ms=stages.syntax_ms,
            context_ms=stages.context_ms,
            prompt_ms=stages.prompt_ms,
            first_token_ms=self._first_token_ms,
            post_ms=self._post_ms,
            total_ms=since(stages.start),
            effort=self.generation.effort,
            is_part=is_part,
        )

    def _is_hopeless(self) -> bool:
        """Whether nothing will be shown: each token of the first line makes it less likely."""
        likelihood = _likelihood(self._first_line)
        return likelihood is not None and likelihood < self.wanted.least_confidence

    def _timed(
        self, step: Callable[_Given, _Answer], *args: _Given.args, **kwargs: _Given.kwargs
    ) -> _Answer:
        """Return what a step of post-processing gives, and count its time."""
        began = time.perf_counter()
        answer = step(*args, **kwargs)
        self._post_ms += since(began)
        return answer


def nothing(withheld: str, *, is_part: bool = False) -> Completion:
    """Return a completion without a text, and say for the user why."""
    return Completion("", withheld=withheld, is_part=is_part)


def since(start: float) -> float:
    """Return how many milliseconds ago that was, by ``time.perf_counter``."""
    return (time.perf_counter() - start) * 1000


def _why_unsure(raw: str, confidence: float | None, least: float) -> str:
    """Return why nothing may be suggested, however good it looks; empty if something may."""
    if not raw or confidence is None or confidence >= least:
        return ""
    return (
        f"The model was not sure enough: {confidence:.2f} or less, and `dsc.minConfidence` is"
        f" {least:.2f}."
    )


def _why_nothing(raw: str, kept: postprocess.Cleaned) -> str:
    """Return why nothing is suggested; empty if something is."""
    if not raw.strip():
        return "The model had nothing to say here."
    if not kept.text:
        return f"Nothing was left of what the model wrote (rule: {kept.changed[-1]})."
    return ""


def _likelihood(logprobs: Sequence[float | None]) -> float | None:
    """Return how likely tokens are together; ``None`` if that of one is not known."""
    known = [logprob for logprob in logprobs if logprob is not None]
    return math.exp(math.fsum(known)) if len(known) == len(logprobs) else None
