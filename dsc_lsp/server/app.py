"""One server for one client, from its first message to its end."""

import asyncio
from dataclasses import dataclass
from typing import BinaryIO

from dsc_lsp.server import handlers
from dsc_lsp.server.lifecycle import Ending
from dsc_lsp.server.session import OpenEngine, Server
from dsc_lsp.server.transport import MessageTooLong, MessageWriter, messages
from dsc_lsp.settings import Parsed

_CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How the server ended: its exit code, and whether the engine's thread ended in time."""

    code: int
    clean: bool


def serve(
    reader: BinaryIO, writer: BinaryIO, open_engine: OpenEngine, user_settings: Parsed
) -> Exit:
    """Serve one client over a pair of byte streams until it is done; blocking.

    ``user_settings`` are the defaults and the configuration file.
    """
    return asyncio.run(_serve(reader, writer, open_engine, user_settings))


async def _serve(
    reader: BinaryIO, writer: BinaryIO, open_engine: OpenEngine, user_settings: Parsed
) -> Exit:
    ending = Ending()
    server = Server(open_engine, user_settings, ending)
    handlers.register(server)
    output = MessageWriter(writer)
    server.protocol.set_writer(output)
    reading = asyncio.ensure_future(_read(server, reader))
    await ending.wait()
    reading.cancel()
    clean = await asyncio.to_thread(server.worker.close, _CLOSE_SECONDS)
    output.close()
    return Exit(ending.exit_code, clean)


async def _read(server: Server, reader: BinaryIO) -> None:
    async for body in messages(reader):
        if isinstance(body, MessageTooLong):
            server.wire.refuse_too_long()
        elif server.wire.receive(body):
            # Let the handler begin before the next message, so that it sees the document in the
            # state in which the client asked.
            await asyncio.sleep(0)
    server.ending.ask(1)
