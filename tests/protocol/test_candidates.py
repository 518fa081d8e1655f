"""Several suggestions where the user asks for them: next and previous."""

import threading
from typing import Any

import pytest

from dsc_lsp.engine.base import EngineError
from dsc_lsp.settings import Settings
from tests.protocol.client import (
    PATIENCE_SECONDS,
    Client,
    connected,
    inline_params,
    insertion,
)
from tests.scripted import ScriptedEngine

INVOKED, AUTOMATIC = 1, 2
CANCELLED = -32800
THREE = ("total(1)\n", "sum(1)\n", "len(x)\n", "max(x)\n")


async def opened(client: Client, text: str = "x = \n", language: str = "python") -> None:
    await client.open_session()
    await client.loaded()
    client.open(text, language=language)


def ask(client: Client, line: int, character: int, kind: int = INVOKED) -> Any:
    params = inline_params(line, character)
    params["context"]["triggerKind"] = kind
    return client.ask("textDocument/inlineCompletion", params)


async def texts(client: Client, line: int, character: int, kind: int = INVOKED) -> list[str]:
    answer = await client.answer(ask(client, line, character, kind))
    return [item["insertText"] for item in answer["result"]["items"]]


async def test_who_asks_gets_three_and_who_types_gets_one() -> None:
    engine = ScriptedEngine(THREE)
    async with connected(engine) as client:
        await opened(client)
        assert await texts(client, 0, 4, AUTOMATIC) == ["total(1)"]
        assert await texts(client, 0, 4) == ["total(1)", "sum(1)", "len(x)"]
        assert [request.rank for request in engine.requests] == [0, 1, 2]
        assert len({request.prompt for request in engine.requests}) == 1


async def test_who_asks_again_gets_them_from_memory() -> None:
    engine = ScriptedEngine(THREE)
    async with connected(engine) as client:
        await opened(client)
        first = await texts(client, 0, 4)
        for kind in (INVOKED, AUTOMATIC):
            assert await texts(client, 0, 4, kind) == first
        assert len(engine.requests) == 3


async def test_where_there_are_no_more_the_engine_is_not_asked_again() -> None:
    engine = ScriptedEngine(("total(1)\n", "sum(1)\n"))
    async with connected(engine) as client:
        await opened(client)
        assert await texts(client, 0, 4) == ["total(1)", "sum(1)"]
        asked = len(engine.requests)
        assert await texts(client, 0, 4) == ["total(1)", "sum(1)"]
        assert len(engine.requests) == asked


async def test_each_of_them_is_typed_along_and_accepted() -> None:
    async with connected(ScriptedEngine(THREE)) as client:
        await opened(client)
        answer = await client.answer(ask(client, 0, 4))
        numbers = [item["command"]["arguments"][0] for item in answer["result"]["items"]]
        assert len(set(numbers)) == 3
        client.change(2, insertion(0, 4, "su"))
        assert await texts(client, 0, 6, AUTOMATIC) == ["m(1)"]
        client.change(3, insertion(0, 6, "m(1)"))
        stats = await client.request("workspace/executeCommand", {"command": "dsc.stats"})
        session = stats["result"]["session"]
        assert (session["shown"], session["accepted"]) == (1, 1)
        assert session["accepted_characters"] == len("m(1)")


async def test_what_says_the_same_after_post_processing_is_offered_once() -> None:
    engine = ScriptedEngine(("a(1)\n", "a( 1)\n", "a(1)  \n", "b\n", "c\n"), logprob=0.0)
    async with connected(engine) as client:
        await opened(client)
        assert await texts(client, 0, 4) == ["a(1)", "b", "c"]


async def test_the_likeliest_comes_first_and_what_breaks_the_code_last() -> None:
    likelihoods = {"a b": -0.1, "c": -2.0, "d": -0.5}

    class Engine(ScriptedEngine):
        def generate(self, request: Any, cancel: Any) -> Any:
            self._logprob = list(likelihoods.values())[request.rank]
            return super().generate(request, cancel)

    engine = Engine(tuple(f"{text}\n" for text in likelihoods))
    async with connected(engine) as client:
        # A language in which what breaks the code is ranked, not cut.
        await opened(client, "local x = \nlocal y = 1\n", language="lua")
        assert await texts(client, 0, 10) == ["d", "c", "a b"]


async def test_what_has_been_shown_stays_the_first() -> None:
    class Engine(ScriptedEngine):
        def generate(self, request: Any, cancel: Any) -> Any:
            self._logprob = -0.1 if request.rank else -2.0
            return super().generate(request, cancel)

    async with connected(Engine(THREE)) as client:
        await opened(client)
        assert await texts(client, 0, 4, AUTOMATIC) == ["total(1)"]
        assert await texts(client, 0, 4) == ["total(1)", "sum(1)", "len(x)"]


async def test_an_unsure_model_is_heard_where_the_user_asks() -> None:
    settings = Settings(min_confidence=0.9, prepare_next=False)
    async with connected(ScriptedEngine(THREE), settings) as client:
        await opened(client)
        assert await texts(client, 0, 4, AUTOMATIC) == []
        assert await texts(client, 0, 4) == ["total(1)", "sum(1)", "len(x)"]


