"""What is offered and what becomes of it: acceptance, statistics, reasons, what comes next."""

import threading
from typing import Any

import pytest

from dsc_lsp.server import offering
from dsc_lsp.settings import Settings
from tests.protocol.client import (
    PATIENCE_SECONDS,
    Client,
    connected,
    inline_params,
    insertion,
)
from tests.scripted import ScriptedEngine

CANCELLED = -32800


async def opened(client: Client, text: str = "x = \ny = \n", **capabilities: Any) -> None:
    await client.open_session(**capabilities)
    await client.loaded()
    client.open(text)


async def items(client: Client, line: int, character: int, **context: Any) -> list[dict[str, Any]]:
    params = inline_params(line, character)
    params["context"].update(context)
    answer = await client.request("textDocument/inlineCompletion", params)
    return answer["result"]["items"]


async def command(client: Client, name: str, *arguments: Any) -> Any:
    answer = await client.request(
        "workspace/executeCommand", {"command": name, "arguments": list(arguments)}
    )
    return answer["result"]


async def explained(client: Client) -> str:
    text = await command(client, "dsc.explain")
    assert client.shown()[-1] == text
    return text


async def test_commands_are_told_at_the_start() -> None:
    async with connected() as client:
        answer = await client.open_session()
        told = answer["result"]["capabilities"]["executeCommandProvider"]["commands"]
        assert {"dsc.accepted", "dsc.partiallyAccepted", "dsc.explain", "dsc.stats"} <= set(told)


async def test_an_accepted_suggestion_is_counted_once_however_it_is_told() -> None:
    async with connected(ScriptedEngine("total(1)\n")) as client:
        await opened(client)
        [item] = await items(client, 0, 4)
        assert item["command"]["command"] == "dsc.accepted"
        client.change(2, insertion(0, 4, item["insertText"]))
        await command(client, "dsc.accepted", *item["command"]["arguments"])
        await command(client, "dsc.accepted", *item["command"]["arguments"])
        session = (await command(client, "dsc.stats"))["session"]
        assert (session["shown"], session["accepted"]) == (1, 1)
        assert session["accepted_characters"] == session["shown_characters"] == len("total(1)")


async def test_the_rest_of_a_suggestion_is_the_same_suggestion() -> None:
    async with connected(ScriptedEngine("total(1)\n")) as client:
        await opened(client)
        [first] = await items(client, 0, 4)
        client.change(2, insertion(0, 4, "total"))
        [rest] = await items(client, 0, 9)
        assert rest["insertText"] == "(1)"
        assert rest["command"] == first["command"]
        await command(client, "dsc.partiallyAccepted", *first["command"]["arguments"], 5)
        client.change(3, insertion(0, 9, "(1)"))
        session = (await command(client, "dsc.stats"))["session"]
        assert (session["shown"], session["accepted"]) == (1, 1)
        assert session["partially_accepted"] == 1


async def test_what_is_accepted_in_parts_counts_with_all_its_characters() -> None:
    async with connected(ScriptedEngine("total(1)\n")) as client:
        await opened(client)
        [item] = await items(client, 0, 4)
        client.change(2, insertion(0, 4, "total"))
        await command(client, "dsc.partiallyAccepted", *item["command"]["arguments"], 5)
        await items(client, 0, 9)
        client.change(3, insertion(0, 9, "("))
        await items(client, 0, 10)
        client.change(4, insertion(0, 10, "1)"))
        session = (await command(client, "dsc.stats"))["session"]
        assert session["accepted_characters"] == len("total1)"), "the bracket was typed"
        await command(client, "dsc.partiallyAccepted", *item["command"]["arguments"], -9)
        session = (await command(client, "dsc.stats"))["session"]
        assert session["accepted_characters"] == len("total1)")


async def test_a_suggestion_typed_to_its_end_is_not_counted_as_accepted() -> None:
    async with connected(ScriptedEngine("total\n", "+ 1\n")) as client:
        await opened(client)
        await items(client, 0, 4)
        for column, key in enumerate("total", 4):
            client.change(column, insertion(0, column, key))
            await items(client, 0, column + 1)
        session = (await command(client, "dsc.stats"))["session"]
        assert session["accepted"] == 0


async def test_the_last_letter_of_a_suggestion_can_be_accepted_by_the_command() -> None:
    async with connected(ScriptedEngine("total\n")) as client:
        await opened(client)
        await items(client, 0, 4)
        client.change(2, insertion(0, 4, "tota"))
        [rest] = await items(client, 0, 8)
        client.change(3, insertion(0, 8, "l"))
        await command(client, "dsc.accepted", *rest["command"]["arguments"])
        session = (await command(client, "dsc.stats"))["session"]
        assert session["accepted"] == 1


async def test_what_is_kept_of_an_accepted_text_is_counted_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(offering, "_KEPT_AFTER", ((0.05, "30_seconds"),))
    async with connected(ScriptedEngine("total(1)\n")) as client:
        await opened(client)
        [item] = await items(client, 0, 4)
        client.change(2, insertion(0, 4, item["insertText"]))
        one = {"start": {"line": 0, "character": 10}, "end": {"line": 0, "character": 11}}
        client.change(3, {"range": one, "text": "22"}, insertion(0, 0, "# sum\n"))
        session = {"checked_30_seconds": 0}
        while not session["checked_30_seconds"]:
            session = (await command(client, "dsc.stats"))["session"]
        assert (session["kept_30_seconds"], session["checked_30_seconds"]) == (7, 8)


