"""TCP on loopback, for debugging: one client, and a clear word to everybody else.

A web page can make its reader's browser send HTTP to a port of this machine, and our reader is
patient with odd headers, so a connection must begin with a header of the protocol.

Upstream: openlawlibrary/pygls#219 (one protocol object for all connections: with 2.1.1 a second
client gets the first one's answers).
"""

import ipaddress
import json
import socket
import threading
from io import BufferedIOBase
from typing import BinaryIO

_FIRST_HEADERS = b"content-"
_GOODBYE_SECONDS = 1.0


def loopback(host: str) -> str:
    """Return the address of a host that is this machine only.

    Raises:
        ValueError: it may be reached from elsewhere; the message is for the user.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ValueError(
            f"{host} is not a loopback address; over TCP the server speaks with this machine"
            " only, on 127.0.0.1, ::1 or localhost"
        )
    return str(address)


def listen(address: str, port: int) -> socket.socket:
    """Return a socket that listens on a loopback address; port 0 stands for a free one.

    Raises:
        OSError: the port cannot be used.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family)


def accept_client(listener: socket.socket) -> tuple[BufferedIOBase, BinaryIO]:
    """Wait for the one client and return its streams; others are refused from then on."""
    while True:
        connection, _address = listener.accept()
        reader = connection.makefile("rb")
        begin = reader.peek(1)[: len(_FIRST_HEADERS)].lower()
        if begin and _FIRST_HEADERS.startswith(begin):
            break
        reader.close()
        connection.close()
    threading.Thread(target=_refuse_others, args=(listener,), name="refuse", daemon=True).start()
    # Answers are small, and waiting to send them together would cost 40 ms each.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    writer = connection.makefile("wb")
    # The streams keep the connection open, and it ends when both are closed.
    connection.close()
    return reader, writer


def _refuse_others(listener: socket.socket) -> None:
    params = {"type": 1, "message": "This dsc-lsp serves another client; start one for each."}
    message = {"jsonrpc": "2.0", "method": "window/showMessage", "params": params}
    body = json.dumps(message).encode()
    while True:
        try:
            connection, _address = listener.accept()
        except OSError:  # closed: the server ends
            return
        with connection:
            _tell(connection, b"Content-Length: %d\r\n\r\n" % len(body) + body)


def _tell(connection: socket.socket, data: bytes) -> None:
    try:
        connection.settimeout(_GOODBYE_SECONDS)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        # What is left unread when a connection is closed takes our answer with it.
        while connection.recv(65_536):
            continue
    except OSError:
        return
