"""Checkpoints opened in earnest behind the server: the starter, odd ones, odd questions."""

from pathlib import Path
from typing import Any

import pytest
from lsprotocol.types import PositionEncodingKind as Encoding

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine import open_engine
from dsc_lsp.models import STARTER_CHECKPOINT
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.checkpoints import make_checkpoint
from tests.protocol.client import URI, Client, connected, insertion, place
from tests.widths import BEFORE, LINE_OF_CURSOR, TEXT

UNITS = {
    Encoding.Utf8: len(BEFORE.encode()),
    Encoding.Utf16: len(BEFORE.encode("utf-16-le")) // 2,
    Encoding.Utf32: len(BEFORE),
}
LINE = "total = price * count\n"
ODD = {
    "a suffix only, longer than the context": (LINE * 300, 0, 0),
    "a prefix only, longer than the context": (LINE * 300, 300, 0),
    "both longer than the context": (LINE * 300, 150, 5),
    "an empty document": ("", 0, 0),
}


@pytest.mark.parametrize("encoding", Encoding)
async def test_typed_text_gets_the_models_ghost_text_in_every_encoding(encoding: Encoding) -> None:
    engine = open_engine(Settings(), lambda _message, _percent: None)
    cursor = Cursor(
        Document.of(TEXT, uri=URI, language="python"), Position(LINE_OF_CURSOR, len(BEFORE))
    )
    expected = complete(cursor, Repository(), Settings(), engine, CancelToken()).text
    engine.close()
    character = UNITS[encoding]
    async with connected(open_engine) as client:
        answer = await client.open_session(general={"positionEncodings": [encoding.value]})
        assert answer["result"]["capabilities"]["positionEncoding"] == encoding.value
        await client.loaded()
        client.open(TEXT.replace("na)", "n)"))
        client.change(2, insertion(LINE_OF_CURSOR, character - 1, "a"))

        [item] = await items(client, client.ghost_text(LINE_OF_CURSOR, character))

        assert item["insertText"] == item["filterText"] == expected
        at = place(LINE_OF_CURSOR, character)["position"]
        assert item["range"]["start"] == at
        assert item["range"]["end"]["line"] == LINE_OF_CURSOR

        popup = (await client.answer(client.popup(LINE_OF_CURSOR, character)))["result"]

        [entry] = popup["items"]
        assert popup["isIncomplete"]
        assert entry["textEdit"]["newText"] == "na" + expected
        word = place(LINE_OF_CURSOR, character - 2)["position"]
        assert entry["textEdit"]["range"] == {"start": word, "end": at}


async def test_a_model_that_cannot_be_loaded_is_told_once_and_answered_with_nothing(
    tmp_path: Path,
) -> None:
    config = (STARTER_CHECKPOINT / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    async with connected(open_engine, Settings(model=str(tmp_path))) as client:
        await client.open_session()
        await client.loaded()
        reason = loading_ended(client)
        assert "pytorch_model.bin, a pickle file" in reason
        client.open("x = ")
        assert await items(client, client.ghost_text(0, 4)) == []
        assert await items(client, client.ghost_text(0, 4)) == []
        assert await items(client, client.popup(0, 4)) == []
        assert client.shown() == [reason]


async def test_documents_that_do_not_fit_are_answered_and_the_next_one_too(tmp_path: Path) -> None:
    """The model has fewer positions than the settings ask for, too."""
    checkpoint = make_checkpoint(tmp_path / "deepseek-coder-tiny-base", layers=1, positions=160)
    # However unsure: random weights are.
    settings = Settings(model=str(checkpoint), context_tokens=16_384, min_confidence=0)
    async with connected(open_engine, settings) as client:
        await client.open_session()
        await client.loaded()
        assert loading_ended(client) == "deepseek-coder-tiny-base"
        for name, (text, line, column) in ODD.items():
            uri = f"file:///{name.replace(' ', '-')}.py"
            client.open(text, uri)
            assert isinstance(await items(client, client.ghost_text(line, column, uri)), list)
            assert isinstance(await items(client, client.popup(line, column, uri)), list)
        assert not client.shown(), "whatever fails is told"


async def items(client: Client, request: int) -> list[Any]:
    return (await client.answer(request))["result"]["items"]


def loading_ended(client: Client) -> str:
    ends = [m["params"]["value"] for m in client.of_method("$/progress")]
    return next(value["message"] for value in ends if value["kind"] == "end")
