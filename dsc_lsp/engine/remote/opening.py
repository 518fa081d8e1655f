"""From the user's settings to an engine that asks servers."""

import logging
from collections.abc import Callable
from concurrent.futures import wait

from dsc_lsp.engine.base import Engine, EngineError
from dsc_lsp.engine.remote.client import RemoteEngine
from dsc_lsp.engine.remote.connection import Connection
from dsc_lsp.engine.remote.endpoint import Endpoint, endpoints_of
from dsc_lsp.engine.remote.fallback import FallbackEngine
from dsc_lsp.engine.remote.faults import RemoteError
from dsc_lsp.engine.remote.network import Network
from dsc_lsp.engine.remote.servers import SERVERS
from dsc_lsp.settings import Settings

_log = logging.getLogger(__name__)


def open_remote(
    settings: Settings,
    report: Callable[[str, int], None],
    open_local: Callable[[], Engine] | None = None,
) -> Engine:
    """Look at the servers that ``dsc.remoteUrl`` names; blocking, up to seconds.

    A server that does not answer is looked at again later: this fails for no outage.
    ``open_local`` loads the model that answers meanwhile, if there shall be one.

    Raises:
        EngineError: an address or key in the settings cannot be used.
    """
    endpoints = endpoints_of(settings)
    kinds = ("auto", *(row.name for row in SERVERS))
    if settings.remote_server not in kinds:
        raise EngineError(
            f"`dsc.remoteServer` is {settings.remote_server!r}; known are {', '.join(kinds)}."
        )
    report(f"Asking {', '.join(endpoint.place for endpoint in endpoints)}", 10)
    network = Network()
    servers = [engine_for(endpoint, network, settings) for endpoint in endpoints]
    meetings = [server.meet() for server in servers]
    wait(meetings)
    for meeting in meetings:
        error = meeting.exception()
        if error is not None and not isinstance(error, RemoteError):
            network.close()
            raise error
    for server in servers:
        server.adopt()
    return FallbackEngine(servers, open_local, network)


def engine_for(endpoint: Endpoint, network: Network, settings: Settings) -> RemoteEngine:
    """Return the engine of one server, which has not been asked anything yet."""

    async def connect() -> Connection:
        return Connection(endpoint, settings.remote_seconds)

    # Clients belong to the loop on which they are used.
    return RemoteEngine(network.start(connect()).result(), network, settings)
