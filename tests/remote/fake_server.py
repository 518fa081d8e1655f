"""A server on loopback that answers byte by byte as a test tells it, well or badly."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

MODEL = "deepseek-coder-6.7b-base"
Behaviour: TypeAlias = "Callable[[Call], None]"


@dataclass(frozen=True)
class Call:
    """One request, and the connection on which it is answered."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    wire: socket.socket

    def send(self, data: bytes | str) -> None:
        """Send raw bytes; a client that has gone is no error."""
        try:
            self.wire.sendall(data.encode() if isinstance(data, str) else data)
        except OSError:
            raise ClientGone from None

    def is_gone(self, seconds: float) -> bool:
        """Wait for the client to close the connection."""
        self.wire.settimeout(seconds)
        try:
            return self.wire.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def hang_up(self) -> None:
        """Close the connection where it stands."""
        raise ClientGone


class ClientGone(Exception):
    """The connection is of no use any longer."""


@dataclass
class FakeServer:
    """Answers completions with ``behaviour`` and the rest as a healthy server of one kind would.

    ``calls`` are all requests for completions, the single tokens of a probe left out.
    """

    behaviour: Behaviour
    pages: dict[str, Any]
    port: int = 0
    calls: list[Call] = field(default_factory=list)
    probes: list[Call] = field(default_factory=list)
    connections: int = 0
    answers_probes: bool = True
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/v1"

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"


def models(owner: str = "somebody", **more: Any) -> dict[str, Any]:
    """Return a healthy ``/v1/models``."""
    return {"object": "list", "data": [{"id": MODEL, "owned_by": owner, **more}]}


@contextmanager
def serving(
    behaviour: Behaviour, pages: dict[str, Any] | None = None, **options: Any
) -> Iterator[FakeServer]:
    """Run a server on a thread; ``pages`` are its answers to GET, by path."""
    listener = socket.create_server(("127.0.0.1", options.pop("port", 0)))
    server = FakeServer(behaviour, {"/v1/models": models()} if pages is None else pages, **options)
    server.port = listener.getsockname()[1]
    open_wires: set[socket.socket] = set()
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            if server.tls is not None:
                wire = server.tls.wrap_socket(
                    wire, server_side=True, do_handshake_on_connect=False
                )
            open_wires.add(wire)
            threads.append(threading.Thread(target=_serve, args=(server, wire)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield server
    finally:
        # accept() goes on waiting for a socket that is only closed.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for wire in open_wires:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        for thread in threads:
            thread.join()


def answer(call: Call, status: str, body: bytes | str = b"", *headers: str) -> None:
    """Send a whole answer."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *headers, "", ""]
    call.send("\r\n".join(lines).encode() + data)


def begin_stream(call: Call) -> None:
    """Send the head of a stream whose length nobody knows yet."""
    call.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )


def send_part(call: Call, data: bytes | str) -> None:
    """Send a piece of a stream, cut wherever the test likes."""
    raw = data.encode() if isinstance(data, str) else data
    call.send(b"%x\r\n%s\r\n" % (len(raw), raw))


def event(text: str, **more: Any) -> str:
    """Return a completion chunk."""
    choice = {"index": 0, "text": text, "finish_reason": None, **more}
    return f"data: {json.dumps({'choices': [choice]})}\n\n"


def end_stream(call: Call, *, done: bool = True) -> None:
    """End a stream, with ``[DONE]`` or without."""
    if done:
        send_part(call, "data: [DONE]\n\n")
    call.send(b"0\r\n\r\n")


def says(*texts: str, done: bool = True) -> Behaviour:
    """Return a healthy behaviour: these texts, a chunk each."""

    def behave(call: Call) -> None:
        begin_stream(call)
        for text in texts:
            send_part(call, event(text))
        end_stream(call, done=done)

    return behave


def _serve(server: FakeServer, wire: socket.socket) -> None:
    with wire, wire.makefile("rb") as reader:
        while True:
            try:
                call = _read(reader, wire)
                if call is None:
                    return
                _respond(server, call)
            except (ClientGone, OSError, ValueError):  # ValueError: TLS ended under a read
                return


def _read(reader: Any, wire: socket.socket) -> Call | None:
    first = reader.readline().decode()
    if not first.strip():
        return None
    method, path, _ = first.split(" ", 2)
    headers: dict[str, str] = {}
    while line := reader.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", "0")))
    return Call(method, path, headers, json.loads(body) if body else None, wire)


def _respond(server: FakeServer, call: Call) -> None:
    if call.method == "GET":
        page = server.pages.get(call.path)
        if callable(page):
            page(call)
        elif page is None:
            answer(call, "404 Not Found")
        else:
            answer(call, "200 OK", json.dumps(page), "Content-Type: application/json")
    elif call.method == "CONNECT":
        server.calls.append(call)
        server.behaviour(call)
    elif server.answers_probes and _is_probe(call.body):
        server.probes.append(call)
        _answer_probe(call)
    else:
        server.calls.append(call)
        server.behaviour(call)


def _is_probe(body: Any) -> bool:
    options = body.get("options") or body.get("parameters") or {}
    return 1 in {body.get("max_tokens"), options.get("num_predict"), options.get("max_new_tokens")}


def _answer_probe(call: Call) -> None:
    if call.path == "/generate_stream":
        begin_stream(call)
        send_part(call, 'data: {"token": {"id": 1, "text": "x", "logprob": -1.0}}\n\n')
        end_stream(call, done=False)
        return
    said = {"index": 0, "text": "x", "finish_reason": "length"}
    answer(call, "200 OK", json.dumps({"choices": [said]}), "Content-Type: application/json")
