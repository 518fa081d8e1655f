"""Several servers, and the model on this machine when none of them is to be had."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import (
    Engine,
    EngineChanged,
    EngineError,
    Generation,
    GenerationRequest,
    Token,
    Tokenizer,
)
from dsc_lsp.engine.remote.client import RemoteEngine
from dsc_lsp.engine.remote.network import Network
from dsc_lsp.models import ModelFamily

# A server keeps what it has read of our prompts, so that another one must be much faster.
_WORTH_A_CHANGE = 2.0
_LEAST_GAIN_MS = 20.0
LOOK_AGAIN_SECONDS = 30.0
"""How old what is known of a server that is not asked may become while the user types."""

_log = logging.getLogger(__name__)


class FallbackEngine:
    """The servers in the user's order, of which one answers; engine thread only.

    The first that answers is kept until it is down or another is twice as fast, for which those
    that are not asked are looked at now and then while the user types. When none is to be had,
    ``open_local`` loads the model of this machine (blocking, seconds), which answers until a
    server is back.
    """

    def __init__(
        self,
        servers: Sequence[RemoteEngine],
        open_local: Callable[[], Engine] | None,
        network: Network,
    ) -> None:
        assert servers, "somebody must be asked"
        self.servers = tuple(servers)
        self._open_local = open_local
        self._network = network
        self._local: Engine | None = None
        self._active: Engine = next((one for one in servers if one.is_usable), servers[0])
        self._tell: Callable[[str], None] = _log.warning

    @property
    def name(self) -> str:
        """What the model that answers is called."""
        return self._active.name

    @property
    def family(self) -> ModelFamily:
        """The family of the model that answers."""
        return self._active.family

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the model that answers."""
        return self._active.tokenizer

    @property
    def context_tokens(self) -> int:
        """How many tokens fit the model that answers."""
        return self._active.context_tokens

    def announce_to(self, tell: Callable[[str], None]) -> None:
        """Say from now on when another model begins to answer."""
        self._tell = tell

    def generate(self, request: GenerationRequest, cancel: CancelToken) -> Generation:
        """Start a generation with the engine that answers now.

        Raises:
            EngineChanged: another one answers from now on; the prompt must be made again.
            EngineError: none can.
        """
        self._change_if_better()
        generation = self._active.generate(request, cancel)
        return replace(generation, tokens=self._watched(generation.tokens))

    def close(self) -> None:
        """Close everything that was opened."""
        for server in self.servers:
            server.close()
        if self._local is not None:
            self._local.close()
        self._network.close(*(server.disconnect for server in self.servers))

    def _watched(self, tokens: Iterator[Token]) -> Iterator[Token]:
        begun = False
        try:
            for token in tokens:
                begun = True
                yield token
        except EngineError:
            if not begun:
                self._change_if_better()
            raise

    def _change_if_better(self) -> None:
        """Make the best one active, and raise ``EngineChanged`` if that is another."""
        server = self._best_server()
        best: Engine | None = server or self._local_engine()
        if best is None or best is self._active:
            return
        _log.info("%s answers instead of %s", best.name, self._active.name)
        if server is None:
            self._tell_of_local(best)
        self._active = best
        raise EngineChanged

    def _best_server(self) -> RemoteEngine | None:
        usable = [server for server in self.servers if server.is_usable]
        if not usable:
            return None
        current = next((server for server in usable if server is self._active), usable[0])
        for server in usable:
            if server is not current:
                server.meet_again(LOOK_AGAIN_SECONDS)
        fastest = min(usable, key=lambda server: server.latency_ms)
        gain = current.latency_ms - fastest.latency_ms
        much_faster = fastest.latency_ms * _WORTH_A_CHANGE < current.latency_ms
        return fastest if much_faster and gain > _LEAST_GAIN_MS else current

    def _local_engine(self) -> Engine | None:
        if self._local is None and self._open_local is not None:
            opening, self._open_local = self._open_local, None
            try:
                self._local = opening()
            except EngineError as error:
                _log.warning("the model on this machine cannot answer either: %s", error)
        return self._local

    def _tell_of_local(self, engine: Engine) -> None:
        fault = self.servers[0].circuit.fault
        reason = str(fault) if fault is not None else "No server answers."
        self._tell(f"{reason} Until then the model on this machine answers ({engine.name}).")
