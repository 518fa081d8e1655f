"""The engine that runs a Llama checkpoint in this process."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
import torch

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import (
    Effort,
    EngineChanged,
    EngineError,
    Generation,
    GenerationRequest,
    Prompt,
    Token,
)
from dsc_lsp.engine.branching import branch_of
from dsc_lsp.engine.choice import Adjustment, Branch, Numbers, log_likelihoods
from dsc_lsp.engine.decode import Decoding, chosen, generate, score
from dsc_lsp.engine.devices import is_out_of_memory
from dsc_lsp.engine.draft_model import DraftModel
from dsc_lsp.engine.drafts import Drafting, Thrift, guesses
from dsc_lsp.engine.graphs import GraphSteps
from dsc_lsp.engine.healing import (
    Healed,
    HealedContinuations,
    Vocabulary,
    beginning_with,
    healed,
    without_bytes,
)
from dsc_lsp.engine.interpolation import Evidence, evidence_of, interpolation, mixture_of
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import Llama
from dsc_lsp.engine.numpy_steps import NumPySteps
from dsc_lsp.engine.room import Room, give_back
from dsc_lsp.engine.steps import EagerSteps, Rows
from dsc_lsp.engine.tokens import CheckpointTokenizer
from dsc_lsp.lookup import Continuations
from dsc_lsp.models import ModelFamily


class LocalEngine:
    """A checkpoint in memory with the keys and values of the last prompt; engine thread only."""

    def __init__(
        self,
        *,
        name: str,
        family: ModelFamily,
        tokenizer: CheckpointTokenizer,
        model: Llama,
        context_tokens: int,
        quantization: str = "none",
        draft_model: DraftModel | None = None,
        note: str = "",
    ) -> None:
        self.name = name
        self.family = family
        self.drafts = True
        """Whether guesses are checked: answers are the same without, to measure what they gain."""
        self.tokenizer = tokenizer
        self._model = model
        self._note = note
        self._draft_model = draft_model
        share = 0.0 if draft_model is None else draft_model.weight_bytes / model.weight_bytes
        self._thrift = Thrift(share)
        self._read_last: tuple[int, ...] = ()
        self._said_last = list[int]()
        self._stop = frozenset(tokenizer.control(token) for token in family.stop)
        self._room = Room(model, context_tokens, quantization)

    @property
    def context_tokens(self) -> int:
        """How many tokens fit, prompt and answer together: fewer once memory has run out."""
        return self._room.tokens

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self._model.device

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that each token reads: all but the input embeddings, if apart."""
        steps = self._room.steps
        return steps.weight_bytes if isinstance(steps, NumPySteps) else self._model.weight_bytes

    @property
    def bytes_per_position(self) -> int:
        """The bytes of keys and values that a token in the context has."""
        return self._model.config.kv_numbers_per_token * self._model.dtype.itemsize

    @property
    def token_ms(self) -> dict[str, float]:
        """The milliseconds of a token with either attention, timed when graphs were captured."""
        steps = self._room.steps
        return steps.token_ms if isinstance(steps, GraphSteps) else {}

    def announce_to(self, tell: Callable[[str], None]) -> None:
        """Tell the user when memory has run out and fewer tokens are used, and of ``note``."""
        if self._note:
            tell(self._note)
        self._room.announce_to(tell)

    def generate(self, request: GenerationRequest, cancel: CancelToken) -> Generation:
        """Start a greedy generation that reads only what differs from the last prompt.

        Raises:
            EngineError: the prompt leaves no room for an answer, or memory has run out.
        """
        heal = healed(request.prompt, self.family, self.tokenizer.bytes_of)
        heal = heal if request.heal else Healed(request.prompt.ids, b"", 0)
        ids = heal.ids
        room = self.context_tokens - len(ids)
        if not ids or room < 1:
            raise EngineError(
                f"The prompt has {len(ids)} tokens and the context {self.context_tokens}."
                " Raise `dsc.contextTokens`."
            )
        reused = min(self._room.cache.common_prefix(ids), len(ids) - 1)
        self._room.cache.crop(reused)
        if heal.begins_with and request.continuations is not None:
            word = heal.begins_with.decode("utf-8", "replace")
            followed = HealedContinuations(request.continuations, word)
            request = dataclasses.replace(request, continuations=followed)
        adjustments = (*self._adjustments(request), *self._held_to(heal.begins_with))
        branch = self._branch(request.rank, len(heal.begins_with))

        def choose(rows: Rows, generated: Sequence[int]) -> int:
            return chosen(rows, 0, generated, adjustments, branch)[0]

        decoding = Decoding(
            min(request.max_new_tokens + heal.tokens, room),
            self._stop,
            adjustments,
            branch,
            self._drafting(ids, request.continuations, choose, cancel),
        )
        effort = Effort()
        tokens = without_bytes(self._tokens(ids, decoding, cancel, effort), len(heal.begins_with))
        return Generation(len(ids), reused, tokens, effort)

    def log_likelihood(self, prompt: Prompt, answer: tuple[int, ...]) -> float:
        """Return the natural log likelihood of the answer's token ids after a prompt.

        The answer may be longer than the context leaves room for, not than the model's positions.
        """
        ids = prompt.ids
        cache = _cache_for(self._model, len(ids) + len(answer))
        return score(EagerSteps(self._model, cache), ids, answer)

    def forget(self) -> None:
        """Drop the keys and values of the last prompt."""
        self._room.cache.crop(0)

    def close(self) -> None:
        """Give the memory of weights, keys and values back; the engine is of no use after."""
        device = self._model.device
        del self._model, self._room, self._draft_model
        give_back(device)

    def observe(self, request: GenerationRequest, answer: Sequence[int]) -> list[Evidence | None]:
        """Return what repository and model know about each token of an answer: for fitting."""
        assert request.continuations is not None, "there is something to be observed"
        continuations, seen = request.continuations, list[Evidence | None]()

        def look(row: Numbers, generated: Sequence[int]) -> Numbers:
            gold = answer[len(generated)]
            likelihoods = log_likelihoods(row)
            seen.append(evidence_of(likelihoods, generated, continuations, self.tokenizer, gold))
            forced = np.full_like(row, -math.inf)
            forced[gold] = 0
            return forced

        self._room.cache.crop(
            min(self._room.cache.common_prefix(request.prompt.ids), len(request.prompt.ids) - 1)
        )
        decoding = Decoding(len(answer), (), (look,))
        for _ in generate(self._room.steps, request.prompt.ids, decoding, CancelToken(), Effort()):
            pass
        return seen

    def _adjustments(self, request: GenerationRequest) -> tuple[Adjustment, ...]:
        """Return what has a say in the choice of each token of a request, in order."""
        mixture = mixture_of(self.family.name)
        if self.family.lookup_margin is None or mixture is None or request.continuations is None:
            return ()
        return (interpolation(request.continuations, self.tokenizer, mixture),)

    def _drafting(
        self,
        ids: Sequence[int],
        continuations: Continuations | None,
        choose: Callable[[Rows, Sequence[int]], int],
        cancel: CancelToken,
    ) -> Drafting | None:
        """Return who guesses; what was suggested last and not taken may come again."""
        if not self.drafts:
            return None
        read, again = (*self._said_last, *ids), self._said_again(ids)
        guess = guesses(read, continuations, self.tokenizer, again)
        model = self._draft_model
        if model is None or not model.is_there:
            return Drafting(guess, self._thrift)

        def of_model(generated: Sequence[int], most: int) -> Sequence[int]:
            def after(rows: Rows, said: Sequence[int]) -> int:
                return choose(rows, (*generated, *said))

            return model.guess((*ids, *generated), most, after, cancel)

        return Drafting(guess, self._thrift, of_model)

    def _said_again(self, ids: Sequence[int]) -> Sequence[int]:
        """Return the last answer behind what of it has been typed since; empty if none has."""
        read, said = self._read_last, self._said_last
        typed = ids[len(read) :]
        if tuple(ids[: len(read)]) != read or said[: len(typed)] != list(typed):
            return ()
        return said[len(typed) :]

    def _held_to(self, begins_with: bytes) -> tuple[Adjustment, ...]:
        if not begins_with:
            return ()
        return (beginning_with(begins_with, self._vocabulary, self.tokenizer.bytes_of),)

    def _branch(self, rank: int, healed_bytes: int) -> Branch | None:
        if not rank:
            return None

        def text_after(generated: Sequence[int]) -> bytes:
            return b"".join(map(self.tokenizer.bytes_of, generated))[healed_bytes:]

        end = self.tokenizer.control(self.family.stop[0])
        return branch_of(rank, text_after, control=self.tokenizer.control_ids, end=end)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        tokens = [self.tokenizer.bytes_of(token) for token in range(self.tokenizer.size)]
        return Vocabulary(tokens, self.tokenizer.control_ids)

    def _tokens(
        self, ids: tuple[int, ...], decoding: Decoding, cancel: CancelToken, effort: Effort
    ) -> Iterator[Token]:
        said = self._said_last = list[int]()
        self._read_last = ids
        try:
            for token, logprob in generate(self._room.steps, ids, decoding, cancel, effort):
                said.append(token)
                yield Token(token, self.tokenizer.bytes_of(token), logprob)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            return
        if self._draft_model is not None and self._draft_model.is_there:
            self._draft_model.leave()  # Answers need it less than they need context.
        else:
            self._room.shrink()
        if not said:
            raise EngineChanged
        raise EngineError(
            "The device ran out of memory in the middle of a suggestion. The next one looks at"
            f" {self.context_tokens} tokens: lower `dsc.contextTokens`, or close other programs"
            " that use it."
        )


def _cache_for(model: Llama, capacity: int) -> KVCache:
    return KVCache(model.config, capacity, device=model.device, dtype=model.dtype)
