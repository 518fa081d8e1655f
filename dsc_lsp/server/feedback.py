"""What the editor tells of suggestions, and what the user may ask: commands of the server."""

import asyncio
from collections.abc import Callable
from typing import Any

from lsprotocol import types

from dsc_lsp.server import offering
from dsc_lsp.server.session import Server

ACCEPTED = "dsc.accepted"
_WRITE_SECONDS = 60.0


def accepted(server: Server, number: int) -> None:
    """Take note that the suggestion with this number was accepted; editors run this by itself."""
    offering.accepted(server, number)


def partially_accepted(server: Server, number: int, length: int) -> None:
    """Take note that so many UTF-16 code units of a suggestion were accepted; some are left."""
    offering.partially_accepted(server, number, length)


def explain(server: Server) -> str:
    """Say, and show, why the last position got no suggestion."""
    text = server.offers.explanation
    server.window_show_message(types.ShowMessageParams(types.MessageType.Info, text))
    return text


async def stats(server: Server) -> dict[str, Any]:
    """Return what was shown, accepted and kept on this machine."""
    return await asyncio.to_thread(server.statistics.report)


async def keep_statistics(server: Server) -> None:
    """Write the counts down now and then, and at the end."""
    try:
        while True:
            await asyncio.sleep(_WRITE_SECONDS)
            await asyncio.to_thread(server.statistics.write)
    finally:
        server.statistics.write()


COMMANDS: dict[str, Callable[..., Any]] = {
    ACCEPTED: accepted,
    "dsc.partiallyAccepted": partially_accepted,
    "dsc.explain": explain,
    "dsc.stats": stats,
}
