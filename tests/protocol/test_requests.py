"""Every request is answered once, with the error that the protocol gives it."""

import asyncio
from typing import Any

import pytest

from tests.protocol.client import URI, connected, inline_params, place
from tests.scripted import ScriptedEngine

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
NOT_INITIALIZED, INTERNAL_ERROR = -32002, -32603


def code(answer: dict[str, Any]) -> int | None:
    return answer.get("error", {}).get("code")


async def test_before_initialize_only_initialize_is_answered() -> None:
    async with connected() as client:
        client.open("never seen")
        client.notify("$/cancelRequest", {"id": 1})
        for method in ("textDocument/completion", "shutdown", "custom/unknown", "initialized"):
            assert code(await client.request(method, {})) == NOT_INITIALIZED
        answer = await client.open_session()
        assert answer["result"]["capabilities"]["inlineCompletionProvider"] is not None
        assert code(await client.request("initialize", {"capabilities": {}})) == INVALID_REQUEST


async def test_invalid_initialize_can_be_tried_again() -> None:
    async with connected() as client:
        assert code(await client.request("initialize", {"capabilities": 5})) == INVALID_PARAMS
        assert "result" in await client.open_session()


@pytest.mark.parametrize(
    "params",
    [None, 5, [], "text", {}, {"textDocument": {}}, place(-1, 0), place(0, 2**40), {"jsonrpc": 1}],
)
async def test_invalid_parameters(params: Any) -> None:
    async with connected() as client:
        await client.open_session()
        for method in ("textDocument/completion", "textDocument/inlineCompletion"):
            assert code(await client.request(method, params)) == INVALID_PARAMS


async def test_odd_ids_and_methods() -> None:
    async with connected() as client:
        await client.open_session()
        for odd in (None, True, 1.5, [1], {"a": 1}):
            client.send({"jsonrpc": "2.0", "id": odd, "method": "shutdown"})
        await client.settled()
        refusals = client.answers(None)
        assert [code(refusal) for refusal in refusals] == [INVALID_REQUEST] * 5
        for odd in (None, 5, ["shutdown"]):
            answer = await client.request(odd)  # type: ignore[arg-type]
            assert code(answer) == INVALID_REQUEST
        assert code(await client.request("no/suchMethod")) == METHOD_NOT_FOUND
        assert code(await client.request("x" * 10_000)) == METHOD_NOT_FOUND
        client.send({"jsonrpc": "1.0", "id": "old", "method": "shutdown"})
        assert code(await client.answer("old")) == INVALID_REQUEST


async def test_notifications_sent_as_requests_and_the_other_way() -> None:
    async with connected() as client:
        await client.open_session()
        document = {"uri": URI, "languageId": "python", "version": 1, "text": "x = "}
        answer = await client.request("textDocument/didOpen", {"textDocument": document})
        assert code(answer) == INVALID_REQUEST
        assert code(await client.request("exit")) == INVALID_REQUEST
        client.notify("textDocument/completion", place(0, 0))
        client.notify("shutdown")
        await client.loaded()
        answer = await client.answer(client.ghost_text(0, 4))
        assert answer["result"] == {"items": []}, "the document is not open"


async def test_batches_are_answered_one_by_one() -> None:
    async with connected() as client:
        await client.open_session()
        client.send(
            [
                {"jsonrpc": "2.0", "id": "a", "method": "no/suchMethod"},
                5,
                {"jsonrpc": "2.0", "method": "textDocument/didSave", "params": {}},
                {"jsonrpc": "2.0", "id": "b", "method": "textDocument/completion", "params": {}},
            ]
        )
        client.send([])
        assert code(await client.answer("a")) == METHOD_NOT_FOUND
        assert code(await client.answer("b")) == INVALID_PARAMS
        await client.settled()
        assert [code(refusal) for refusal in client.answers(None)] == [INVALID_REQUEST] * 2


async def test_the_same_number_as_integer_and_string_are_two_ids() -> None:
    async with connected() as client:
        await client.open_session()
        client.ask("textDocument/completion", place(0, 0), 700)
        client.ask("textDocument/completion", place(0, 0), "700")
        assert "result" in await client.answer(700)
        assert "result" in await client.answer("700")