async def test_the_setting_says_how_many() -> None:
    for count, expected in ((1, 1), (2, 2), (4, 4)):
        settings = Settings(candidates=count, prepare_next=False)
        engine = ScriptedEngine(THREE)
        async with connected(engine, settings) as client:
            await opened(client)
            assert len(await texts(client, 0, 4)) == expected
            assert len(engine.requests) == expected


class Held:
    """Holds the engine before the first token of a rank until it is opened."""

    def __init__(self, *ranks: int) -> None:
        self.engine = ScriptedEngine(THREE, before_token=self._before)
        self.reached = threading.Event()
        self.open = threading.Event()
        self._ranks = ranks

    def _before(self, number: int) -> None:
        if number == 0 and self.engine.requests[-1].rank in self._ranks:
            self.reached.set()
            assert self.open.wait(PATIENCE_SECONDS)

    async def until_reached(self, client: Client) -> None:
        while not self.reached.is_set():
            await client.settled()


async def test_at_the_deadline_the_first_is_answered_and_the_others_come_later() -> None:
    held = Held(1)
    settings = Settings(deadline_milliseconds=100, prepare_next=False)
    async with connected(held.engine, settings) as client:
        await opened(client)
        assert await texts(client, 0, 4) == ["total(1)"]
        held.open.set()
        while len(await texts(client, 0, 4, AUTOMATIC)) < 3:
            await client.settled()
        assert await texts(client, 0, 4) == ["total(1)", "sum(1)", "len(x)"]
        assert len(held.engine.requests) == 3


async def test_alternatives_are_given_up_when_the_user_types_something_else() -> None:
    held = Held(1)
    async with connected(held.engine) as client:
        await opened(client)
        asked = ask(client, 0, 4)
        await held.until_reached(client)
        client.change(2, insertion(0, 4, "b"))
        newer = ask(client, 0, 5, AUTOMATIC)
        assert (await client.answer(asked))["error"]["code"] == CANCELLED
        held.open.set()
        assert "result" in await client.answer(newer)
        assert [request.rank for request in held.engine.requests] == [0, 1, 0]


async def test_typing_along_gives_up_the_alternatives_and_asks_nothing() -> None:
    held = Held(1)
    async with connected(held.engine) as client:
        await opened(client)
        asked = ask(client, 0, 4)
        await held.until_reached(client)
        client.change(2, insertion(0, 4, "t"))
        assert await texts(client, 0, 5, AUTOMATIC) == ["otal(1)"]
        assert (await client.answer(asked))["error"]["code"] == CANCELLED
        held.open.set()
        await client.settled()
        assert [request.rank for request in held.engine.requests] == [0, 1]


async def test_a_cancelled_request_stops_the_alternatives() -> None:
    held = Held(1)
    async with connected(held.engine) as client:
        await opened(client)
        asked = ask(client, 0, 4)
        await held.until_reached(client)
        client.notify("$/cancelRequest", {"id": asked})
        assert (await client.answer(asked))["error"]["code"] == CANCELLED
        held.open.set()
        assert await texts(client, 0, 4, AUTOMATIC) == ["total(1)"]
        assert len(held.engine.requests) == 2


async def test_who_asks_twice_gets_one_answer_each_and_the_work_is_done_once() -> None:
    held = Held(1)
    async with connected(held.engine) as client:
        await opened(client)
        older = ask(client, 0, 4)
        await held.until_reached(client)
        newer = ask(client, 0, 4)
        assert (await client.answer(older))["error"]["code"] == CANCELLED
        held.open.set()
        answer = await client.answer(newer)
        assert len(answer["result"]["items"]) == 3
        assert len(held.engine.requests) == 3


async def test_another_document_that_needs_the_engine_leaves_who_waits_with_what_is_there() -> (
    None
):
    held = Held(1)
    async with connected(held.engine) as client:
        await opened(client)
        asked = ask(client, 0, 4)
        await held.until_reached(client)
        client.open("y = \n", "file:///other.py")
        other = client.ghost_text(0, 4, "file:///other.py")
        answer = await client.answer(asked)
        assert [item["insertText"] for item in answer["result"]["items"]] == ["total(1)"]
        held.open.set()
        assert len((await client.answer(other))["result"]["items"]) == 1


async def test_closing_the_document_answers_who_waits() -> None:
    held = Held(1)
    async with connected(held.engine) as client:
        await opened(client)
        asked = ask(client, 0, 4)
        await held.until_reached(client)
        document = {"textDocument": {"uri": "file:///project/main.py"}}
        client.notify("textDocument/didClose", document)
        assert "result" in await client.answer(asked)
        held.open.set()


@pytest.mark.parametrize("failing", [EngineError("The GPU is gone."), RuntimeError("secret")])
async def test_an_alternative_that_fails_leaves_the_others(failing: Exception) -> None:
    class Engine(ScriptedEngine):
        def generate(self, request: Any, cancel: Any) -> Any:
            if request.rank == 2:
                raise failing
            return super().generate(request, cancel)

    async with connected(Engine(THREE)) as client:
        await opened(client)
        assert await texts(client, 0, 4) == ["total(1)", "sum(1)"]
        assert not client.shown()
