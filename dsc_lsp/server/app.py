"""One server for one client, from its first message to its end."""

import asyncio
from dataclasses import dataclass
from io import BufferedIOBase
from typing import BinaryIO

from dsc_lsp.server import handlers
from dsc_lsp.server.lifecycle import Ending
from dsc_lsp.server.session import OpenEngine, Server
from dsc_lsp.server.transport import (
    Backlog,
    MessageReader,
    MessageTooLong,
    MessageWriter,
    messages,
)
from dsc_lsp.settings import Parsed

_CLOSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How the server ended: its exit code, and whether the engine's thread ended in time."""

    code: int
    clean: bool


def serve(
    reader: BufferedIOBase, writer: BinaryIO, open_engine: OpenEngine, user_settings: Parsed
) -> Exit:
    """Serve one client over a pair of byte streams until it is done; blocking.

    ``user_settings`` are the defaults and the configuration file. Threads that do not end are
    left behind, and with them the event loop: the process must end soon.
    """

    async def session() -> Exit:
        return await run(Server(open_engine, user_settings, Ending()), reader, writer)

    # Not asyncio.run, which would wait for such threads for ever.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(session())


async def run(server: Server, reader: BufferedIOBase, writer: BinaryIO) -> Exit:
    """Serve one client until it is done, on the event loop that the server was made on."""
    handlers.register(server)
    output = MessageWriter(writer, server.client_is_gone)
    server.protocol.set_writer(output)
    reading = asyncio.ensure_future(_read(server, reader, output.backlog))
    # Also if it fails: a server that hears nothing more must not stay.
    reading.add_done_callback(lambda _done: server.ending.ask(1))
    await server.ending.wait()
    reading.cancel()
    clean = await server.close(_CLOSE_SECONDS)
    output.close()
    return Exit(server.ending.exit_code, clean)


async def _read(server: Server, stream: BufferedIOBase, answers: Backlog) -> None:
    reader = MessageReader(stream, server.longest_message)
    async for body in messages(reader, answers):
        if isinstance(body, MessageTooLong):
            server.wire.refuse_too_long()
            continue
        reader.longest = server.longest_message
        for message in server.wire.parse(body):
            if server.wire.receive(message):
                # Let the handler begin before the next message, so that it sees the document in
                # the state in which the client asked.
                await asyncio.sleep(0)
    server.ending.ask(0 if server.wire.is_shut_down else 1)
