"""Requests for suggestions: cancelled, superseded, overtaken by edits and settings."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dsc_lsp.engine.base import EngineError
from dsc_lsp.server import offering
from dsc_lsp.settings import Settings
from tests.protocol.client import PATIENCE_SECONDS, URI, Client, connected, insertion
from tests.scripted import ScriptedEngine

CANCELLED = -32800


class Gate:
    """Holds the engine before its first token until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Semaphore(0)
        self._open = threading.Event()

    def __call__(self, number: int) -> None:
        if number == 0:
            self.reached.release()
            assert self._open.wait(PATIENCE_SECONDS)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Return a gate that is open at the end."""
    gate = Gate()
    yield gate
    gate.open()


async def opened(client: Client, text: str = "x = \ny = \n", **capabilities: Any) -> None:
    await client.open_session(**capabilities)
    await client.loaded()
    client.open(text)


def code(answer: dict[str, Any]) -> int | None:
    return answer.get("error", {}).get("code")


def texts(answer: dict[str, Any]) -> list[str]:
    items = answer["result"]["items"]
    return [item["insertText"] if "insertText" in item else item["label"] for item in items]


async def test_both_kinds_share_one_generation(gate: Gate) -> None:
    engine = ScriptedEngine("ok", before_token=gate)
    async with connected(engine) as client:
        await opened(client)
        inline, popup = client.ghost_text(0, 4), client.popup(0, 4)
        await client.settled()
        gate.open()
        assert texts(await client.answer(inline)) == ["ok"]
        assert (await client.answer(popup))["result"]["isIncomplete"] is True
        assert texts(await client.answer(popup)) == ["ok"]
        assert len(engine.requests) == 1


async def test_the_newer_request_of_a_kind_supersedes_the_older(gate: Gate) -> None:
    async with connected(ScriptedEngine("ok", before_token=gate)) as client:
        await opened(client)
        asked = [client.ghost_text(0, column) for column in (1, 2, 3, 4)]
        popup = client.popup(0, 4)
        for old in asked[:3]:
            assert code(await client.answer(old)) == CANCELLED
        gate.open()
        assert texts(await client.answer(asked[3])) == ["ok"]
        assert texts(await client.answer(popup)) == ["ok"]


async def test_requests_in_other_documents_go_on(gate: Gate) -> None:
    async with connected(ScriptedEngine("ok", before_token=gate)) as client:
        await opened(client)
        client.open("z = \n", "file:///other.py")
        asked = [client.ghost_text(0, 4), client.ghost_text(0, 4, "file:///other.py")]
        gate.open()
        for request_id in asked:
            assert texts(await client.answer(request_id)) == ["ok"]


async def test_cancel_before_during_and_after(gate: Gate) -> None:
    engine = ScriptedEngine("ok", before_token=gate)
    async with connected(engine) as client:
        await opened(client)
        client.notify("$/cancelRequest", {"id": 99_999})
        running = client.ghost_text(0, 4)
        await client.settled()
        client.notify("$/cancelRequest", {"id": running})
        assert code(await client.answer(running)) == CANCELLED
        queued = client.ghost_text(1, 4)
        client.notify("$/cancelRequest", {"id": queued})
        client.notify("$/cancelRequest", {"id": queued})
        assert code(await client.answer(queued)) == CANCELLED
        gate.open()
        done = client.ghost_text(0, 4)
        assert texts(await client.answer(done)) == ["ok"]
        client.notify("$/cancelRequest", {"id": done})
        client.notify("$/cancelRequest", {"id": None})
        await client.settled()


async def test_cancelling_one_kind_leaves_the_other(gate: Gate) -> None:
    async with connected(ScriptedEngine("ok", before_token=gate)) as client:
        await opened(client)
        inline, popup = client.ghost_text(0, 4), client.popup(0, 4)
        client.notify("$/cancelRequest", {"id": inline})
        assert code(await client.answer(inline)) == CANCELLED
        gate.open()
        assert texts(await client.answer(popup)) == ["ok"]


async def test_an_answer_is_about_the_document_as_it_was_asked(gate: Gate) -> None:
    engine = ScriptedEngine("ok", before_token=gate)
    async with connected(engine) as client:
        await opened(client, "alpha = \n")
        client.send(
            [
                {"id": "old", "method": "textDocument/inlineCompletion"} | asked(0, 8),
                changed(2, insertion(0, 0, "beta = 1\n")),
            ]
        )
        await client.settled()
        gate.open()
        answer = await client.answer("old")
        assert texts(answer) == ["ok"]
        assert answer["result"]["items"][0]["range"]["start"] == {"line": 0, "character": 8}
        assert "beta" not in prompts(engine)[0]


async def test_once_the_document_has_changed_the_old_state_is_given_up(gate: Gate) -> None:
    async with connected(ScriptedEngine("ok", before_token=gate)) as client:
        await opened(client)
        inline, popup = client.ghost_text(0, 4), client.popup(0, 4)
        client.change(2, insertion(0, 4, "-"))
        newer = client.ghost_text(0, 5)
        assert code(await client.answer(inline)) == CANCELLED
        assert code(await client.answer(popup)) == CANCELLED
        gate.open()
        assert texts(await client.answer(newer)) == ["ok"]


async def test_versions_that_repeat_are_not_mistaken_for_the_same_text() -> None:
    engine = ScriptedEngine("first", "second", "third")
    async with connected(engine) as client:
        await opened(client)
        assert texts(await client.answer(client.ghost_text(0, 4))) == ["first"]
        client.change(1, insertion(0, 4, "1"))
        assert texts(await client.answer(client.ghost_text(0, 4))) == ["second"]
        client.open("z = \n")
        assert texts(await client.answer(client.ghost_text(0, 4))) == ["third"]
        assert texts(await client.answer(client.popup(0, 4))) == ["third"]


async def test_an_engine_that_hangs_does_not_hang_the_client(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offering, "LONGEST_ANSWER_SECONDS", 0.1)
    async with connected(ScriptedEngine("ok", before_token=gate)) as client:
        await opened(client)
        for ask in (client.ghost_text, client.popup):
            assert texts(await client.answer(ask(0, 4))) == []
        gate.open()
        monkeypatch.setattr(offering, "LONGEST_ANSWER_SECONDS", PATIENCE_SECONDS)
        assert texts(await client.answer(client.ghost_text(0, 4))) == ["ok"]


async def test_closing_gives_up_what_runs(gate: Gate) -> None:
    async with connected(ScriptedEngine("ok", before_token=gate)) as client:
        await opened(client)
        running = client.ghost_text(0, 4)
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        assert code(await client.answer(running)) == CANCELLED
        gate.open()
        assert texts(await client.answer(client.ghost_text(0, 4))) == []
        client.change(3, insertion(0, 0, "x"))
        assert texts(await client.answer(client.popup(0, 0))) == []


async def test_while_the_model_loads_the_lookup_answers(gate: Gate) -> None:
    def load(_settings: Settings, report: Any) -> ScriptedEngine:
        report("Reading weights", 10)
        gate(0)
        return ScriptedEngine("ok")

    async with connected(load) as client:
        await client.open_session()
        client.open("value = compute(1)\nreport(value)\nvalue = \nreport(value)\n")
        assert texts(await client.answer(client.ghost_text(2, 8))) == ["compute(1)"]
        assert texts(await client.answer(client.popup(2, 8))) == ["compute(1)"]
        gate.open()
        await client.loaded()
        assert texts(await client.answer(client.ghost_text(2, 8))) == ["ok"]
        kinds = [m["params"]["value"]["kind"] for m in client.of_method("$/progress")]
        assert kinds[0] == "begin"
        assert kinds.count("begin") == kinds.count("end") == 1


async def test_settings_of_the_workspace_change_what_is_suggested() -> None:
    async with connected(ScriptedEngine("ok")) as client:
        await opened(client)
        for settings, expected in (
            ({"dsc": {"enabled": False}}, []),
            ({"enabled": True}, ["ok"]),
            (None, ["ok"]),
            ([], ["ok"]),
            ({"dsc": {"enabled": "maybe"}}, ["ok"]),
        ):
            client.notify("workspace/didChangeConfiguration", {"settings": settings})
            assert texts(await client.answer(client.ghost_text(0, 4))) == expected


async def test_settings_that_are_pulled() -> None:
    async with connected(ScriptedEngine("ok")) as client:
        await opened(client, workspace={"configuration": True})
        await client.until(lambda: bool(client.of_method("workspace/configuration")))
        pull = client.of_method("workspace/configuration")[0]
        assert pull["params"] == {"items": [{"section": "dsc"}]}
        client.send({"id": pull["id"], "jsonrpc": "2.0", "result": [{"enabled": False}]})
        await client.settled()
        assert texts(await client.answer(client.ghost_text(0, 4))) == []


async def test_a_workspace_cannot_set_what_only_the_user_may() -> None:
    chosen: list[Settings] = []

    def load(settings: Settings, _report: Any) -> ScriptedEngine:
        chosen.append(settings)
        return ScriptedEngine("ok")

    evil = {"model": "/evil", "device": "evil", "maxMemoryMegabytes": 1, "maxRequests": 1}
    async with connected(load) as client:
        await client.open_session({"model": "mine"}, workspace={"configuration": True})
        await client.until(lambda: bool(client.of_method("workspace/configuration")))
        pull = client.of_method("workspace/configuration")[0]
        client.send({"id": pull["id"], "jsonrpc": "2.0", "result": [evil]})
        await client.settled()
        await client.loaded()
        await client.until(lambda: bool(client.shown()))
        assert chosen == [client.server.base_settings]
        assert client.server.settings == client.server.base_settings
        assert client.server.settings.model == "mine"
        assert client.shown()[0].count("cannot be set by a workspace") == len(evil)


async def test_one_message_for_each_cause() -> None:
    engine = ScriptedEngine(EngineError("The GPU is gone."))
    async with connected(engine) as client:
        await opened(client)
        one = {"settings": {"dsc": {"unknown": 1}}}
        more = {"settings": {"dsc": {"unknown": 1, "maxLines": 0}}}
        for column, odd in enumerate((one, one, more, more)):
            client.notify("workspace/didChangeConfiguration", odd)
            assert texts(await client.answer(client.ghost_text(0, column))) == []
        shown = client.shown()
        assert len(shown) == 3
        assert "dsc.unknown" in shown[0]
        assert shown[1] == "The GPU is gone."
        assert "dsc.maxLines" in shown[2]
        assert "dsc.unknown" not in shown[2]


async def test_a_failed_load_is_told_once_and_every_request_answered() -> None:
    def load(_settings: Settings, _report: Any) -> ScriptedEngine:
        raise EngineError("There is no model here.")

    async with connected(load) as client:
        await opened(client)
        for column in range(4):
            assert texts(await client.answer(client.ghost_text(0, column))) == []
        assert client.shown() == ["There is no model here."]


async def test_a_document_beyond_the_limit_gets_no_suggestions_and_one_message() -> None:
    async with connected(ScriptedEngine("ok")) as client:
        await client.open_session({"maxDocumentCharacters": 1000})
        await client.loaded()
        client.open("x = \n" + "#" * 995)
        assert texts(await client.answer(client.ghost_text(0, 4))) == ["ok"]
        client.change(2, insertion(1, 0, "#"))
        assert texts(await client.answer(client.ghost_text(0, 4))) == []
        assert texts(await client.answer(client.popup(0, 3))) == []
        assert len(client.shown()) == 1
        end = {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 99}}
        client.change(3, {"range": end, "text": ""})
        assert texts(await client.answer(client.ghost_text(0, 4))) == ["ok"]


async def test_nothing_is_suggested_while_memory_is_short() -> None:
    async with connected(ScriptedEngine("ok")) as client:
        await opened(client)
        client.server.memory_changed(exceeded=True)
        assert texts(await client.answer(client.ghost_text(0, 4))) == []
        client.server.memory_changed(exceeded=False)
        assert texts(await client.answer(client.ghost_text(0, 4))) == ["ok"]
        assert len(client.shown()) == 1


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("größe = 価格 😀\t", "größe = 価格 😀"),
        ("a\u202eb\u2066c\u200bd\ufeffe\u00adf", "abcdef"),
        ("a\x00b\x1b[31mc\x7fd\x85e", "ab[31mcde]"),
        ("a\U000e0041b\ufe0fc\u2028d\u3164e", "abcde"),
        ("👩\u200d👩\u200d👧 👍🏽 ❤\ufe0f\u200d🔥", "👩\u200d👩\u200d👧 👍🏽 ❤\ufe0f\u200d🔥"),
        (
            "👩\u200da \u200d👧 x\ufe0f\u200d👧 👩\u200d\u200d👧 ❤\ufe0f\ufe0f",
            "👩a 👧 x👧 👩👧 ❤\ufe0f",
        ),
        ("\u200b\u202e", None),
    ],
)
async def test_a_suggestion_is_what_it_seems(said: str, shown: str | None) -> None:
    async with connected(ScriptedEngine(said)) as client:
        await client.open_session()
        await client.loaded()
        uri = "file:///notes.txt"  # where nothing is withheld for being no code
        client.open("x = \n", uri, "plaintext")
        expected = [] if shown is None else [shown]
        assert texts(await client.answer(client.ghost_text(0, 4, uri))) == expected
        assert texts(await client.answer(client.popup(0, 4, uri))) == expected


async def test_initialized_twice_loads_once() -> None:
    async with connected(ScriptedEngine("ok")) as client:
        await opened(client)
        client.notify("initialized", {})
        assert texts(await client.answer(client.ghost_text(0, 4))) == ["ok"]
        assert len(client.of_method("window/workDoneProgress/create")) == 1


def asked(line: int, character: int) -> dict[str, Any]:
    params = {
        "textDocument": {"uri": URI},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 2},
    }
    return {"params": params}


def changed(version: int, *changes: dict[str, Any]) -> dict[str, Any]:
    params = {"textDocument": {"uri": URI, "version": version}, "contentChanges": list(changes)}
    return {"method": "textDocument/didChange", "params": params}


def prompts(engine: ScriptedEngine) -> list[str]:
    return ["".join(part.text for part in request.prompt.parts) for request in engine.requests]
