"""The engine that asks one server."""

import asyncio
import logging
import time
from collections.abc import Iterator
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, repeat

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import (
    Effort,
    EngineChanged,
    EngineError,
    Generation,
    GenerationRequest,
    Token,
    Tokenizer,
)
from dsc_lsp.engine.remote import faults
from dsc_lsp.engine.remote.beginnings import MOST_BLANKS, Beginning, beginnings
from dsc_lsp.engine.remote.characters import CharacterTokenizer
from dsc_lsp.engine.remote.circuit import LONGEST_WAIT_SECONDS, Circuit, waits
from dsc_lsp.engine.remote.connection import Connection
from dsc_lsp.engine.remote.dialects import MALFORMED, Ask, Chunk
from dsc_lsp.engine.remote.faults import RemoteError
from dsc_lsp.engine.remote.network import Network
from dsc_lsp.engine.remote.probe import NOT_THIS_WAY, Found, Manners, find, learn
from dsc_lsp.engine.remote.servers import Server
from dsc_lsp.engine.remote.vocabulary import find_tokenizer
from dsc_lsp.engine.remote.wording import as_text, as_tokens
from dsc_lsp.engine.tokens import CheckpointTokenizer
from dsc_lsp.models import DEEPSEEK_CODER_BASE, ModelFamily, family_of
from dsc_lsp.settings import Settings

_MOST_TRIES = 3
_LONGEST_WAIT_FOR_RETRY = 2.0
_ANSWERS_COMPARED = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """All that is known about a server and the model it serves.

    ``vocabulary`` is the model's tokenizer where we have it and the server counts as it does.
    """

    found: Found
    manners: Manners
    family: ModelFamily
    vocabulary: CheckpointTokenizer | None