async def test_who_does_not_want_to_be_counted_is_not() -> None:
    settings = Settings(statistics=False, prepare_next=False)
    async with connected(ScriptedEngine("total(1)\n"), settings) as client:
        await opened(client)
        [item] = await items(client, 0, 4)
        await command(client, "dsc.accepted", *item["command"]["arguments"])
        report = await command(client, "dsc.stats")
        assert set(report["session"].values()) == {0}


async def test_a_number_that_no_suggestion_has_does_no_harm() -> None:
    async with connected() as client:
        await opened(client)
        await command(client, "dsc.accepted", 77)
        assert (await command(client, "dsc.stats"))["session"]["accepted"] == 0


async def test_every_empty_answer_has_a_reason() -> None:
    engine = ScriptedEngine("", "y = \n", "1\n")
    async with connected(engine) as client:
        await client.open_session()
        assert await explained(client) == "No suggestion has been asked for yet."
        await client.loaded()
        assert await items(client, 0, 4) == []
        assert "has not opened this document" in await explained(client)
        client.open("x = \n\ny = \n")
        assert await items(client, 0, 4) == []
        assert await explained(client) == "The model had nothing to say here."
        assert await items(client, 1, 0) == []
        assert "rule: neighbouring lines" in await explained(client)
        assert len(await items(client, 2, 4)) == 1
        assert "got a suggestion" in await explained(client)
        assert "The model was 61% sure of its first line." in await explained(client)
        assert len(await items(client, 2, 4)) == 1
        assert "It was known from before." in await explained(client)
        for chosen, reason in (
            ({"maxDocumentCharacters": 1_000}, "no suggestions in files of more than 1000"),
            ({"minConfidence": 0.9}, "The model was not sure enough"),
            ({"enabled": False}, "switched off"),
        ):
            client.notify("workspace/didChangeConfiguration", {"settings": {"dsc": chosen}})
            if "maxDocumentCharacters" in chosen:
                continue  # only the user may set it: refused, and said so elsewhere
            assert await items(client, 2, 4) == []
            assert reason in await explained(client)


async def test_in_comments_nothing_is_suggested_on_demand() -> None:
    async with connected(ScriptedEngine("1\n")) as client:
        await opened(client, "# so x \nx = \n")
        assert len(await items(client, 0, 7)) == 1
        client.notify(
            "workspace/didChangeConfiguration", {"settings": {"dsc": {"comments": False}}}
        )
        assert await items(client, 0, 7) == []
        assert "dsc.comments" in await explained(client)
        assert len(await items(client, 1, 4)) == 1


async def test_where_nobody_tells_how_sure_a_model_is_nothing_is_withheld_for_it() -> None:
    async with connected(ScriptedEngine("1\n", logprob=None)) as client:
        await opened(client, "x = \n")
        client.notify(
            "workspace/didChangeConfiguration", {"settings": {"dsc": {"minConfidence": 1.0}}}
        )
        assert len(await items(client, 0, 4)) == 1
        assert "How sure the model was is unknown" in await explained(client)


async def test_a_selected_item_of_the_popup_is_gone_on_with() -> None:
    engine = ScriptedEngine("(names)\n")
    async with connected(engine) as client:
        await opened(client, "x = so\n")
        place = {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 6}}
        selected = {"range": place, "text": "sorted"}
        [item] = await items(client, 0, 6, selectedCompletionInfo=selected)
        assert item["insertText"] == "sorted(names)"
        assert item["range"] == place
        assert engine.requests[0].prompt.parts[-1].text.endswith("x = sorted") or any(
            part.text.endswith("x = sorted") for part in engine.requests[0].prompt.parts
        )
        [again] = await items(client, 0, 6, selectedCompletionInfo=selected)
        assert again == item
        assert len(engine.requests) == 1


async def test_a_selected_item_and_the_popup_do_not_give_each_other_up() -> None:
    release = threading.Event()
    engine = ScriptedEngine("(a)\n", before_token=lambda _n: release.wait(PATIENCE_SECONDS))
    async with connected(engine) as client:
        await opened(client, "x = so\n")
        place = {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 6}}
        params = inline_params(0, 6)
        params["context"]["selectedCompletionInfo"] = {"range": place, "text": "sorted"}
        popup = client.popup(0, 6)
        inline = client.ask("textDocument/inlineCompletion", params)
        await client.settled()
        release.set()
        assert len((await client.answer(inline))["result"]["items"]) == 1
        assert len((await client.answer(popup))["result"]["items"]) == 1


async def test_several_lines_behind_a_selected_item_replace_the_rest_of_the_line() -> None:
    async with connected(ScriptedEngine("\n  a();\n});\n")) as client:
        await client.open_session()
        await client.loaded()
        client.open("list.map((x) => {})\n", language="javascript")
        [item] = await items(client, 0, 17)
        assert item["insertText"] == "\n  a();\n})"
        assert item["range"]["end"] == {"line": 0, "character": 19}


