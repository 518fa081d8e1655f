"""At the deadline what is complete is answered, and the model goes on until others need it."""

import asyncio
import dataclasses
import threading

import pytest

from dsc_lsp.settings import Settings
from tests.protocol.client import PATIENCE_SECONDS, Client, connected, insertion
from tests.scripted import ScriptedEngine, byte_tokens

CODE = "def f():\n    \n\n\ndef g():\n    \n"
BLOCK = "a = 1\n    b = 2\n    c = 3\n\n"
WHOLE = "a = 1\n    b = 2\n    c = 3"
WAITING = Settings(prepare_next=False, deadline_milliseconds=0)


class Gate:
    """Holds the first generation before the token that begins behind a text, until opened."""

    def __init__(self, answer: str, behind: str) -> None:
        tokens = byte_tokens(answer)
        self.token = next(
            number for number in range(len(tokens)) if b"".join(tokens[:number]) >= behind.encode()
        )
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, number: int) -> None:
        if number == self.token and not self._open.is_set():
            self.reached.set()
            assert self._open.wait(PATIENCE_SECONDS)

    def open(self) -> None:
        self._open.set()

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, PATIENCE_SECONDS)


async def opened(client: Client) -> None:
    await client.open_session()
    await client.loaded()
    client.open(CODE)


async def texts(client: Client, request_id: object) -> list[str]:
    answer = await client.answer(request_id)
    return [item["insertText"] for item in answer["result"]["items"]]


async def at_deadline(client: Client, gate: Gate, line: int, character: int) -> list[str]:
    """Return what a request gets whose deadline comes while the gate holds the engine."""
    client.ghost_text(line, character)
    await gate.wait()
    client.server.settings = dataclasses.replace(WAITING, deadline_milliseconds=1)
    joined = client.ghost_text(line, character)
    got = await texts(client, joined)
    client.server.settings = WAITING
    return got


async def late(client: Client, line: int, character: int, expected: str) -> None:
    """Ask until what came late is known."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await texts(client, client.ghost_text(line, character)) != [expected]:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a = 1\n", ["a = 1"]),
        ("a = 1\n    b = 2", ["a = 1"]),
        ("a = 1\n    b = 2\n", ["a = 1\n    b = 2"]),
        ("a =", []),
        ("", []),
    ],
)
async def test_what_is_complete_is_answered(written: str, expected: list[str]) -> None:
    gate = Gate(BLOCK, written)
    async with connected(ScriptedEngine(BLOCK, before_token=gate), WAITING) as client:
        await opened(client)
        assert await at_deadline(client, gate, 1, 4) == expected
        gate.open()


async def test_the_rest_comes_in_the_background_and_the_next_key_is_free() -> None:
    gate = Gate(BLOCK, "a = 1\n    b")
    engine = ScriptedEngine(BLOCK, before_token=gate)
    async with connected(engine, WAITING) as client:
        await opened(client)
        assert await at_deadline(client, gate, 1, 4) == ["a = 1"]
        gate.open()
        await late(client, 1, 4, WHOLE)
        client.change(2, insertion(1, 4, "a ="))
        assert await texts(client, client.ghost_text(1, 7)) == [WHOLE.removeprefix("a =")]
        assert len(engine.requests) == 1


async def test_who_accepts_the_part_gets_the_rest_of_the_same_generation() -> None:
    gate = Gate(BLOCK, "a = 1\n    b")
    engine = ScriptedEngine(BLOCK, before_token=gate)
    async with connected(engine, WAITING) as client:
        await opened(client)
        assert await at_deadline(client, gate, 1, 4) == ["a = 1"]
        client.change(2, insertion(1, 4, "a = 1\n    "))
        asked = client.ghost_text(2, 4)
        await client.settled()
        gate.open()
        assert await texts(client, asked) == ["b = 2\n    c = 3"]
        assert len(engine.requests) == 1


async def test_where_nothing_was_complete_the_user_is_told_why() -> None:
    gate = Gate(BLOCK, "a =")
    async with connected(ScriptedEngine(BLOCK, before_token=gate), WAITING) as client:
        await opened(client)
        assert await at_deadline(client, gate, 1, 4) == []
        await client.request("workspace/executeCommand", {"command": "dsc.explain"})
        assert "dsc.deadlineMilliseconds" in client.shown()[-1]
        gate.open()
        await late(client, 1, 4, WHOLE)


async def test_what_runs_in_the_background_makes_way_for_another_document() -> None:
    gate = Gate(BLOCK, "a = 1\n    b")
    engine = ScriptedEngine(BLOCK, "ok\n", before_token=gate)
    async with connected(engine, WAITING) as client:
        await opened(client)
        client.open("x = \n", "file:///other.py")
        assert await at_deadline(client, gate, 1, 4) == ["a = 1"]
        asked = client.ghost_text(0, 4, "file:///other.py")
        await client.settled()
        gate.open()
        await client.answer(asked)
        # The first generation has not said a token more.
        assert engine.said[gate.token :] == [b"ok\n"]
        assert len(engine.requests) == 2


async def test_what_runs_in_the_background_makes_way_for_another_place() -> None:
    gate = Gate(BLOCK, "a = 1\n    b")
    engine = ScriptedEngine(BLOCK, "ok\n", before_token=gate)
    async with connected(engine, WAITING) as client:
        await opened(client)
        assert await at_deadline(client, gate, 1, 4) == ["a = 1"]
        asked = client.ghost_text(5, 4)
        await client.settled()
        gate.open()
        await client.answer(asked)
        assert engine.said[gate.token :] == [b"ok\n"]


async def test_after_a_cancel_the_engine_is_free_within_a_step() -> None:
    gate = Gate(BLOCK, "a = 1\n")
    engine = ScriptedEngine(BLOCK, "ok\n", before_token=gate)
    async with connected(engine, WAITING) as client:
        await opened(client)
        asked = client.ghost_text(1, 4)
        await gate.wait()
        client.notify("$/cancelRequest", {"id": asked})
        await client.answer(asked)
        said = len(engine.said)
        gate.open()
        assert await texts(client, client.ghost_text(5, 4)) == ["ok"]
        assert said == gate.token
        assert b"".join(engine.said[said:]) == b"ok\n"


async def test_without_a_deadline_all_of_it_is_waited_for() -> None:
    gate = Gate(BLOCK, "a = 1\n")
    async with connected(ScriptedEngine(BLOCK, before_token=gate), WAITING) as client:
        await opened(client)
        asked = client.ghost_text(1, 4)
        await gate.wait()
        gate.open()
        assert await texts(client, asked) == [WHOLE]


async def test_each_kind_has_its_own_deadline_and_one_answer() -> None:
    gate = Gate(BLOCK, "a = 1\n")
    async with connected(ScriptedEngine(BLOCK, before_token=gate), WAITING) as client:
        await opened(client)
        popup = client.popup(1, 4)
        assert await at_deadline(client, gate, 1, 4) == ["a = 1"]
        gate.open()
        answer = await client.answer(popup)
        assert answer["result"]["isIncomplete"] is True
        assert "c = 3" in str(answer["result"]["items"])
