"""Odd questions to a real engine: a clear result or a clear message, and the next one works."""

from pathlib import Path

import pytest

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, EngineError
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.checkpoints import make_checkpoint

SETTINGS = Settings(context_tokens=200, max_new_tokens=8, device="cpu")
LINE = "total = price * count\n"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "deepseek-coder-tiny-base"
    return make_checkpoint(directory, layers=1, positions=160)


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    settings = Settings(model=str(checkpoint), device="cpu", context_tokens=16_384)
    return open_engine(settings, lambda _what, _percent: None)


def cursor(text: str, line: int = 0, column: int = 0) -> Cursor:
    document = Document.of(text, uri="file:///a.py", language="python", version=1)
    return Cursor(document, Position(line, column))


def tokens_asked(engine: Engine, at: Cursor) -> tuple[int, int]:
    result = complete(at, Repository(), SETTINGS, engine, CancelToken())
    return result.prompt_tokens, result.new_tokens


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(cursor(""), id="an empty document"),
        pytest.param(cursor("\n"), id="a blank line"),
        pytest.param(cursor(LINE * 300), id="a suffix only, longer than the context"),
        pytest.param(cursor(LINE * 300, 300), id="a prefix only, longer than the context"),
        pytest.param(cursor(LINE * 300, 150, 5), id="both longer than the context"),
        pytest.param(cursor("x = " + "a" * 100_000, 0, 50_000), id="one line without an end"),
        pytest.param(cursor("\ud800\x00\ufeff" * 40, 0, 7), id="what is no text"),
    ],
)
def test_any_document_has_an_answer_within_the_context(engine: Engine, at: Cursor) -> None:
    prompt, new = tokens_asked(engine, at)
    assert 1 <= prompt <= engine.context_tokens - new
    assert new <= SETTINGS.max_new_tokens
    assert tokens_asked(engine, cursor(LINE * 3, 2, 4))[1] > 0, "the next one works"


def test_a_model_with_fewer_positions_than_asked_uses_all_it_has(engine: Engine) -> None:
    assert engine.context_tokens == 160


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there(checkpoint: Path, engine: Engine, device: str) -> None:
    settings = Settings(model=str(checkpoint), device=device)
    with pytest.raises(EngineError, match=r"Set `dsc\.device`"):
        open_engine(settings, lambda _what, _percent: None)
    assert tokens_asked(engine, cursor(LINE * 3, 2, 4))[1] > 0