class RemoteEngine:
    """One server behind the protocol of engines; engine thread only.

    What the server is, is looked at when it is first reached and again after each outage. The
    look happens on the network thread, and what it found is taken over when the next generation
    begins (``EngineChanged``), so that a prompt is made with one tokenizer from end to end.
    """

    def __init__(self, connection: Connection, network: Network, settings: Settings) -> None:
        self.place = connection.endpoint.place
        self.circuit = Circuit()
        self._seen_at = 0.0
        self._first_token_ms: tuple[float, ...] = ()
        self._connection = connection
        self._network = network
        self._settings = settings
        self._known: Acquaintance | None = None
        self._newest: Acquaintance | None = None
        self._characters = CharacterTokenizer()
        self._recovery: Future[None] | None = None
        self._meeting: Future[None] | None = None
        self._read_ids: tuple[int, ...] = ()
        self._begun: tuple[tuple[int, ...] | str, tuple[Beginning, ...]] | None = None

    @property
    def name(self) -> str:
        """The served model and where it is."""
        if self._known is None:
            return self.place
        return f"{self._known.found.model.rsplit('/', 1)[-1]} at {self.place}"

    @property
    def family(self) -> ModelFamily:
        """The family that the served model's name says; DeepSeek-Coder base while unknown."""
        return self._known.family if self._known else DEEPSEEK_CODER_BASE

    @property
    def tokenizer(self) -> Tokenizer:
        """The served model's tokenizer, or an estimate of its counts."""
        if self._known is None or self._known.vocabulary is None:
            return self._characters
        return self._known.vocabulary

    @property
    def context_tokens(self) -> int:
        """What the server says that fits, else what the user has set."""
        told = self._known.found.context_tokens if self._known else None
        return min(self._settings.context_tokens, told or self._settings.context_tokens)

    @property
    def is_usable(self) -> bool:
        """Whether the server is known and answers, as far as we know."""
        return self._newest is not None and not self.circuit.is_open

    @property
    def acquaintance(self) -> Acquaintance | None:
        """What is known about the server."""
        return self._newest

    @property
    def latency_ms(self) -> float:
        """How soon the server begins to answer: the best of its last answers.

        The best, because how much of a prompt a server knows makes the others slower; one that is
        overloaded is slow at its best too. Of a server that is not asked, the last look counts.
        """
        return min(self._first_token_ms, default=0.0)

    def took(self, milliseconds: float) -> None:
        """Count how long the server took to begin an answer."""
        self._first_token_ms = (*self._first_token_ms[1 - _ANSWERS_COMPARED :], milliseconds)
        self._seen_at = time.monotonic()

    def meet(self) -> "Future[None]":
        """Begin to look at the server; the future holds nothing or a fault, which is counted."""
        self._meeting = self._network.start(self._meet())
        return self._meeting

    def meet_again(self, after_seconds: float) -> None:
        """Look at the server again if nothing was heard of it for so long."""
        if self._meeting is not None and not self._meeting.done():
            return
        if time.monotonic() - self._seen_at >= after_seconds:
            _log.debug("looking at %s again", self.place)
            self.meet()

    def adopt(self) -> bool:
        """Take over what was last seen of the server; false if nothing has changed."""
        changed = self._newest is not self._known
        self._known = self._newest
        return changed

    def generate(self, request: GenerationRequest, cancel: CancelToken) -> Generation:
        """Ask the server; ``reused_tokens`` is what it knows from us, if it keeps prompts.

        Alternatives begin with another of the tokens that the server says were likely, and are
        empty where it tells none.

        Raises:
            RemoteError: the server is known to be down.
            EngineChanged: the server was looked at anew; the prompt must be made again.
        """
        if self.adopt():
            raise EngineChanged
        fault = self.circuit.fault
        if fault is not None:
            raise copy(fault)
        if self._known is None:
            raise faults.down(self._connection.endpoint)
        ids = request.prompt.ids
        reused = min(_common_prefix(self._read_ids, ids), max(0, len(ids) - 1))
        effort = Effort()
        ask = self._ask(request, self._known)
        if request.rank:
            tokens = self._alternative(request.rank, ask, ids, cancel, effort)
        else:
            tokens = self._tokens(ask, ids, cancel, effort)
        return Generation(len(ids), reused, tokens, effort)

    def close(self) -> None:
        """End the looks at the server; the network closes its connections at its own end."""
        for look in (self._recovery, self._meeting):
            if look is not None:
                look.cancel()

    async def disconnect(self) -> None:
        """Close the connections; network thread."""
        await self._connection.close()

    def _ask(self, request: GenerationRequest, known: Acquaintance) -> Ask:
        manners, prompt = known.manners, request.prompt
        tokenizer = known.vocabulary
        stop_ids: tuple[int, ...] = ()
        if tokenizer is not None:
            stop_ids = tuple(tokenizer.control(name) for name in known.family.stop)
        return Ask(
            known.found.model,
            prompt.ids if manners.takes_ids else as_text(prompt, adds_bos=manners.adds_bos),
            request.max_new_tokens,
            stop_ids,
        )

    def _alternative(
        self, rank: int, ask: Ask, ids: tuple[int, ...], cancel: CancelToken, effort: Effort
    ) -> Iterator[Token]:
        """Yield the tokens of an answer that begins with the ``rank``-th other beginning."""
        if self._begun is None or self._begun[0] != ask.prompt:
            self._begun = ask.prompt, self._beginnings(ask, cancel, effort)
        others = self._begun[1]
        if rank > len(others):
            return
        begin = others[rank - 1]
        yield from begin.tokens
        left = ask.max_tokens - len(begin.tokens)
        if left > 0:
            rest = replace(ask, prompt=begin.after(ask.prompt), max_tokens=left)
            yield from self._tokens(rest, ids + begin.ids, cancel, effort)

    def _beginnings(self, ask: Ask, cancel: CancelToken, effort: Effort) -> tuple[Beginning, ...]:
        """Ask how else an answer may begin."""
        assert self._known is not None, "only a known server is asked"
        server = self._known.found.server
        if not server.most_others:
            return ()
        first = replace(ask, max_tokens=MOST_BLANKS, others=server.most_others)
        try:
            pieces = [
                piece
                for chunk in self._chunks(first, server, cancel, effort)
                for piece in chunk.pieces
            ]
        except RemoteError as fault:
            if fault.status in NOT_THIS_WAY:
                return ()  # it takes no such field
            self._failed(fault)
            raise
        stop = self._known.family.stop
        return beginnings(pieces, self._known.vocabulary, frozenset(ask.stop_ids), frozenset(stop))

    def _tokens(
        self, ask: Ask, ids: tuple[int, ...], cancel: CancelToken, effort: Effort
    ) -> Iterator[Token]:
        """Yield the answer's tokens; asks again where that may help and nothing was said yet."""
        for left in range(_MOST_TRIES - 1, -1, -1):
            begun = False
            try:
                for token in self._answer(ask, cancel, effort):
                    if not begun:
                        begun = True
                        self._read_ids = ids
                    if token.id >= 0:
                        self._read_ids = (*self._read_ids, token.id)
                    yield token
            except RemoteError as fault:
                wait = fault.retry_seconds
                if begun or not left or wait is None or wait > _LONGEST_WAIT_FOR_RETRY:
                    self._failed(fault)
                    raise
                _log.info("asking %s again in %.1f s", self.place, wait)
                self._network.call(asyncio.sleep(wait * (_MOST_TRIES - left)), cancel)
            else:
                return

    def _answer(self, ask: Ask, cancel: CancelToken, effort: Effort) -> Iterator[Token]:
        assert self._known is not None, "only a known server is asked"
        return as_tokens(
            self._chunks(ask, self._known.found.server, cancel, effort),
            self._known.vocabulary,
            frozenset(ask.stop_ids),
            self._known.family.stop,
            ask.max_tokens,
        )

    def _chunks(
        self, ask: Ask, server: Server, cancel: CancelToken, effort: Effort
    ) -> Iterator[Chunk]:
        url, body = self._connection.endpoint.root + server.path, server.request(ask)
        start = time.perf_counter()
        for event in self._network.stream(partial(self._connection.post, url, body), cancel):
            try:
                chunk = server.read(event)
            except MALFORMED as error:
                raise faults.unreadable(self._connection.endpoint) from error
            if chunk.has_failed:
                raise faults.failed_midway(self._connection.endpoint)
            milliseconds = (time.perf_counter() - start) * 1000
            if not effort.steps:
                effort.prefill_ms = milliseconds
                self.circuit.succeeded()
                self.took(milliseconds)
            else:
                effort.written += len(chunk.pieces)
            effort.decode_ms = milliseconds - effort.prefill_ms
            effort.steps += 1
            yield chunk

    def _failed(self, fault: RemoteError) -> None:
        _log.warning("%s", fault)
        self.circuit.failed(fault)
        if self.circuit.is_open and (self._recovery is None or self._recovery.done()):
            self._recovery = self._network.start(self._recover(fault))

    async def _recover(self, fault: RemoteError) -> None:
        """Look at the server again and again until it answers."""
        for wait in chain(waits(fault), repeat(LONGEST_WAIT_SECONDS)):
            await asyncio.sleep(wait)
            try:
                await self._look()
            except RemoteError:
                continue
            _log.info("%s is back", self.place)
            return

    async def _meet(self) -> None:
        try:
            await self._look()
        except RemoteError as fault:
            # Whatever it is, nothing can be asked of a server that nobody knows.
            self.circuit.open(fault)
            self._failed(fault)
            raise

    async def _look(self) -> None:
        settings = self._settings
        found = await find(self._connection, settings.remote_server, settings.remote_model)
        family = family_of(found.model)
        before = self._newest
        if before is not None and before.found == found:
            vocabulary = before.vocabulary
        else:
            vocabulary = await asyncio.to_thread(
                _vocabulary, settings.remote_tokenizer, found.model, family
            )
        manners = await learn(self._connection, found, vocabulary, family.begin_of_text)
        if manners.tokenizer_fits is False:
            _log.warning("%s counts tokens otherwise than our tokenizer", self.place)
            vocabulary = None
        now = Acquaintance(found, manners, family, vocabulary)
        if now != before:
            self._newest = now
        self._first_token_ms = ()
        self.took(manners.latency_ms)
        self.circuit.succeeded()


def _vocabulary(wanted: str, model: str, family: ModelFamily) -> CheckpointTokenizer | None:
    try:
        return find_tokenizer(wanted, model, family)
    except EngineError as error:
        raise RemoteError(str(error)) from error


def _common_prefix(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))
