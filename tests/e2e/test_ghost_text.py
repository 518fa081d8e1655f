"""Typed text in, the model's ghost text out, over real stdio with the embedded model."""

import asyncio
from collections.abc import AsyncIterator
from functools import cache

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.e2e.sessions import Session, inline_params, session
from tests.widths import BEFORE, LINE_OF_CURSOR, TEXT

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHARACTER = len(BEFORE.encode("utf-16-le")) // 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Session]:
    """One server for all that need no settings of their own: its model takes seconds to load."""
    async with session() as started:
        await started.loaded()
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def editor(server: Session) -> AsyncIterator[Session]:
    """The server, without what other tests have opened."""
    yield server
    server.close_all()


@pytest.fixture
def uri(request: pytest.FixtureRequest) -> str:
    """A document that no other test has asked about."""
    return f"file:///project/{request.node.originalname}.py"


@cache
def engine() -> Engine:
    return open_engine(Settings(), lambda _message, _percent: None)


def expected(text: str, line: int, column: int) -> str:
    """Return what the pipeline says when it is called directly, without any server."""
    document = Document.of(text, uri="file:///project/other.py", language="python")
    cursor = Cursor(document, Position(line, column))
    return complete(cursor, Repository(), Settings(), engine(), CancelToken()).text


async def test_typed_text_gets_the_models_ghost_text(editor: Session, uri: str):
    assert editor.capabilities.inline_completion_provider
    editor.open(uri, TEXT.replace("na)", "n)"))
    editor.insert(uri, 2, LINE_OF_CURSOR, CHARACTER - 1, "a")

    [item] = await editor.ghost_text(uri, LINE_OF_CURSOR, CHARACTER)

    assert item.insert_text == expected(TEXT, LINE_OF_CURSOR, len(BEFORE))
    assert item.filter_text == item.insert_text
    assert item.range.start == types.Position(LINE_OF_CURSOR, CHARACTER)
    assert item.range.end.line == LINE_OF_CURSOR

    answer = await editor.popup(uri, LINE_OF_CURSOR, CHARACTER)

    [entry] = answer.items
    assert answer.is_incomplete
    assert entry.text_edit.new_text == "na" + item.insert_text
    assert entry.text_edit.range == types.Range(
        types.Position(LINE_OF_CURSOR, CHARACTER - 2), types.Position(LINE_OF_CURSOR, CHARACTER)
    )


async def test_who_asks_gets_several_suggestions_of_the_model(editor: Session, uri: str):
    editor.open(uri, TEXT)
    [shown] = await editor.ghost_text(uri, LINE_OF_CURSOR, CHARACTER)
    items = await editor.ghost_text(uri, LINE_OF_CURSOR, CHARACTER, invoked=True)
    texts = [item.insert_text for item in items]
    assert texts[0] == shown.insert_text
    assert 1 < len(texts) <= 3
    assert len(set(texts)) == len(texts)
    again = await editor.ghost_text(uri, LINE_OF_CURSOR, CHARACTER, invoked=True)
    assert [item.insert_text for item in again] == texts
    typed = texts[1][:1]
    editor.insert(uri, 2, LINE_OF_CURSOR, CHARACTER, typed)
    [rest, *_] = await editor.ghost_text(uri, LINE_OF_CURSOR, CHARACTER + 1)
    assert typed + rest.insert_text in texts


async def test_both_kinds_at_one_key_share_one_generation_and_are_both_answered(
    editor: Session, uri: str
):
    editor.open(uri, TEXT)
    [item], popup = await asyncio.gather(
        editor.ghost_text(uri, LINE_OF_CURSOR, CHARACTER),
        editor.popup(uri, LINE_OF_CURSOR, CHARACTER),
    )
    [entry] = popup.items
    assert entry.text_edit.new_text == "na" + item.insert_text


async def test_a_crlf_document_gets_crlf_suggestions(editor: Session, uri: str):
    text = (
        "class Box:\r\n    def __init__(self, value):\r\n        self.value = value\r\n"
        "\r\n    def get(self):\r\n        return self.value\r\n\r\n"
        "    def set(self, value):\r\n        \r\n"
    )
    editor.open(uri, text)
    items = await editor.ghost_text(uri, 8, 8)
    assert items, "the model says something in an empty body"
    inserted = items[0].insert_text
    assert "\n" not in inserted.replace("\r\n", "")
    assert inserted == expected(text, 8, 8)


async def test_a_cancelled_request_is_answered_with_request_cancelled(editor: Session, uri: str):
    editor.open(uri, TEXT)
    params = inline_params(uri, LINE_OF_CURSOR, CHARACTER)
    request = editor.client.protocol.send_request(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, params, msg_id="to be cancelled"
    )
    editor.client.cancel_request(types.CancelParams("to be cancelled"))
    with pytest.raises(JsonRpcRequestCancelled):
        await asyncio.wait_for(asyncio.wrap_future(request), 10)


async def test_a_newer_request_supersedes_the_older_and_gets_the_answer(editor: Session, uri: str):
    editor.open(uri, TEXT)
    older = asyncio.ensure_future(editor.ghost_text(uri, LINE_OF_CURSOR, CHARACTER))
    newer = asyncio.ensure_future(editor.ghost_text(uri, LINE_OF_CURSOR, CHARACTER - 1))
    with pytest.raises(JsonRpcRequestCancelled):
        await older
    texts = [item.insert_text for item in await newer]
    wanted = expected(TEXT, LINE_OF_CURSOR, len(BEFORE) - 1)
    assert texts == ([wanted] if wanted else [])


async def test_while_the_model_loads_the_open_documents_answer(uri: str):
    async with session() as editor:
        editor.open(uri, TEXT)
        [item] = await editor.ghost_text(uri, LINE_OF_CURSOR, 0)
        assert item.insert_text == '        print("é☃😀", name)'
        assert (await editor.popup(uri, LINE_OF_CURSOR, 0)).items
        assert not any(isinstance(one, types.WorkDoneProgressEnd) for one in editor.progress())
        assert await editor.loaded() == "starter"
        kinds = [type(one) for one in editor.progress()]
        assert kinds[0] is types.WorkDoneProgressBegin
        assert types.WorkDoneProgressReport in kinds
        assert kinds[-1] is types.WorkDoneProgressEnd


async def test_a_document_nobody_opened_and_one_without_text_are_answered(
    editor: Session,
):
    assert await editor.ghost_text("file:///nobody/opened.py", 3, 4) == []
    editor.open("file:///empty.py", "")
    assert isinstance(await editor.ghost_text("file:///empty.py", 0, 0), list)
    assert isinstance(await editor.ghost_text("file:///empty.py", 99, 99), list)


async def test_a_file_of_emoji_and_a_huge_line_are_answered(editor: Session):
    editor.open("file:///emoji.py", "😀" * 5_000 + "\n" + "👩‍👩‍👧" * 2_000)
    assert isinstance(await editor.ghost_text("file:///emoji.py", 0, 9_999), list)
    assert isinstance(await editor.ghost_text("file:///emoji.py", 1, 5_001), list)
    editor.open("file:///huge.py", "x = [" + "1234, " * 800_000)
    assert isinstance(await editor.ghost_text("file:///huge.py", 0, 2_000_000), list)
