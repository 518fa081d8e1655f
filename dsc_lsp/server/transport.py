"""Messages over a pair of byte streams, without a way to wedge them.

pygls's reader is stuck for good after one odd header, shares its thread pool with handlers, and
writes to a client that does not read on the event loop (docs/decisions.md). Here one thread
reads, one thread writes, and the event loop does neither.
"""

import asyncio
import os
import queue
import re
import sys
import threading
from collections.abc import AsyncIterator
from typing import BinaryIO

MAX_MESSAGE_BYTES = 64 * 2**20
"""A longer message is skipped and answered with an error."""

_LENGTH = re.compile(rb"content-length\s*:\s*(\d+)\s*$", re.IGNORECASE)
_LONGEST_HEADER = 16_384


class MessageTooLong(Exception):
    """A message exceeded ``MAX_MESSAGE_BYTES`` and was skipped."""


def claim_stdio() -> tuple[BinaryIO, BinaryIO]:
    """Take stdin and stdout for the protocol and leave harmless ones to everybody else.

    From here on what any library prints goes to stderr, and nobody reads the client's messages.
    """
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(0, os.O_BINARY)
        msvcrt.setmode(1, os.O_BINARY)
    reader = os.fdopen(os.dup(0), "rb")
    writer = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a file descriptor is wanted
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return reader, writer


def read_message(stream: BinaryIO) -> bytes | None:
    """Return the next message's body, or ``None`` at the end of input; blocking.

    Headers may be of any case, may end with a bare ``\\n``, and are looked for at the end of any
    line, so that a client that counted wrongly is understood again at its next message.

    Raises:
        MessageTooLong: the message was skipped; the next call goes on behind it.
    """
    length: int | None = None
    while line := stream.readline(_LONGEST_HEADER):
        header = _LENGTH.search(line)
        if header is not None:
            length = int(header.group(1))
        elif length is not None and not line.strip():
            return _read_body(stream, length)
    return None


async def messages(stream: BinaryIO) -> AsyncIterator[bytes | MessageTooLong]:
    """Yield message bodies as they come, until the end of input."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[bytes | MessageTooLong | None] = asyncio.Queue()

    def read() -> None:
        body: bytes | MessageTooLong | None = b""
        while body is not None:
            try:
                body = read_message(stream)
            except MessageTooLong as error:
                body = error
            except (OSError, ValueError):  # the stream broke, or was closed at the end
                body = None
            try:
                loop.call_soon_threadsafe(arrived.put_nowait, body)
            except RuntimeError:  # the loop is closed: the server is ending
                return

    threading.Thread(target=read, name="reader", daemon=True).start()
    while (body := await arrived.get()) is not None:
        yield body


class MessageWriter:
    """Writes messages on a thread of its own, so that a client that does not read blocks nobody.

    It is what pygls calls a writer: ``write`` takes whole messages, ``close`` flushes and ends.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Queue a message; returns at once."""
        self._waiting.put(data)

    def close(self) -> None:
        """Write what is queued, waiting at most a second for a client that still reads."""
        self._waiting.put(None)
        self._thread.join(1)

    def _run(self) -> None:
        while (data := self._waiting.get()) is not None:
            try:
                self._stream.write(data)
                self._stream.flush()
            except (OSError, ValueError):  # the client is gone; the reader sees it, too
                return


def _read_body(stream: BinaryIO, length: int) -> bytes | None:
    if length > MAX_MESSAGE_BYTES:
        while length > 0:
            skipped = stream.read(min(length, 2**20))
            if not skipped:
                return None
            length -= len(skipped)
        raise MessageTooLong
    body = stream.read(length)
    return body if len(body) == length else None
