"""Messages bent out of shape: the server answers each request once and lives on."""

import asyncio
import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol.client import URI, connected, inline_params, insertion, place
from tests.scripted import ScriptedEngine

DOCUMENT = {"uri": URI, "languageId": "python", "version": 1, "text": "x = (\n\n"}
CORPUS: list[dict[str, Any]] = [
    {"method": "initialize", "id": 1, "params": {"capabilities": {}, "processId": None}},
    {"method": "initialized", "params": {}},
    {"method": "textDocument/didOpen", "params": {"textDocument": DOCUMENT}},
    {
        "method": "textDocument/didChange",
        "params": {
            "textDocument": {"uri": URI, "version": 2},
            "contentChanges": [insertion(0, 4, "1"), {"text": "x = \n"}],
        },
    },
    {"method": "textDocument/didClose", "params": {"textDocument": {"uri": URI}}},
    {"method": "textDocument/didSave", "params": {"textDocument": {"uri": URI}, "text": "x"}},
    {"method": "textDocument/inlineCompletion", "id": 2, "params": inline_params(0, 4)},
    {"method": "textDocument/completion", "id": "3", "params": place(0, 4)},
    {"method": "$/cancelRequest", "params": {"id": 2}},
    {"method": "$/setTrace", "params": {"value": "verbose"}},
    {"method": "workspace/didChangeConfiguration", "params": {"settings": {"dsc": {}}}},
    {"method": "workspace/didChangeWorkspaceFolders", "params": {"event": {"added": []}}},
    {"method": "workspace/executeCommand", "id": 4, "params": {"command": "x", "arguments": []}},
    {"method": "window/workDoneProgress/cancel", "params": {"token": "dsc-lsp/loading"}},
    {"method": "notebookDocument/didOpen", "params": {"notebookDocument": {}}},
    {"method": "shutdown", "id": 5},
    {"id": "x", "result": [None]},
    {"id": 7, "error": {"code": 1, "message": "no"}},
]
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5),
    st.sampled_from([2**31, 2**63, -(2**63), 1e308, 0.5, "", "\ud800", "x" * 1000, [], {}, [[]]]),
    st.text(max_size=5),
    st.sampled_from(CORPUS),
).map(copy.deepcopy)


@st.composite
def bent_messages(draw: st.DrawFn) -> Any:
    """Take a message and change up to three places in it."""
    message = copy.deepcopy(draw(st.sampled_from(CORPUS)))
    for _ in range(draw(st.integers(0, 3))):
        where: Any = message
        while isinstance(where, dict | list) and where:
            keys = sorted(where) if isinstance(where, dict) else range(len(where))
            key = draw(st.sampled_from(keys))
            if not isinstance(where[key], dict | list) or draw(st.integers(0, 2)) == 0:
                bend(draw, where, key)
                break
            where = where[key]
    return message


def bend(draw: st.DrawFn, where: Any, key: Any) -> None:
    how = draw(st.sampled_from(["drop", "junk", "junk", "add"]))
    if how == "drop":
        del where[key]
    elif how == "junk":
        where[key] = draw(JUNK)
    elif isinstance(where, dict):
        where[draw(st.sampled_from(["id", "jsonrpc", "method", "params", "x"]))] = draw(JUNK)
    else:
        where.append(draw(JUNK))


@settings(max_examples=80)
@given(st.lists(st.one_of(bent_messages(), st.lists(bent_messages(), max_size=3)), max_size=25))
def test_bent_messages(messages: list[Any]) -> None:
    async def session() -> None:
        async with connected(ScriptedEngine("answer")) as client:
            for message in messages:
                if "exit" not in json.dumps(message):
                    client.send(message)
            await client.settled()
            await client.until(lambda: not client.unanswered())
            assert not client.exit.done()

    asyncio.run(session())


@settings(max_examples=40)
@given(st.data())
def test_broken_bytes_between_messages(data: st.DataObject) -> None:
    """Bytes are lost, doubled and changed; the second message after that is answered."""
    body = json.dumps({"jsonrpc": "2.0", "method": "no/such", "params": "y" * 30}).encode()
    whole = b"Content-Length: %d\r\n\r\n" % len(body) + body
    at = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(at, len(whole)))
    broken = whole[:at] + data.draw(st.binary(max_size=20)) + whole[end:]

    async def session() -> None:
        async with connected() as client:
            client.send_bytes(broken)
            client.notify("no/such", "z" * 200)
            await client.settled()
            await client.settled()

    asyncio.run(session())
