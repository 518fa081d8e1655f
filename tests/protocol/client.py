"""A client that drives the whole server in this process, over real pipes and raw bytes.

It knows nothing of the server's own reader: it takes frames strictly, so that a stray byte on
the protocol stream fails the test, and at the end it checks the first rule of the protocol,
that each request has been answered exactly once.
"""

import asyncio
import json
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from pygls.protocol import default_converter

from dsc_lsp.engine.base import Engine
from dsc_lsp.server import app, session
from dsc_lsp.server.lifecycle import Ending
from dsc_lsp.server.session import Server
from dsc_lsp.settings import Parsed, Settings
from tests.scripted import ScriptedEngine

PATIENCE_SECONDS = 20
"""No test waits for this long unless it fails; the machine may be busy."""

# It writes code for each type of message that it meets: half of what a session costs.
_shared_converter = cache(default_converter)

URI = "file:///project/main.py"
Message = dict[str, Any]


class Client:
    """The editor's side; event loop only, but for the thread that reads."""

    def __init__(self, to_server: BinaryIO, from_server: BinaryIO) -> None:
        self.received: list[Message] = []
        self.reading = threading.Event()
        self.reading.set()
        self._to_server = to_server
        self._from_server = from_server
        self._asked: Counter[str] = Counter()
        self._numbers: Iterator[int] = count(1)
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.broken: str | None = None
        self.server: Server
        self.exit: asyncio.Future[app.Exit] = self._loop.create_future()
        self._thread = threading.Thread(target=self._read, args=(from_server,), daemon=True)
        self._thread.start()

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._to_server.write(data)
        self._to_server.flush()

    def send(self, message: Any) -> None:
        """Send a message, in a frame."""
        for part in message if isinstance(message, list) else [message]:
            if isinstance(part, dict) and _is_request(part):
                self._asked[_key(part["id"])] += 1
        self.send_bytes(frame(message))

    def notify(self, method: str, params: Any = None) -> None:
        """Send a notification."""
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method: str, params: Any = None, request_id: int | str | None = None) -> Any:
        """Send a request; returns its id."""
        request_id = next(self._numbers) if request_id is None else request_id
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return request_id

    async def request(self, method: str, params: Any = None) -> Message:
        """Send a request and return its answer."""
        return await self.answer(self.ask(method, params))

    async def answer(self, request_id: Any, nth: int = 1) -> Message:
        """Wait for the (nth) answer to a request."""
        await self.until(lambda: len(self.answers(request_id)) >= nth)
        return self.answers(request_id)[nth - 1]

    def answers(self, request_id: Any) -> list[Message]:
        """Return the answers to a request that have come."""
        return [m for m in self.received if "method" not in m and m["id"] == request_id]

    def of_method(self, method: str) -> list[Message]:
        """Return the server's messages of a method that have come."""
        return [message for message in self.received if message.get("method") == method]

    def shown(self) -> list[str]:
        """Return what the user was shown."""
        return [message["params"]["message"] for message in self.of_method("window/showMessage")]

    async def settled(self) -> None:
        """Wait until the server has taken everything that was sent before."""
        await self.request("$/barrier")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on what was received holds."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                assert self.broken is None, self.broken
                self._arrived.clear()
                await self._arrived.wait()

    async def ended(self) -> app.Exit:
        """Wait for the end of the server."""
        return await asyncio.wait_for(asyncio.shield(self.exit), PATIENCE_SECONDS)

    async def open_session(
        self, options: Any = None, folders: Sequence[Path] = (), **capabilities: Any
    ) -> Message:
        """Shake hands; returns the answer to ``initialize``."""
        params = {
            "processId": None,
            "rootUri": None,
            "capabilities": {
                "general": {"positionEncodings": ["utf-16"]},
                "window": {"workDoneProgress": True},
                **capabilities,
            },
            "initializationOptions": options,
            "workspaceFolders": [{"uri": one.as_uri(), "name": one.name} for one in folders],
        }
        answer = await self.request("initialize", params)
        self.notify("initialized", {})
        await self.until(lambda: bool(self.of_method("window/workDoneProgress/create")))
        creation = self.of_method("window/workDoneProgress/create")[0]
        self.send({"jsonrpc": "2.0", "id": creation["id"], "result": None})
        return answer

    async def loaded(self) -> None:
        """Wait for the end of loading."""
        await self.until(
            lambda: any(
                m["params"]["value"]["kind"] == "end" for m in self.of_method("$/progress")
            )
        )

    def open(self, text: str, uri: str = URI, language: str = "python") -> None:
        """Open a document, version 1."""
        document = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def change(self, version: int, *changes: Message, uri: str = URI) -> None:
        """Change a document."""
        document = {"uri": uri, "version": version}
        params = {"textDocument": document, "contentChanges": list(changes)}
        self.notify("textDocument/didChange", params)

    def ghost_text(self, line: int, character: int, uri: str = URI) -> Any:
        """Ask for ghost text; returns the request's id."""
        return self.ask("textDocument/inlineCompletion", inline_params(line, character, uri))

    def popup(self, line: int, character: int, uri: str = URI) -> Any:
        """Ask for the popup; returns the request's id."""
        return self.ask("textDocument/completion", place(line, character, uri))

    def unanswered(self) -> Counter[str]:
        """Return the requests whose answer has not come."""
        return self._asked - self._answered()

    def _answered(self) -> Counter[str]:
        return Counter(
            _key(message["id"])
            for message in self.received
            if "method" not in message and message["id"] is not None
        )

    def check_answers(self) -> None:
        """Check that each request has been answered exactly once."""
        assert self._answered() == self._asked

    def hang_up(self) -> None:
        """Close our end of the server's input."""
        if not self._to_server.closed:
            self._to_server.close()

    def deafen(self) -> None:
        """Close our end of the server's output, whose reader is the thread's."""
        os.close(os.dup(self._from_server.fileno()))
        os.dup2(os.open(os.devnull, os.O_RDONLY), self._from_server.fileno())

    def join(self) -> None:
        """Wait for the end of the server's output."""
        self._thread.join(PATIENCE_SECONDS)

    def _read(self, stream: BinaryIO) -> None:
        try:
            while self.reading.wait() and (message := read_frame(stream)) is not None:
                self._loop.call_soon_threadsafe(self._take, message)
        except (AssertionError, ValueError) as error:
            self.broken = f"the server's stream is broken: {error}"
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._arrived.set)

    def _take(self, message: Message) -> None:
        self.received.append(message)
        self._arrived.set()


