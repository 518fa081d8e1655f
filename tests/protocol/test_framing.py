"""The server reads what clients really send, and finds its way back after what it cannot read."""

import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dsc_lsp.server.transport import MessageReader, MessageTooLong
from dsc_lsp.settings import Settings
from tests.protocol.client import Client, connected, frame

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
PROBE = {"jsonrpc": "2.0", "id": "probe", "method": "no/suchMethod"}


async def refused_codes(client: Client) -> list[int]:
    await client.settled()
    return [answer["error"]["code"] for answer in client.answers(None)]


@pytest.mark.parametrize(
    "header",
    [
        b"content-length: %d\r\n\r\n",
        b"CONTENT-LENGTH:%d\r\n\r\n",
        b"Content-Length: %d\n\n",
        b"Content-Length : %d \r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n",
        b"X-Odd: 1\r\nContent-Length: %d\r\nContent-Type: application/x; charset=utf8\r\n\r\n",
        b"\r\n\n\r\nContent-Length: %d\r\n\r\n",
        b"warning: a wrapper prints to stdout\nContent-Length: %d\r\n\r\n",
        b"no line break before theContent-Length: %d\r\n\r\n",
        b"x" * 16_370 + b"Content-Length: %d\r\n\r\n",
    ],
)
async def test_odd_headers(header: bytes) -> None:
    async with connected() as client:
        await client.open_session()
        body = json.dumps(PROBE).encode()
        client._asked['"probe"'] += 2
        client.send_bytes((header % len(body) + body) * 2)
        assert (await client.answer("probe", 2))["error"]["code"] == METHOD_NOT_FOUND
        assert await refused_codes(client) == []


@pytest.mark.parametrize("wrong", [-30, -10, -3, -1, 1, 2, 10, 17, 19, 21, 30, 60, 10**6])
async def test_after_a_wrong_length_the_next_message_is_understood(wrong: int) -> None:
    async with connected() as client:
        await client.open_session()
        body = json.dumps({"jsonrpc": "2.0", "method": "x", "params": "y" * 50}).encode()
        client.send_bytes(b"Content-Length: %d\r\n\r\n" % (len(body) + wrong) + body)
        client.send(PROBE)
        if wrong < 0 or wrong > 20:  # else the header of the probe may look like its end
            assert (await client.answer("probe"))["error"]["code"] == METHOD_NOT_FOUND
        client.send({**PROBE, "id": "more"})
        assert (await client.answer("probe"))["error"]["code"] == METHOD_NOT_FOUND
        assert (await client.answer("more"))["error"]["code"] == METHOD_NOT_FOUND
        assert set(await refused_codes(client)) <= {PARSE_ERROR}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"jsonrpc": "2.0", "id": 1, "method": ',
        b'{"id": "\xff\xfe"}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"{" + b"9" * 5_000 + b"}",
        b"[" + b"9" * 5_000 + b"]",
    ],
)
async def test_broken_json(body: bytes) -> None:
    async with connected() as client:
        await client.open_session()
        client.send_bytes(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert await refused_codes(client) == [PARSE_ERROR]


@pytest.mark.parametrize("body", [b"5", b'"text"', b"null", b"true", b"[]", b"{}", b"[[]]"])
async def test_json_that_is_no_message(body: bytes) -> None:
    async with connected() as client:
        await client.open_session()
        client.send_bytes(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert await refused_codes(client) == [INVALID_REQUEST]


async def test_deep_parameters_are_answered() -> None:
    async with connected() as client:
        await client.open_session()
        deep = '{"a":' * 400 + "1" + "}" * 400
        for method in ("workspace/executeCommand", "textDocument/completion"):
            text = f'{{"id": "deep", "method": "{method}", "params": {deep}}}'
            client._asked['"deep"'] += 1
            client.send_bytes(b"Content-Length: %d\r\n\r\n" % len(text) + text.encode())
        assert "error" in await client.answer("deep", 2)


@pytest.mark.parametrize("how", ["file", "options"])
async def test_too_long_a_message_is_skipped(how: str) -> None:
    """The limit is set in the user's file, or by the editor for the user."""
    settings = Settings(max_message_megabytes=1) if how == "file" else None
    async with connected(settings=settings) as client:
        await client.open_session(None if how == "file" else {"maxMessageMegabytes": 1})
        client.open("x" * 2**20)
        client.send(PROBE)
        assert (await client.answer("probe"))["error"]["code"] == METHOD_NOT_FOUND
        assert await refused_codes(client) == [INVALID_REQUEST]


@pytest.mark.parametrize("digits", [b"60000000000", b"9" * 15, b"9" * 16, b"9" * 5000, b"-5"])
async def test_a_length_that_is_a_lie(digits: bytes) -> None:
    async with connected() as client:
        await client.open_session()
        client.send_bytes(b"Content-Length: " + digits + b"\r\n\r\n{}")
        client.send(PROBE)
        assert (await client.answer("probe"))["error"]["code"] == METHOD_NOT_FOUND
        assert set(await refused_codes(client)) <= {INVALID_REQUEST}


async def test_the_end_of_input_inside_a_message() -> None:
    async with connected() as client:
        await client.open_session()
        client.send_bytes(b"Content-Length: 100\r\n\r\n{")
        client.hang_up()
        assert (await client.ended()).code == 1


class Dribble(io.BytesIO):
    """A stream that brings a few bytes at a time."""

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(min(size or 3, 3))


def bodies(data: bytes, stream: type[io.BytesIO] = io.BytesIO) -> list[bytes | None]:
    reader = MessageReader(stream(data), 1000)
    read: list[bytes | None] = []
    while True:
        try:
            body = reader.read()
        except MessageTooLong:
            body = b"too long"
        if body is None:
            return read
        read.append(body)


FRAGMENTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"\r\n",
            b"\n",
            b"\r",
            b"Content-Length: ",
            b"content-length:",
            b"Content-Length: 5\r\n\r\n",
            b"Content-Length: 99999999\r\n\r\n",
            b"Content-Type: x\r\n",
            b"{}",
            frame({"a": 1}),
            frame({"text": "Content-Length: 7\r\n\r\n"}),
            b"x" * 20_000,
        ]
    ),
)


@given(st.lists(FRAGMENTS, max_size=12).map(b"".join), st.sampled_from([io.BytesIO, Dribble]))
@example(b"Content-Length: 5\r\n\r\n" + frame({"jsonrpc": "2.0"}), Dribble)
def test_whatever_was_sent_a_whole_message_after_it_is_read(
    garbage: bytes, stream: type[io.BytesIO]
) -> None:
    """The first message after the garbage may be taken for its rest; never the second."""
    wanted = [{"message": number, "text": "y" * 40} for number in range(4)]
    read = bodies(garbage + b"".join(frame(message) for message in wanted), stream)
    understood: list[Any] = []
    for body in read:
        try:
            understood.append(json.loads(body or b""))
        except ValueError:
            continue
    found = [message for message in understood if message in wanted]
    assert found == wanted[len(wanted) - len(found) :], "in order, each once, none left out"
    assert len(found) >= 2


@given(st.lists(st.binary(max_size=300).map(lambda data: b'{"%b"}' % data.hex().encode())))
def test_whole_messages_are_read_as_they_are(messages: list[bytes]) -> None:
    data = b"".join(b"Content-Length: %d\r\n\r\n" % len(body) + body for body in messages)
    assert bodies(data) == messages
