"""Messages over a pair of byte streams, without a way to wedge them.

pygls's reader is stuck for good after one odd header, shares its thread pool with handlers, and
writes to a client that does not read on the event loop (docs/decisions.md). Here one thread
reads, one thread writes, and the event loop does neither.

Upstream: openlawlibrary/pygls#334 wants asyncio's streams there; odd headers are reported nowhere
that we know of.
"""

import asyncio
import contextlib
import logging
import os
import queue
import re
import sys
import threading
from collections.abc import AsyncIterator, Callable
from io import BufferedIOBase
from typing import BinaryIO, Final

LONGEST_MESSAGE_BYTES = 64 * 2**20
"""Unless the settings say otherwise, a longer message is skipped and answered with an error."""

WAITING_BYTES = 16 * 2**20
"""How much may wait to be handled, and how much to be read by the client."""

_MESSAGE_OVERHEAD_BYTES = 256
_HEADER = re.compile(rb"content-length[ \t]*:", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,15})[ \t]*\r?\n\Z", re.IGNORECASE)
_WHOLE_HEADER = re.compile(rb"content-length[ \t]*:[ \t]*\d{1,15}[ \t]*\r?\n", re.IGNORECASE)
_LINE_BYTES = 16_384
_LONGEST_LENGTH_HEADER = 64
_FLUSH_SECONDS = 0.5

_content = logging.getLogger("dsc_lsp.content")


class MessageTooLong(Exception):
    """A message exceeded the limit and was skipped."""


def claim_stdio() -> tuple[BufferedIOBase, BinaryIO]:
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


class MessageReader:
    """Reads messages; blocking, one thread.

    Headers may be of any case, may end with a bare ``\\n``, and are looked for at the end of any
    line, so that a client that counted wrongly is understood again at its next message. No JSON
    text can hold such a line, since line breaks are escaped in its strings.
    """

    def __init__(self, stream: BufferedIOBase, longest: int = LONGEST_MESSAGE_BYTES) -> None:
        self.longest = longest
        self._stream = stream
        self._returned = b""
        self._unfinished = b""

    def read(self) -> bytes | None:
        """Return the next message's body, or ``None`` at the end of input.

        Raises:
            MessageTooLong: a header announced too much; the next call goes on behind it.
        """
        length: int | None = None
        while line := self._line():
            header = _LENGTH.search(self._unfinished + line)
            begun, self._unfinished = self._unfinished, b""
            if header is not None:
                length = int(header.group(1))
            elif not line.endswith(b"\n"):
                self._unfinished = line[-_LONGEST_LENGTH_HEADER:]
            elif length is not None and not begun and not line.strip():
                return self._body(length)
        return None

    def _body(self, length: int) -> bytes | None:
        """Return the body; of a wrong length, what belongs to the next message is kept."""
        if length > self.longest:
            # Not skipped by its length, which may be a lie that would swallow all that follows.
            raise MessageTooLong
        pieces: list[bytes] = []
        have, end = 0, b""
        while have < length:
            piece = self._some(length - have)
            if not piece:
                return None
            # The next message shows that the length was too great, without waiting for all of it.
            header = _WHOLE_HEADER.search(end + piece) if b"\n" in piece else None
            pieces.append(piece)
            if header is not None:
                return self._up_to(have - len(end) + header.start(), b"".join(pieces))
            have += len(piece)
            end = (end + piece)[-_LONGEST_LENGTH_HEADER:]
        body = b"".join(pieces)
        if body.rstrip().endswith((b"}", b"]")):
            return body
        header = _HEADER.search(body)
        if header is not None:
            return self._up_to(header.start(), body)
        self._unfinished = body[-_LONGEST_LENGTH_HEADER:]
        return body

    def _up_to(self, end: int, body: bytes) -> bytes:
        self._returned = body[end:] + self._returned
        return body[:end]

    def _line(self) -> bytes:
        if not self._returned:
            return self._stream.readline(_LINE_BYTES)
        line, newline, self._returned = self._returned.partition(b"\n")
        return line + (newline or self._stream.readline(_LINE_BYTES))

    def _some(self, most: int) -> bytes:
        if not self._returned:
            return self._stream.read1(most)
        head, self._returned = self._returned[:most], self._returned[most:]
        return head


class Backlog:
    """How many bytes wait to be handled or written; safe from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = 0
        self._changed = threading.Condition()

    def add(self, count: int) -> None:
        """Count bytes that wait, also beyond the limit."""
        with self._changed:
            self._waiting += count

    def remove(self, count: int) -> None:
        """Count bytes as done."""
        with self._changed:
            self._waiting -= count
            self._changed.notify_all()

    def wait_for_room(self) -> None:
        """Return when less than the limit waits; blocking."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting < self._limit)


async def messages(
    reader: MessageReader, answers: Backlog
) -> AsyncIterator[bytes | MessageTooLong]:
    """Yield message bodies as they come, until the end of input.

    Nothing is read while too much waits to be handled, or too many ``answers`` wait for a client
    that does not read them: memory stays bounded, and nothing is dropped.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[bytes | MessageTooLong | None] = asyncio.Queue()
    unhandled = Backlog(WAITING_BYTES)

    def read() -> None:
        body: bytes | MessageTooLong | None = b""
        while body is not None:
            unhandled.wait_for_room()
            answers.wait_for_room()
            try:
                body = reader.read()
            except MessageTooLong as error:
                body = error
            except Exception:  # noqa: BLE001 - the thread boundary: broken, closed, or a bug
                body = None
            unhandled.add(_size(body))
            try:
                loop.call_soon_threadsafe(arrived.put_nowait, body)
            except RuntimeError:  # the loop is closed: the server is ending
                return

    threading.Thread(target=read, name="reader", daemon=True).start()
    while (body := await arrived.get()) is not None:
        unhandled.remove(_size(body))
        _content.debug("received %s", body)
        yield body


class MessageWriter:
    """Writes messages on a thread of its own, so that a client that does not read blocks nobody.

    It is what pygls calls a writer: ``write`` takes whole messages, ``close`` flushes and ends.
    ``on_broken`` is called on that thread when the client has closed its end.
    """

    def __init__(self, stream: BinaryIO, on_broken: Callable[[], None]) -> None:
        self.backlog: Final = Backlog(WAITING_BYTES)
        self._stream = stream
        self._on_broken = on_broken
        self._broken = False
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Queue a message; returns at once."""
        if self._broken:
            return
        _content.debug("sent %s", data)
        self.backlog.add(_size(data))
        self._waiting.put(data)

    def close(self) -> None:
        """Write what is queued, waiting half a second at most for a client that still reads."""
        self._waiting.put(None)
        self._thread.join(_FLUSH_SECONDS)

    def _run(self) -> None:
        while (data := self._waiting.get()) is not None:
            try:
                self._stream.write(data)
                self._stream.flush()
            except (OSError, ValueError):
                self._give_up()
                return
            self.backlog.remove(_size(data))

    def _give_up(self) -> None:
        self._broken = True
        with contextlib.suppress(OSError, ValueError):
            self._stream.close()  # or it would try to write again at the end of the process
        self._on_broken()


def _size(body: bytes | MessageTooLong | None) -> int:
    return _MESSAGE_OVERHEAD_BYTES + (len(body) if isinstance(body, bytes) else 0)