async def test_an_id_in_use_is_refused_and_free_again_after_the_answer() -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(_number: int) -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(20)

    async with connected(ScriptedEngine("ok", before_token=wait)) as client:
        await client.open_session()
        await client.loaded()
        client.open("x = \n")
        client.ask("textDocument/inlineCompletion", inline_params(0, 4), "twice")
        client.ask("textDocument/inlineCompletion", inline_params(0, 4), "twice")
        assert code(await client.answer("twice")) == INVALID_REQUEST
        release.set()
        assert (await client.answer("twice", 2))["result"]["items"][0]["insertText"] == "ok"
        client.ask("textDocument/inlineCompletion", inline_params(0, 4), "twice")
        assert "result" in await client.answer("twice", 3)


async def test_answers_that_nobody_waits_for() -> None:
    async with connected(ScriptedEngine("ok")) as client:
        await client.open_session()
        for odd in ("unknown", 5, None, [], {}):
            client.send({"jsonrpc": "2.0", "id": odd, "result": None})
            client.send({"jsonrpc": "2.0", "id": odd, "error": {"code": 1, "message": "no"}})
        client.send({"jsonrpc": "2.0", "result": None})
        await client.loaded()
        client.open("x = \n")
        client.ask("textDocument/inlineCompletion", inline_params(0, 4), "mine")
        client.send({"jsonrpc": "2.0", "id": "mine", "result": "forged"})
        assert (await client.answer("mine"))["result"]["items"]
        assert not client.answers(None)


async def test_a_wrong_answer_to_our_request_ends_its_waiting() -> None:
    async with connected() as client:
        await client.open_session(workspace={"configuration": True})
        await client.until(lambda: bool(client.of_method("workspace/configuration")))
        asked = client.of_method("workspace/configuration")[0]["id"]
        client.send({"jsonrpc": "2.0", "id": asked, "result": {"not": "a list"}})
        client.notify("workspace/didChangeConfiguration", {"settings": None})
        await client.until(lambda: len(client.of_method("workspace/configuration")) == 2)
        asked = client.of_method("workspace/configuration")[1]["id"]
        client.send({"jsonrpc": "2.0", "id": asked, "error": {"code": "?", "message": []}})
        await client.settled()


async def test_more_requests_than_may_wait() -> None:
    started, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(_number: int) -> None:
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(20)

    async with connected(ScriptedEngine("ok", before_token=wait)) as client:
        await client.open_session({"maxRequests": 3})
        await client.loaded()
        uris = [f"file:///{number}.py" for number in range(4)]
        for uri in uris:
            client.open("x = \n", uri)
        asked = [client.ghost_text(0, 4, uri) for uri in uris]
        assert code(await client.answer(asked[3])) == -32802
        release.set()
        for request_id in asked[:3]:
            assert (await client.answer(request_id))["result"]["items"]


async def test_shutdown_refuses_what_comes_later_and_cancels_what_waits() -> None:
    stuck = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(_number: int) -> None:
        asyncio.run_coroutine_threadsafe(stuck.wait(), loop).result(20)

    async with connected(ScriptedEngine("ok", before_token=wait)) as client:
        await client.open_session()
        await client.loaded()
        client.open("x = \n")
        waiting = client.ghost_text(0, 4)
        assert (await client.request("shutdown"))["result"] is None
        assert code(await client.answer(waiting)) == -32800
        assert (
            code(await client.request("textDocument/completion", place(0, 0))) == INVALID_REQUEST
        )
        assert code(await client.request("shutdown")) == INVALID_REQUEST
        stuck.set()
        client.notify("exit")
        assert (await client.ended()).code == 0


@pytest.mark.parametrize("initialized", [False, True])
async def test_exit_without_shutdown_is_an_error(initialized: bool) -> None:  # noqa: FBT001
    async with connected() as client:
        if initialized:
            await client.open_session()
        client.notify("exit")
        assert (await client.ended()).code == 1


async def test_shutdown_and_exit_in_one_breath() -> None:
    async with connected() as client:
        await client.open_session()
        request = client.ask("shutdown")
        client.notify("exit")
        assert (await client.ended()).code == 0
        assert "result" in await client.answer(request)


async def test_a_handler_with_a_bug_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(*_arguments: Any) -> None:
        raise RuntimeError("SECRET")

    monkeypatch.setattr("dsc_lsp.convert.cursor_at", buggy)
    async with connected() as client:
        await client.open_session()
        client.open("x = \n")
        answer = await client.answer(client.popup(0, 4))
        assert code(answer) == INTERNAL_ERROR
        assert "SECRET" not in str(answer)
        assert "data" not in answer["error"]
        monkeypatch.setattr("dsc_lsp.convert.document_of", buggy)
        client.open("y")
        await client.settled()
