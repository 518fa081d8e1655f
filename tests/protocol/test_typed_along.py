"""Keys that type along a suggestion are answered from memory, without the engine."""

import threading

from tests.protocol.client import PATIENCE_SECONDS, Client, connected, insertion
from tests.scripted import ScriptedEngine

CANCELLED = -32800


async def opened(client: Client, text: str) -> None:
    await client.open_session()
    await client.loaded()
    client.open(text)


async def ghost_text(client: Client, line: int, character: int) -> list[str]:
    answer = await client.answer(client.ghost_text(line, character))
    return [item["insertText"] for item in answer["result"]["items"]]


async def test_typing_along_and_deleting_again_asks_the_engine_once() -> None:
    engine = ScriptedEngine("total(1)\n", "other\n")
    async with connected(engine) as client:
        await opened(client, "x = \ny = 2\n")
        assert await ghost_text(client, 0, 4) == ["total(1)"]
        for version, key in enumerate("tot", 2):
            client.change(version, insertion(0, 2 + version, key))
            assert await ghost_text(client, 0, 3 + version) == ["total(1)"[version - 1 :]]
        one = {"start": {"line": 0, "character": 6}, "end": {"line": 0, "character": 7}}
        client.change(5, {"range": one, "text": ""})
        assert await ghost_text(client, 0, 6) == ["tal(1)"]
        assert len(engine.requests) == 1
        popup = await client.answer(client.popup(0, 6))
        [item] = popup["result"]["items"]
        assert item["textEdit"]["newText"] == "total(1)"
        assert len(engine.requests) == 1


async def test_another_key_an_edit_elsewhere_and_a_new_setting_ask_the_engine_again() -> None:
    engine = ScriptedEngine("total(1)\n", "bad\n", "time\n", "set\n")
    async with connected(engine) as client:
        await opened(client, "x = \ny = 2\n")
        assert await ghost_text(client, 0, 4) == ["total(1)"]
        client.change(2, insertion(0, 4, "b"))
        assert await ghost_text(client, 0, 5) == ["bad"]
        client.change(3, insertion(1, 0, "z"))
        assert await ghost_text(client, 0, 5) == ["time"]
        client.notify("workspace/didChangeConfiguration", {"settings": {"dsc": {"maxLines": 3}}})
        assert await ghost_text(client, 0, 5) == ["set"]


async def test_an_older_request_is_superseded_by_one_that_needs_no_engine() -> None:
    reached, release = threading.Event(), threading.Event()

    def hold(_number: int) -> None:
        if len(engine.requests) == 2:
            reached.set()
            assert release.wait(PATIENCE_SECONDS)

    engine = ScriptedEngine("total\n", "slow\n", before_token=hold)
    async with connected(engine) as client:
        await opened(client, "x = \n")
        assert await ghost_text(client, 0, 4) == ["total"]
        client.change(2, insertion(0, 4, "b"))
        older = client.ghost_text(0, 5)
        await client.settled()
        one = {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 5}}
        client.change(3, {"range": one, "text": "t"})
        assert await ghost_text(client, 0, 5) == ["otal"]
        assert (await client.answer(older))["error"]["code"] == CANCELLED
        release.set()


async def test_a_closed_document_forgets_its_suggestions() -> None:
    engine = ScriptedEngine("total\n", "again\n")
    async with connected(engine) as client:
        await opened(client, "x = \n")
        assert await ghost_text(client, 0, 4) == ["total"]
        client.notify(
            "textDocument/didClose", {"textDocument": {"uri": "file:///project/main.py"}}
        )
        client.open("x = t\n")
        assert await ghost_text(client, 0, 5) == ["again"]
