"""What an editor's status bar is told, and that others are not bothered with it."""

import threading
from typing import Any

import pytest

from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.worker import Report
from dsc_lsp.server import session
from dsc_lsp.settings import Settings
from tests.protocol.client import Client, connected, insertion
from tests.scripted import ScriptedEngine

CREATE = "window/workDoneProgress/create"
ASKS = {"experimental": {"dscStatus": True}}


def states(client: Client) -> list[str]:
    """Return the states that were told, in order."""
    return [message["params"]["state"] for message in client.of_method("dsc/status")]


def last(client: Client) -> Any:
    """Return the last status that was told."""
    return client.of_method("dsc/status")[-1]["params"]


async def test_the_capability_is_advertised() -> None:
    async with connected() as client:
        answer = await client.open_session()
        assert answer["result"]["capabilities"]["experimental"] == {"dscStatus": True}


@pytest.mark.parametrize("experimental", [None, {}, {"dscStatus": False}, {"dscStatus": 1}, [1]])
async def test_who_does_not_ask_is_told_nothing(experimental: object) -> None:
    async with connected() as client:
        await client.open_session(experimental=experimental)
        await client.loaded()
        client.open("x = ")
        await client.answer(client.ghost_text(0, 4))
        assert states(client) == []


async def test_loading_is_told_with_its_percent() -> None:
    release = threading.Event()

    def load(_settings: Settings, report: Report) -> ScriptedEngine:
        report("Reading weights", 40)
        release.wait(20)
        return ScriptedEngine("ok")

    async with connected(load) as client:
        await client.open_session(**ASKS)
        await client.until(lambda: bool(states(client)) and last(client)["percent"] == 40)
        assert last(client) == {
            "state": "loading",
            "model": None,
            "message": "Reading weights",
            "percent": 40,
            "milliseconds": None,
        }
        release.set()
        await client.until(lambda: last(client)["state"] == "ready")
        assert last(client)["model"] == "scripted"
        assert last(client)["milliseconds"] is None


async def test_a_suggestion_is_thinking_and_then_ready_with_its_milliseconds() -> None:
    async with connected(ScriptedEngine("answer", "other")) as client:
        await client.open_session(**ASKS)
        await client.loaded()
        client.open("x = ")
        await client.answer(client.ghost_text(0, 4))
        await client.settled()
        assert states(client)[-3:] == ["ready", "thinking", "ready"]
        assert last(client)["milliseconds"] >= 0
        told = len(states(client))
        client.change(2, insertion(0, 4, "a"))
        await client.answer(client.ghost_text(0, 5))
        assert len(states(client)) == told, "typing along needs no model"


async def test_a_model_that_does_not_load_is_told_with_the_remedy() -> None:
    def load(_settings: Settings, _report: Report) -> ScriptedEngine:
        raise EngineError("It is not there. Set `dsc.model`.")

    async with connected(load) as client:
        await client.open_session(**ASKS)
        await client.until(lambda: bool(states(client)) and last(client)["state"] == "error")
        assert last(client)["message"] == "It is not there. Set `dsc.model`."


async def test_a_failing_model_is_told_until_it_succeeds() -> None:
    failure = EngineError("The endpoint does not answer. Check `dsc.model`.")
    async with connected(ScriptedEngine(failure, "answer")) as client:
        await client.open_session(**ASKS)
        await client.loaded()
        client.open("x = ")
        await client.answer(client.ghost_text(0, 4))
        await client.settled()
        assert last(client)["state"] == "error"
        assert last(client)["message"] == str(failure)
        client.change(2, insertion(0, 4, "y"))
        await client.answer(client.ghost_text(0, 5))
        await client.settled()
        assert (last(client)["state"], last(client)["message"]) == ("ready", "")


async def test_switching_off_and_on_is_told() -> None:
    async with connected() as client:
        await client.open_session(**ASKS)
        await client.loaded()
        for enabled, state in ((False, "off"), (True, "ready")):
            settings = {"settings": {"dsc": {"enabled": enabled}}}
            client.notify("workspace/didChangeConfiguration", settings)
            await client.until(lambda state=state: last(client)["state"] == state)
        off = client.of_method("dsc/status")[-2]["params"]
        assert "`dsc.enabled`" in off["message"]


async def test_too_much_memory_is_told() -> None:
    async with connected() as client:
        await client.open_session(**ASKS)
        await client.loaded()
        client.server.memory_changed(exceeded=True)
        await client.settled()
        assert last(client)["state"] == "off"
        assert "`dsc.maxMemoryMegabytes`" in last(client)["message"]


async def test_a_model_that_is_unloaded_is_ready_and_loads_again_with_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The request that finds it unloaded is answered as while loading, the next by the model."""
    monkeypatch.setattr(session, "_SECONDS_PER_MINUTE", 0.1)
    is_open = threading.Event()

    def load(_settings: object, _report: object) -> ScriptedEngine:
        is_open.wait()  # An opened document is work, which would load an idle model again.
        return ScriptedEngine("known()")

    async with connected(load) as client:
        await client.open_session({"idleUnloadMinutes": 1}, **ASKS)
        client.open("x = ")
        await client.settled()
        is_open.set()
        await client.until(lambda: bool(states(client)) and "unloaded" in last(client)["message"])
        monkeypatch.setattr(session, "_SECONDS_PER_MINUTE", 60.0)
        assert (last(client)["state"], last(client)["model"]) == ("ready", "scripted")
        answer = await client.answer(client.ghost_text(0, 4))
        assert answer["result"]["items"] == [], "the lookup knows nothing here"
        await client.until(lambda: len(client.of_method(CREATE)) == 2)
        again = client.of_method(CREATE)[1]
        client.send({"jsonrpc": "2.0", "id": again["id"], "result": None})
        await client.until(lambda: len(ends(client)) == 2)
        assert "loading" in states(client)[states(client).index("ready") :]
        answer = await client.answer(client.ghost_text(0, 4))
        assert [item["insertText"] for item in answer["result"]["items"]] == ["known()"]


def ends(client: Client) -> list[Any]:
    """Return the ends of loading that were shown."""
    values = [message["params"]["value"] for message in client.of_method("$/progress")]
    return [value for value in values if value["kind"] == "end"]
