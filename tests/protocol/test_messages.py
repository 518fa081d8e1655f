"""Messages of every method, right and wrong: each request is answered once, with its own error."""

import asyncio
from itertools import count
from typing import Any

import pytest
from lsprotocol import types
from pygls.protocol import default_converter

from tests.protocol import messages
from tests.protocol.client import connected
from tests.scripted import ScriptedEngine

INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32600, -32601, -32602
NOT_INITIALIZED, CANCELLED = -32002, -32800
ENDS = {"exit", "shutdown"}
HANDLED = {
    "textDocument/completion",
    "textDocument/inlineCompletion",
    "completionItem/resolve",
    "workspace/executeCommand",
}
METHODS = [method for method in messages.methods() if method not in ENDS]
AMOUNTS = [(10, 12), pytest.param((1_000, 1_000), marks=pytest.mark.slow)]


def test_what_is_called_valid_is_valid() -> None:
    converter = default_converter()
    for method in messages.methods():
        made = messages.valid(method, 40)
        assert made
        for message in made:
            identity = {"id": 1} if messages.is_request(method) else {}
            converter.structure({**message, **identity}, types.METHOD_TO_TYPES[method][0])


@pytest.mark.parametrize("amounts", AMOUNTS)
async def test_in_a_session(amounts: tuple[int, int]) -> None:
    right = [m for method in METHODS for m in messages.valid(method, amounts[0])]
    wrong = [m for method in METHODS for m in messages.invalid(method, amounts[1])]
    async with connected(ScriptedEngine("answer")) as client:
        await client.open_session()
        await client.loaded()
        numbered = with_ids([*right, *wrong])
        for start in range(0, len(numbered), 500):
            part = numbered[start : start + 500]
            await asyncio.to_thread(lambda part=part: [client.send(m) for m in part])
            await client.settled()
        await client.until(lambda: not client.unanswered())
        assert not client.exit.done()
        answers = {m["id"]: m.get("error", {}).get("code") for m in client.received if "id" in m}
    for number, message in enumerate(numbered):
        if "id" not in message:
            continue
        told = answers[message["id"]]
        if message["method"] == "initialize":
            assert told == INVALID_REQUEST
        elif message["method"] not in HANDLED:
            assert told == METHOD_NOT_FOUND
        elif number >= len(right):
            assert told in {None, CANCELLED, INVALID_PARAMS}, message
        elif message["method"] != "workspace/executeCommand":  # there are few of all commands
            assert told in {None, CANCELLED}, message


async def test_before_a_session() -> None:
    made = [m for method in METHODS for m in messages.valid(method, 2)]
    async with connected() as client:
        numbered = with_ids([m for m in made if m["method"] != "initialize"])
        for message in numbered:
            client.send(message)
        await client.settled()
        codes = {m["error"]["code"] for m in client.received}
    assert codes == {NOT_INITIALIZED}


def with_ids(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each message of a request an id, of both kinds in turn."""
    numbers = (str(n) if n % 2 else n for n in count(10_000))
    return [
        {**message, "id": next(numbers)} if messages.is_request(message["method"]) else message
        for message in made
    ]
