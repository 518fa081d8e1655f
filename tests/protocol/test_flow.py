"""Clients that read slowly, write much or hang up, and what is left of the server afterwards."""

import asyncio
import threading

import pytest

from dsc_lsp.server import transport
from dsc_lsp.server.memory import memory_limit, watch_memory
from tests.protocol.client import PATIENCE_SECONDS, connected, frame
from tests.scripted import ScriptedEngine

PROBE = {"jsonrpc": "2.0", "method": "no/suchMethod"}


async def test_a_client_that_does_not_read_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers wait within bounds, nothing is lost, and the loop goes on with other work."""
    limit = 2**20
    monkeypatch.setattr(transport, "WAITING_BYTES", limit)
    async with connected(ScriptedEngine("ok")) as client:
        await client.open_session()
        await client.loaded()
        client.reading.clear()
        numbers = range(1000, 9_000)
        client._asked.update(map(str, numbers))
        questions = b"".join(frame({**PROBE, "id": number}) for number in numbers)
        flood = threading.Thread(target=client.send_bytes, args=(questions,))
        flood.start()
        waiting = client.server.protocol.writer.backlog
        while waiting._waiting < limit:
            assert flood.is_alive(), "the flood is greater than what may wait"
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert flood.is_alive(), "nothing more is read"
        assert waiting._waiting < 2 * limit
        client.reading.set()
        await asyncio.to_thread(flood.join, PATIENCE_SECONDS)
        assert not flood.is_alive()
        await client.settled()


async def test_a_client_that_closes_its_ear_ends_the_server() -> None:
    async with connected() as client:
        await client.open_session()
        await client.settled()
        client.deafen()
        # Answers on their way when the ear was closed are lost without a sign: the server
        # notices at the first one after.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not client.exit.done():
                client.send_bytes(frame({**PROBE, "id": None}))
                await asyncio.sleep(0.01)
        assert (await client.ended()).code == 1


async def test_the_end_of_input_ends_the_server_while_the_model_loads() -> None:
    release = threading.Event()

    def load(_settings: object, _report: object) -> ScriptedEngine:
        release.wait(20)
        return ScriptedEngine("ok")

    async with connected(load) as client:
        await client.open_session()
        client.hang_up()
        threading.Timer(0.2, release.set).start()
        assert (await client.ended()).code == 1


async def test_the_memory_watch_tells_once_each_way() -> None:
    used = iter([10, 101, 150, 95, 89, 50, 101])
    told: list[bool] = []
    try:
        await watch_memory(100, told.append, lambda: next(used), 0)
    except RuntimeError:  # no more numbers
        assert told == [True, False, True]
    assert memory_limit(5) == 5 * 2**20
    assert memory_limit(0) > 2**28