async def test_the_popups_item_shows_all_of_itself_on_demand() -> None:
    async with connected(ScriptedEngine("\n    a = 1\n    return a\n\nx\n")) as client:
        answer = await client.open_session()
        provider = answer["result"]["capabilities"]["completionProvider"]
        assert provider["resolveProvider"] is True
        assert not provider.get("triggerCharacters")
        await client.loaded()
        client.open("def first():\n")
        popup = await client.answer(client.popup(0, 12))
        [item] = popup["result"]["items"]
        assert (item["label"], item["kind"], item["detail"]) == (
            "a = 1…",
            15,
            "dsc-lsp, scripted",
        )
        resolved = (await client.request("completionItem/resolve", item))["result"]
        assert resolved["documentation"]["value"] == "```python\na = 1\nreturn a\n```"
        assert {**item, "documentation": resolved["documentation"]} == resolved


async def test_typing_what_the_model_is_writing_does_not_start_it_anew() -> None:
    reached, release = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        if number == 2:
            reached.set()
            assert release.wait(PATIENCE_SECONDS)

    engine = ScriptedEngine("total(1)\n", before_token=hold)
    async with connected(engine) as client:
        await opened(client)
        older = client.ghost_text(0, 4)
        while not reached.is_set():
            await client.settled()
        client.change(2, insertion(0, 4, "to"))
        newer = client.ghost_text(0, 6)
        assert (await client.answer(older))["error"]["code"] == CANCELLED
        release.set()
        answer = await client.answer(newer)
        assert [item["insertText"] for item in answer["result"]["items"]] == ["tal(1)"]
        assert len(engine.requests) == 1


async def test_typing_something_else_starts_it_anew() -> None:
    reached, release = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        if number == 2 and len(engine.requests) == 1:
            reached.set()
            assert release.wait(PATIENCE_SECONDS)

    engine = ScriptedEngine("total(1)\n", "bar\n", before_token=hold)
    async with connected(engine) as client:
        await opened(client)
        older = client.ghost_text(0, 4)
        while not reached.is_set():
            await client.settled()
        client.change(2, insertion(0, 4, "foo"))
        newer = client.ghost_text(0, 7)
        assert (await client.answer(older))["error"]["code"] == CANCELLED
        release.set()
        answer = await client.answer(newer)
        assert [item["insertText"] for item in answer["result"]["items"]] == ["bar"]


async def test_what_follows_an_accepted_suggestion_is_known_already() -> None:
    engine = ScriptedEngine("total(1)\n", "\nz = 2\n\n", "\n")
    async with connected(engine, Settings()) as client:
        await opened(client, "x = \n\ny = 1\n")
        [item] = await items(client, 0, 4)
        while len(engine.requests) < 2:
            await client.settled()
        client.change(2, insertion(0, 4, item["insertText"]))
        [follows] = await items(client, 0, 12)
        assert follows["insertText"] == "\nz = 2"


async def test_after_a_part_is_accepted_the_rest_of_what_was_shown_is_offered() -> None:
    """VS Code asks anew after each word, when what follows the whole has been prepared."""
    engine = ScriptedEngine("ea(width, height):\n", "\n    return width * height\n\n", "\n")
    async with connected(engine, Settings()) as client:
        await opened(client, "def ar\n")
        [item] = await items(client, 0, 6)
        rest, column = item["insertText"], 6
        assert rest == "ea(width, height):"
        while len(engine.requests) < 2:
            await client.settled()
        for version, word in enumerate(("ea", "(", "width", ", "), 2):
            client.change(version, insertion(0, column, word))
            rest, column = rest.removeprefix(word), column + len(word)
            await command(
                client, "dsc.partiallyAccepted", *item["command"]["arguments"], len(word)
            )
            assert [one["insertText"] for one in await items(client, 0, column)] == [rest]
        client.change(6, insertion(0, column, rest))
        [block] = await items(client, 0, column + len(rest))
        assert block["insertText"] == "\n    return width * height"
        session = (await command(client, "dsc.stats"))["session"]
        assert (session["accepted"], session["partially_accepted"]) == (1, 4)


async def test_a_bracket_that_the_editor_closes_is_typed_along() -> None:
    engine = ScriptedEngine("total([1])\n")
    async with connected(engine) as client:
        await opened(client)
        [shown] = await items(client, 0, 4)
        for version, (before, after, rest) in enumerate(
            (
                ("total(", ")", "[1]"),
                ("total([", "])", "1"),
                ("total(", ")", "[1]"),
                ("total", "", "([1])"),
                ("total(", ")", "[1]"),
            ),
            2,
        ):
            client.change(version, {"text": f"x = {before}{after}\ny = \n"})
            [item] = await items(client, 0, 4 + len(before))
            assert item["insertText"] == rest
            assert item["command"] == shown["command"]
        assert len(engine.requests) == 1
        assert (await command(client, "dsc.stats"))["session"]["shown"] == 1
