"""In a pause the prompt is anchored anew and read in the background, for the next key."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from dsc_lsp.engine.base import Prompt
from dsc_lsp.server import offering
from dsc_lsp.settings import Settings
from tests.protocol.client import PATIENCE_SECONDS, URI, Client, connected, insertion
from tests.scripted import ScriptedEngine

CODE = "import a\n" * 5 + "x = \n" + "print(x)\n" * 5
PREPARING = Settings(prepare_next=True, deadline_milliseconds=0)
NOTHING = "\n"


async def opened(client: Client) -> None:
    await client.open_session()
    await client.loaded()
    client.open(CODE)


async def typed(client: Client, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Type key by key at the end of ``x = ``, ask after each, and pause."""
    monkeypatch.setattr(offering, "PAUSE_SECONDS", PATIENCE_SECONDS)
    await client.answer(client.ghost_text(5, 4))
    for column, key in enumerate(text, 4):
        client.change(column, insertion(5, column, key))
        await client.answer(client.ghost_text(5, column + 1))
    monkeypatch.setattr(offering, "PAUSE_SECONDS", 0.05)
    await client.answer(client.ghost_text(5, 4 + len(text)))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def prefix(prompt: Prompt) -> str:
    return next(part.text for part in prompt.parts if not part.control)


async def test_the_middle_is_anchored_anew_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScriptedEngine(NOTHING)
    async with connected(engine, PREPARING) as client:
        await opened(client)
        await typed(client, monkeypatch, "(a + ")
        await until(lambda: engine.requests[-1].max_new_tokens == 1)
        asked, read = engine.requests[-2].prompt, engine.requests[-1].prompt
        assert (prefix(asked)[-4:], asked.parts[-1].text) == ("x = ", "(a + ")
        assert (prefix(read)[-9:], read.parts[-1].control) == ("x = (a + ", True)
        client.change(20, insertion(5, 9, "b"))
        await client.answer(client.ghost_text(5, 10))
        assert engine.requests[-1].prompt.ids == (*read.ids, ord("b"))


async def test_nothing_is_read_where_the_prompt_is_anchored_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = ScriptedEngine(NOTHING)
    async with connected(engine, PREPARING) as client:
        await opened(client)
        await typed(client, monkeypatch, "")
        await asyncio.sleep(0.15)
        assert len(engine.requests) == 1


@pytest.mark.parametrize("settings", [PREPARING, Settings(prepare_next=False)])
async def test_nothing_is_read_where_it_is_of_no_use(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine(NOTHING)
    async with connected(engine, settings) as client:
        await opened(client)
        await typed(client, monkeypatch, "(a")
        if settings is PREPARING:  # there is no such text any more
            client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        await asyncio.sleep(0.15)
        assert all(request.max_new_tokens > 1 for request in engine.requests)


async def test_who_asks_meanwhile_is_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def held(_number: int) -> None:
        if engine.requests[-1].max_new_tokens == 1 and not reached.is_set():
            reached.set()
            assert go_on.wait(PATIENCE_SECONDS)

    engine = ScriptedEngine(NOTHING, before_token=held)
    async with connected(engine, PREPARING) as client:
        await opened(client)
        await typed(client, monkeypatch, "(a + ")
        assert await asyncio.to_thread(reached.wait, PATIENCE_SECONDS)
        said = len(engine.said)
        client.change(20, insertion(5, 9, "b"))
        asked = client.ghost_text(5, 10)
        await client.settled()
        go_on.set()
        await client.answer(asked)
        assert len(engine.said) == said + 1
        assert engine.requests[-1].prompt.parts[-1].text == "b"
