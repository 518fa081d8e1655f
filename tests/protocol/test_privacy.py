"""What stands in documents appears in suggestions and nowhere else."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from dsc_lsp.engine.base import EngineError
from dsc_lsp.settings import Settings
from tests.protocol.client import Client, connected, insertion
from tests.scripted import ScriptedEngine

MARKER = "SECRET_5f3a"
URI = f"file:///home/{MARKER}_in_path/main.py"
TEXT = f"{MARKER} = {MARKER!r} + \n"


class Explosive(ScriptedEngine):
    """Fails with the prompt in its message, as libraries do."""

    def generate(self, request: Any, cancel: Any) -> Any:  # noqa: ARG002
        raise ValueError("".join(part.text for part in request.prompt.parts))


@pytest.fixture(autouse=True)
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Log as the server does at its most talkative level without ``--log-content``."""
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("dsc_lsp.content").setLevel(logging.WARNING)
    yield
    logging.getLogger("pygls").setLevel(logging.NOTSET)
    logging.getLogger("dsc_lsp.content").setLevel(logging.NOTSET)
    assert MARKER not in caplog.text
    assert "Traceback" not in caplog.text


def assert_clean(client: Client) -> None:
    said = json.dumps(client.received)
    assert MARKER not in said
    assert "Traceback" not in said
    assert ".py" not in said


async def test_broken_requests() -> None:
    async with connected() as client:
        await client.open_session()
        client.open(TEXT, URI)
        document = {"uri": URI, "text": TEXT}
        for params in (document, [document], {"textDocument": document, "position": TEXT}, TEXT):
            for method in ("textDocument/completion", "textDocument/inlineCompletion"):
                assert "error" in await client.request(method, params)
            client.notify("textDocument/didChange", params)
            client.notify("textDocument/didOpen", params)
            client.notify("workspace/didChangeWorkspaceFolders", params)
        client.send_bytes(b"Content-Length: 30\r\n\r\n" + TEXT.encode() * 2)
        client.send({"jsonrpc": "2.0", "method": 5, "params": document})
        client.send({"jsonrpc": MARKER, "method": "shutdown", "id": 77, "params": document})
        client.send({"jsonrpc": "2.0", "id": "x", "result": document})
        await client.settled()
        assert_clean(client)


async def test_an_engine_that_fails_with_code_in_its_message() -> None:
    async with connected(Explosive("")) as client:
        await client.open_session()
        await client.loaded()
        client.open(TEXT, URI)
        for column in range(3):
            answer = await client.answer(client.ghost_text(0, column, URI))
            assert answer["result"] == {"items": []}
        assert_clean(client)
        assert len(client.shown()) == 1
        assert "ValueError" in client.shown()[0]


async def test_a_bug_in_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(*arguments: Any) -> None:
        raise RuntimeError(str(arguments))

    async with connected() as client:
        await client.open_session()
        client.open(TEXT, URI)
        await client.settled()
        for name in ("cursor_at", "changed", "document_of"):
            monkeypatch.setattr(f"dsc_lsp.convert.{name}", buggy)
        client.open(TEXT, URI)
        client.change(2, insertion(0, 0, MARKER), uri=URI)
        answer = await client.answer(client.popup(0, 4, URI))
        assert answer["result"]["items"] == [], "no text is better than a wrong one"
        monkeypatch.undo()
        client.open(TEXT, URI)
        monkeypatch.setattr("dsc_lsp.convert.cursor_at", buggy)
        assert "error" in await client.answer(client.popup(0, 4, URI))
        assert_clean(client)


async def test_a_load_that_fails_with_anything(caplog: pytest.LogCaptureFixture) -> None:
    def load(_settings: Settings, _report: Any) -> ScriptedEngine:
        raise EngineError("There is no model.")

    async with connected(load) as client:
        await client.open_session()
        await client.loaded()
        assert_clean(client)
        assert client.shown() == ["There is no model."]


async def test_ordinary_work() -> None:
    async with connected(ScriptedEngine(f"{MARKER}()")) as client:
        await client.open_session()
        await client.loaded()
        client.open(TEXT, URI)
        answer = await client.answer(client.ghost_text(0, len(TEXT) - 1, URI))
        assert answer["result"]["items"][0]["insertText"] == f"{MARKER}()"
        client.received.remove(answer)
        client._asked.subtract([json.dumps(answer["id"])])
        assert_clean(client)
