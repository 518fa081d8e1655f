"""What an engine is: prompts of token ids in, tokens out, one at a time.

Every engine (local, remote, lookup, scripted in tests) stands behind ``Engine``, so the pipeline
never knows which one answers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol, runtime_checkable

from dsc_lsp.cancel import CancelToken
from dsc_lsp.lookup import Continuations
from dsc_lsp.models import ModelFamily


class EngineError(Exception):
    """The engine cannot answer; the message is written for the user and names the remedy."""


class EngineNotReady(EngineError):
    """The model is still being loaded; asking again later will be answered."""


class EngineChanged(Exception):
    """Another model answers from now on: the prompt must be made again, in its words."""


@dataclass(frozen=True, slots=True)
class PromptPart:
    """A piece of a prompt: user text, or one control token (then ``control`` is true)."""

    ids: tuple[int, ...]
    text: str
    control: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads, as parts, so that user text can never be taken for control tokens."""

    parts: tuple[PromptPart, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The token ids of all parts in order."""
        return tuple(chain.from_iterable(part.ids for part in self.parts))


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One generation: at most ``max_new_tokens`` after ``prompt``.

    Each token is the likeliest one, but where the first visible text stands it is the
    ``rank + 1``-th likeliest of those that differ in it: 0 is the answer, 1 and more are its
    alternatives, each less likely to begin with. Where there are not so many the generation is
    empty.

    ``continuations`` is what the repository would say, for drafts and for a small model's
    distribution.
    ``heal`` says that the text before the cursor ends within a word, which the model had better
    write itself from its beginning (it is not among the tokens returned).
    An engine that has no use for these two does without.
    """

    prompt: Prompt
    max_new_tokens: int
    continuations: Continuations | None = None
    heal: bool = False
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token: its bytes (not always whole characters) and natural log likelihood.

    The likelihood is ``None`` where the engine is not told it.
    """

    id: int
    data: bytes
    logprob: float | None


@dataclass(slots=True)
class Effort:
    """What a generation has cost so far; the engine counts on while its tokens are taken.

    ``steps`` runs of the model, after the prompt was read, took ``decode_ms`` and gave
    ``written`` tokens, those of a healed word included. ``drafted`` tokens were guessed and
    checked, in these runs or in the one that read the prompt's end; ``accepted`` of them were
    right.
    """

    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    steps: int = 0
    written: int = 0
    drafted: int = 0
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation under way; nothing is computed before ``tokens`` is iterated.

    ``tokens`` ends without the control token that stopped the model.
    """

    prompt_tokens: int
    reused_tokens: int
    tokens: Iterator[Token]
    effort: Effort = field(default_factory=Effort)


class Tokenizer(Protocol):
    """Text to token ids, in which no text can become a control token."""

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of user text; control tokens written in it are ordinary text."""
        ...

    def control(self, name: str) -> int:
        """Return the id of a control token of the family."""
        ...


class Engine(Protocol):
    """A model that is ready; blocking, to be used by one thread at a time."""

    @property
    def name(self) -> str:
        """What users call the model."""
        ...

    @property
    def family(self) -> ModelFamily:
        """The words in which the model was trained."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that prompts are made with."""
        ...

    @property
    def context_tokens(self) -> int:
        """How many tokens fit, prompt and answer together."""
        ...

    def generate(self, request: GenerationRequest, cancel: CancelToken) -> Generation:
        """Start a generation.

        Iterating it raises ``Cancelled`` at the next token after ``cancel`` and
        ``EngineError`` where the engine fails. ``EngineChanged`` may be raised here and before
        the first token.
        """
        ...

    def close(self) -> None:
        """Give back what the engine holds: memory, connections."""
        ...


@runtime_checkable
class Announcer(Protocol):
    """An engine that may begin to answer in another way, which users should hear of once."""

    def announce_to(self, tell: Callable[[str], None]) -> None:
        """Call ``tell`` from now on, on the engine's thread, with words for the user."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """An engine that can say how likely a given answer is: for measurements."""

    def log_likelihood(self, prompt: Prompt, answer: tuple[int, ...]) -> float:
        """Return the natural log likelihood of the answer's token ids after a prompt."""
        ...
