"""What plain pygls does wrong, for each workaround of ours; slow.

A test that fails here is good news: upstream has mended it, and the workaround that the test
names can go. Reproduced with pygls 2.1.1.
"""

import ast
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.workspace import TextDocument

from tests.protocol.client import frame, read_frame
from tests.remote.processes import free_port

ROOT = Path(__file__).parents[2]
OURS = (
    "server/protocol.py",
    "server/transport.py",
    "server/tcp.py",
    "server/lifecycle.py",
    "server/failures.py",
    "document.py",
    "convert.py",
)
"""What stands in the place of a part of pygls."""

BARE = """
from lsprotocol import types
from pygls.lsp.server import LanguageServer
server = LanguageServer("bare", "1")
@server.feature(types.TEXT_DOCUMENT_HOVER)
def hover(params):
    raise ValueError("SECRET")
server.start_io()
"""
POSITION = {"textDocument": {"uri": "file:///a"}, "position": {"line": 0, "character": 0}}


BARE_TCP = BARE.replace("start_io()", "start_tcp('127.0.0.1', {port})")


@pytest.mark.parametrize("module", OURS)
def test_each_module_of_ours_names_what_upstream_says_and_is_judged_here(module: str) -> None:
    documentation = ast.get_docstring(ast.parse((ROOT / "dsc_lsp" / module).read_text())) or ""
    _, said, upstream = documentation.partition("\n\nUpstream: ")
    assert said
    assert re.search(r"(openlawlibrary/pygls|\b)#\d+", upstream)
    name = module.rpartition("/")[2].removesuffix(".py")
    assert re.search(rf"Ours: .*``{name}\.", Path(__file__).read_text(), re.IGNORECASE)


@pytest.fixture
def bare() -> Iterator[subprocess.Popen[bytes]]:
    """Return a plain pygls server that has been initialized."""
    with subprocess.Popen(
        [sys.executable, "-c", BARE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        ask(process, 1, "initialize", {"capabilities": {}, "processId": None})
        assert answers_until(process, 1)
        yield process
        process.kill()


def ask(process: subprocess.Popen[bytes], number: int, method: str, params: Any) -> None:
    write(process, frame({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))


def write(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def answers_until(process: subprocess.Popen[bytes], number: int) -> list[dict[str, Any]]:
    """Return the answers up to the one to a request."""
    assert process.stdout is not None
    answers: list[dict[str, Any]] = []
    while (message := read_frame(process.stdout)) is not None:
        if "method" not in message:
            answers.append(message)
        if message.get("id") == number:
            return answers
    raise AssertionError("the server has ended")


def is_stuck(process: subprocess.Popen[bytes]) -> bool:
    """Whether a request gets no answer within three seconds."""
    ask(process, 99, "no/such", None)
    killer = subprocess.Popen(
        [sys.executable, "-c", f"import os, time; time.sleep(3); os.kill({process.pid}, 9)"]
    )
    try:
        answers_until(process, 99)
    except AssertionError:
        return True
    finally:
        killer.kill()
        killer.wait()
    return False


@pytest.mark.slow
def test_invalid_parameters_and_batches_get_no_answer(bare: subprocess.Popen[bytes]) -> None:
    """Ours: ``Protocol._take_request`` and ``Protocol.parse``."""
    ask(bare, 2, "textDocument/hover", {"position": 5})
    write(bare, frame([{"jsonrpc": "2.0", "id": 3, "method": "no/such"}]))
    ask(bare, 4, "no/such", None)
    assert [answer["id"] for answer in answers_until(bare, 4)] == [4]


@pytest.mark.slow
def test_an_exception_is_answered_with_what_it_says(bare: subprocess.Popen[bytes]) -> None:
    """Ours: ``failures.as_answer`` (openlawlibrary/pygls#126 brought the answer)."""
    ask(bare, 2, "textDocument/hover", POSITION)
    error = answers_until(bare, 2)[0]["error"]
    assert "SECRET" in error["message"]
    assert "traceback" in error["data"]


@pytest.mark.slow
def test_after_shutdown_requests_get_no_answer(bare: subprocess.Popen[bytes]) -> None:
    """Ours: ``Protocol._check_state``."""
    ask(bare, 2, "shutdown", None)
    answers_until(bare, 2)
    assert is_stuck(bare)


@pytest.mark.slow
@pytest.mark.parametrize(
    "header",
    [b"content-length: %d\r\n\r\n", b"Content-Length: %d\n\n", b"Content-Length: %d1\r\n\r\n"],
)
def test_an_odd_header_wedges_the_reader(bare: subprocess.Popen[bytes], header: bytes) -> None:
    """Ours: ``transport.MessageReader``."""
    body = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "no/such"}).encode()
    write(bare, header % len(body) + body)
    assert is_stuck(bare)


@pytest.mark.slow
def test_exit_without_shutdown_is_no_error(bare: subprocess.Popen[bytes]) -> None:
    """Ours: ``handlers.exit_`` (openlawlibrary/pygls#118)."""
    write(bare, frame({"jsonrpc": "2.0", "method": "exit"}))
    assert bare.wait(20) == 0


@pytest.mark.slow
def test_the_clients_death_is_not_noticed() -> None:
    """Ours: ``lifecycle.watch_parent`` (was in pygls once: openlawlibrary/pygls#149)."""
    client = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with subprocess.Popen(
        [sys.executable, "-c", BARE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        ask(process, 1, "initialize", {"capabilities": {}, "processId": client.pid})
        answers_until(process, 1)
        client.kill()
        client.wait()
        time.sleep(5)
        assert process.poll() is None
        process.kill()


@pytest.mark.slow
def test_documents_drift_at_rare_line_breaks() -> None:
    """Ours: ``document.split_lines``."""
    document = TextDocument("file:///a", "a\u2028b\nc", 1)
    at = types.Position(1, 0)
    document.apply_change(types.TextDocumentContentChangePartial(types.Range(at, at), "x"))
    assert document.source != "a\u2028b\nxc"


@pytest.mark.slow
def test_the_end_of_a_line_is_one_too_near() -> None:
    """Ours: ``convert.position_of``."""
    document = TextDocument("file:///a", "abc", 1)
    assert document.offset_at_position(types.Position(0, 99)) != 3


@pytest.mark.slow
def test_a_second_client_gets_the_first_ones_answers() -> None:
    """Ours: ``tcp.accept_client``."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", BARE_TCP.replace("{port}", str(port))], stderr=subprocess.DEVNULL
    ) as process:
        try:
            first = connect(port)
            with first, connect(port) as second:
                time.sleep(0.5)
                params = {"capabilities": {}, "processId": None}
                question = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
                first.sendall(frame(question))
                second.settimeout(10)
                with second.makefile("rb") as theirs:
                    answer = read_frame(theirs)
                assert answer is not None
                assert answer["id"] == 1, "an answer to what the first one asked"
        finally:
            process.kill()


def connect(port: int) -> socket.socket:
    """Return a connection to a server that may not listen yet."""
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.1)
