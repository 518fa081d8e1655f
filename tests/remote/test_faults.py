"""Servers that fail: a clear status each, nothing hangs, no key and no code in any message."""

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.completion import complete, prompt_at
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine.base import Engine, EngineError, GenerationRequest
from dsc_lsp.engine.remote import connection
from dsc_lsp.engine.remote.opening import open_remote
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.protocol.client import PATIENCE_SECONDS
from tests.remote.fake_server import (
    Behaviour,
    Call,
    FakeServer,
    answer,
    begin_stream,
    end_stream,
    event,
    says,
    send_part,
    serving,
)

KEY = "sk-very-secret"
CODE = "launch_code"
CURSOR = Cursor(
    Document.of(f"def f({CODE}):\n    \n", uri="file:///a.py", language="python"), Position(1, 4)
)
PROBLEM = 'body that repeats {"prompt": "launch_code", "key": "sk-very-secret"}'


@pytest.fixture(autouse=True)
def _nothing_leaks(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setenv("TEAM_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    yield
    assert KEY not in caplog.text
    assert CODE not in caplog.text


@contextmanager
def engine_of(*servers: FakeServer, patience_seconds: int = 1) -> Iterator[Engine]:
    settings = Settings(
        remote_url=" ".join(server.url for server in servers),
        remote_key_variable="TEAM_KEY",
        remote_seconds=patience_seconds,
        remote_fallback=False,
    )
    engine = open_remote(settings, lambda _message, _percent: None)
    try:
        yield engine
    finally:
        engine.close()


def suggest(engine: Engine, cancel: CancelToken | None = None) -> str:
    return complete(CURSOR, Repository(), Settings(), engine, cancel or CancelToken()).text


def refusal(engine: Engine) -> str:
    """Return what the user is told, which must come soon and say nothing of code and key."""
    start = time.monotonic()
    with pytest.raises(EngineError) as told:
        suggest(engine)
    assert time.monotonic() - start < 8
    message = str(told.value)
    assert KEY not in message
    assert CODE not in message
    return message


def status(line: str, *headers: str) -> Behaviour:
    return lambda call: answer(call, line, PROBLEM, *headers)


def dribbles_headers(call: Call) -> None:
    call.send("HTTP/1.1 200 OK\r\n")
    for number in range(60):
        call.send(f"X-Slow-{number}: 1\r\n")
        if call.is_gone(0.1):
            return


def breaks_off(call: Call) -> None:
    begin_stream(call)
    send_part(call, event("return "))
    call.hang_up()


def says_garbage(call: Call) -> None:
    begin_stream(call)
    send_part(call, 'data: {"choices": [{"te\n\n')
    end_stream(call)


def says_other_json(call: Call) -> None:
    answer(call, "200 OK", '{"detail": [1, 2]}', "Content-Type: application/json")


def nests_deeply(call: Call) -> None:
    begin_stream(call)
    send_part(call, "data: " + "[" * 100_000 + "\n\n")
    end_stream(call)


def is_a_web_page(call: Call) -> None:
    answer(call, "200 OK", "<html>Sign in</html>", "Content-Type: text/html")


def tells_of_an_error(call: Call) -> None:
    begin_stream(call)
    send_part(call, f"data: {json.dumps({'error': {'message': PROBLEM}})}\n\n")
    end_stream(call)


def is_a_gigabyte(call: Call) -> None:
    begin_stream(call)
    for _ in range(1024):
        send_part(call, b"x" * 2**20)


def is_a_gigabyte_of_json(call: Call) -> None:
    call.send(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n"
    )
    for _ in range(1024):
        call.send(b" " * 2**20)


def is_a_gigabyte_of_comments(call: Call) -> None:
    begin_stream(call)
    for _ in range(1024):
        send_part(call, b": nothing\n\n" * 100_000)


CANNOT_BE_REACHED = "cannot be reached. Suggestions resume when it is back."
NO_COMPLETIONS = "answers with something else than completions"
FAULTS: list[tuple[str, Behaviour, str]] = [
    ("401", status("401 Unauthorized"), "refuses the key in the environment variable TEAM_KEY"),
    ("403", status("403 Forbidden"), "refuses the key in the environment variable TEAM_KEY"),
    ("404", status("404 Not Found"), "Set `dsc.remoteModel` to a model that it serves"),
    ("422", status("422 Unprocessable"), "does not accept a field of the request"),
    ("418", status("418 Teapot"), "answers with HTTP 418"),
    ("429, much later", status("429 Busy", "Retry-After: 3600"), "has too much to do"),
    (
        "429, at a date",
        status("429 Busy", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"),
        "too much",
    ),
    ("500", status("500 Oops"), "has failed (HTTP 500). Its log says why."),
    ("503", status("503 Loading"), "may be loading its model"),
    ("slow headers", dribbles_headers, "said nothing for 1 s"),
    ("silence", lambda call: call.is_gone(10), "said nothing for 1 s"),
    ("hangs up", lambda call: call.hang_up(), CANNOT_BE_REACHED),
    ("broken stream", breaks_off, CANNOT_BE_REACHED),
    ("no HTTP", lambda call: call.send("SSH-2.0-OpenSSH\r\n\r\n"), CANNOT_BE_REACHED),
    ("garbage", says_garbage, NO_COMPLETIONS),
    ("other JSON", says_other_json, NO_COMPLETIONS),
    ("deep JSON", nests_deeply, NO_COMPLETIONS),
    ("a web page", is_a_web_page, NO_COMPLETIONS),
    ("1 GB in one line", is_a_gigabyte, NO_COMPLETIONS),
    ("1 GB of JSON", is_a_gigabyte_of_json, NO_COMPLETIONS),
    ("1 GB of nothing", is_a_gigabyte_of_comments, "said nothing for 1 s"),
    ("an error in the stream", tells_of_an_error, "failed while it answered"),
]


@pytest.mark.parametrize(
    ("behaviour", "told"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
def test_each_fault_has_words_for_the_user(behaviour: Behaviour, told: str) -> None:
    with serving(behaviour) as server, engine_of(server) as engine:
        message = refusal(engine)
        assert told in message
        assert server.place in message
        assert refusal(engine) == message, "an outage is told in one way"


def test_a_server_that_takes_no_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is full: a connection is neither taken nor refused, as behind a firewall."""
    monkeypatch.setattr(connection, "_CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as waiting:
        port = listener.getsockname()[1]
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        with engine_of(FakeServer(says("x"), {}, port)) as engine:
            assert CANNOT_BE_REACHED in refusal(engine)


def test_a_redirect_is_refused_and_the_key_stays_here() -> None:
    with serving(says("stolen")) as other:
        target = f"Location: http://localhost:{other.port}/v1/completions"
        redirect = status("307 Temporary Redirect", target)
        with serving(redirect) as server, engine_of(server) as engine:
            assert "sends us to localhost, which is refused" in refusal(engine)
        assert other.connections == 0


def test_a_busy_server_is_asked_again_when_it_says_so() -> None:
    def busy_at_first(call: Call) -> None:
        if len(server.calls) == 1:
            answer(call, "429 Busy", "", "Retry-After: 1")
        else:
            says("pass")(call)

    with serving(busy_at_first) as server, engine_of(server) as engine:
        start = time.monotonic()
        assert suggest(engine) == "pass"
        assert time.monotonic() - start >= 1
        assert len(server.calls) == 2


def test_nothing_is_asked_again_once_something_was_said() -> None:
    with serving(breaks_off) as server, engine_of(server) as engine:
        refusal(engine)
        assert len(server.calls) == 1


def test_a_connection_that_the_server_closed_meanwhile_costs_nothing() -> None:
    def once(call: Call) -> None:
        says("pass")(call)
        call.hang_up()

    with serving(once) as server, engine_of(server) as engine:
        assert [suggest(engine) for _ in range(3)] == ["pass"] * 3


def test_half_a_character_is_left_out() -> None:
    def behave(call: Call) -> None:
        begin_stream(call)
        send_part(call, b'data: {"choices": [{"text": "a\xc3"}]}\n\n')
        send_part(call, event("b"))
        end_stream(call)

    with serving(behave) as server, engine_of(server) as engine:
        assert suggest(engine) == "ab"


def test_a_character_cut_between_two_packets_is_whole() -> None:
    def behave(call: Call) -> None:
        begin_stream(call)
        data = 'data: {"choices": [{"text": "größe"}]}\r\n\r\n'.encode()
        for byte in data:
            send_part(call, bytes([byte]))
        end_stream(call)

    with serving(behave) as server, engine_of(server) as engine:
        assert suggest(engine) == "größe"


@pytest.mark.parametrize("done", [True, False])
def test_a_stream_may_end_with_done_or_without(*, done: bool) -> None:
    with serving(says("re", "turn", done=done)) as server, engine_of(server) as engine:
        assert suggest(engine) == "return"


def test_a_server_that_does_not_stream_is_taken_at_its_word() -> None:
    def whole(call: Call) -> None:
        answer(call, "200 OK", '{"choices": [{"text": "pass"}]}', "Content-Type: application/json")

    with serving(whole) as server, engine_of(server) as engine:
        assert suggest(engine) == "pass"


def test_connections_are_used_again() -> None:
    with serving(says("pass")) as server, engine_of(server) as engine:
        before = server.connections
        assert [suggest(engine) for _ in range(3)] == ["pass"] * 3
        assert server.connections == before


def test_a_server_that_never_ends_is_left_after_what_was_asked_for() -> None:
    ended: list[bool] = []

    def endless(call: Call) -> None:
        begin_stream(call)
        while not ended:
            try:
                send_part(call, event("x"))
            except Exception:
                ended.append(True)
                raise

    with serving(endless) as server, engine_of(server) as engine:
        prompt = prompt_at(CURSOR, Settings(), engine)
        generation = engine.generate(GenerationRequest(prompt, 64), CancelToken())
        assert b"".join(token.data for token in generation.tokens) == b"x" * 64
        wait_for(lambda: bool(ended))


@pytest.mark.parametrize("begun", [False, True])
def test_a_cancel_reaches_the_server_at_once(*, begun: bool) -> None:
    """Long before anybody would have lost patience with the server."""
    cancel = CancelToken()
    gone: list[bool] = []

    def silent(call: Call) -> None:
        if begun:
            begin_stream(call)
            send_part(call, event("a"))
            send_part(call, event("b"))
        cancel.cancel()
        gone.append(call.is_gone(PATIENCE_SECONDS))

    with serving(silent) as server:
        with engine_of(server, patience_seconds=3 * PATIENCE_SECONDS) as engine:
            with pytest.raises(Cancelled):
                suggest(engine, cancel)
            wait_for(lambda: bool(gone))
            assert gone == [True]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
