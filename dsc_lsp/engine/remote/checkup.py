"""A close look at each server of the settings, for ``dsc-lsp doctor``."""

import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.engine.base import GenerationRequest, Prompt, PromptPart
from dsc_lsp.engine.remote.client import RemoteEngine
from dsc_lsp.engine.remote.endpoint import endpoints_of
from dsc_lsp.engine.remote.faults import RemoteError
from dsc_lsp.engine.remote.network import Network
from dsc_lsp.engine.remote.opening import engine_for
from dsc_lsp.settings import Settings

_TEXT = "def count_words(text):\n"
_LONG_ANSWER = 400
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was seen of one server; the rest is empty where there is a ``fault``.

    ``first_token_ms`` is the median of several. ``after_cancel_ms`` is how long one token took
    right after a long answer was cancelled at its first token: much longer where the server went
    on with what nobody waits for.
    """

    place: str
    fault: str = ""
    kind: str = ""
    model: str = ""
    models: tuple[str, ...] = ()
    takes_ids: bool = False
    has_tokenizer: bool = False
    tokenizer_fits: bool | None = None
    context_tokens: int | None = None
    first_token_ms: float = 0.0
    after_cancel_ms: float = 0.0

    @property
    def cancel_works(self) -> bool:
        """Whether nothing was seen of a cancelled answer that went on."""
        return self.after_cancel_ms < 2 * self.first_token_ms + 250


def check_up(settings: Settings) -> Iterator[Checkup]:
    """Look at the servers one after the other; blocking, seconds.

    Raises:
        EngineError: an address or key in the settings cannot be used.
    """
    for endpoint in endpoints_of(settings):
        network = Network()
        server = engine_for(endpoint, network, settings)
        try:
            server.meet().result()
            server.adopt()
            yield _seen(server)
        except RemoteError as fault:
            yield Checkup(endpoint.place, str(fault))
        finally:
            server.close()
            network.close(server.disconnect)


def _seen(server: RemoteEngine) -> Checkup:
    known = server.acquaintance
    assert known is not None, "the server has just been met"
    first = statistics.median(_one_token_ms(server) for _ in range(_TRIES))
    cancel = CancelToken()
    answer = server.generate(_request(server, _LONG_ANSWER), cancel)
    next(answer.tokens, None)
    cancel.cancel()
    with suppress(Cancelled):
        next(answer.tokens, None)
    return Checkup(
        server.place,
        kind=known.found.server.name,
        model=known.found.model,
        models=known.found.models,
        takes_ids=known.manners.takes_ids,
        has_tokenizer=known.vocabulary is not None,
        tokenizer_fits=known.manners.tokenizer_fits,
        context_tokens=known.found.context_tokens,
        first_token_ms=first,
        after_cancel_ms=_one_token_ms(server),
    )


def _one_token_ms(server: RemoteEngine) -> float:
    start = time.perf_counter()
    for _ in server.generate(_request(server, 1), CancelToken()).tokens:
        pass
    return (time.perf_counter() - start) * 1000


def _request(server: RemoteEngine, tokens: int) -> GenerationRequest:
    begin = server.family.begin_of_text
    bos = PromptPart((server.tokenizer.control(begin),), begin, control=True)
    return GenerationRequest(
        Prompt((bos, PromptPart(server.tokenizer.encode(_TEXT), _TEXT))), tokens
    )