@asynccontextmanager
async def connected(
    engine: Engine | Callable[..., Engine] | None = None,
    settings: Settings | None = None,
) -> AsyncIterator[Client]:
    """Run a server and its client; at the end, see that nothing is left of it.

    ``engine`` may be a function that loads one. Unless ``settings`` say so, nothing is prepared
    in advance, so that the engine is asked only what the test asks. The client is hung up
    at the end if the test has not ended the session itself.
    """
    chosen = engine or ScriptedEngine("answer")
    load = chosen if callable(chosen) else lambda _settings, _report: chosen
    server_input, to_server = _pipe()
    from_server, server_output = _pipe()
    before = set(threading.enumerate())
    with server_input, to_server, from_server:
        client = Client(to_server, from_server)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "default_converter", _shared_converter)
            parsed = Parsed(settings or Settings(prepare_next=False), ())
            client.server = Server(load, parsed, Ending())
        client.exit = asyncio.ensure_future(app.run(client.server, server_input, server_output))
        try:
            yield client
        finally:
            client.reading.set()
            client.hang_up()
            ended = await asyncio.wait_for(client.exit, PATIENCE_SECONDS)
            server_output.close()
            client.join()
            await asyncio.sleep(0)
        assert client.broken is None, client.broken
        assert ended.clean, "the engine's thread did not end"
        client.check_answers()
        ours = {"reader", "writer", "engine"}
        left = [t for t in threading.enumerate() if t not in before and t.name in ours]
        for thread in left:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), f"{thread.name} goes on"


def frame(message: Any) -> bytes:
    """Return a message with its header."""
    body = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def read_frame(stream: BinaryIO) -> Message | None:
    """Read a message strictly; anything that is not one fails."""
    length = None
    while (line := stream.readline()) != b"\r\n":
        if not line and length is None:
            return None
        name, _, value = line.partition(b": ")
        assert name in {b"Content-Length", b"Content-Type"}, line
        assert line.endswith(b"\r\n")
        length = int(value) if name == b"Content-Length" else length
    assert length is not None
    message = json.loads(stream.read(length))
    assert message["jsonrpc"] == "2.0"
    return message


def place(line: int, character: int, uri: str = URI) -> Message:
    """Return the parameters that name a place in a document."""
    return {
        "textDocument": {"uri": uri},
        "position": {"line": line, "character": character},
    }


def inline_params(line: int, character: int, uri: str = URI) -> Message:
    """Return the parameters of an automatic request for ghost text."""
    return {**place(line, character, uri), "context": {"triggerKind": 2}}


def insertion(line: int, character: int, text: str) -> Message:
    """Return the change that inserts a text."""
    at = {"line": line, "character": character}
    return {"range": {"start": at, "end": at}, "text": text}


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    reader, writer = os.pipe()
    return os.fdopen(reader, "rb"), os.fdopen(writer, "wb")


def _is_request(message: Message) -> bool:
    """Whether a message must be answered: it has an id, and is no answer itself."""
    is_answer = "method" not in message and ("result" in message or "error" in message)
    return type(message.get("id")) in {int, str} and not is_answer


def _key(request_id: object) -> str:
    """Tell 1 from "1"."""
    return json.dumps(request_id)
