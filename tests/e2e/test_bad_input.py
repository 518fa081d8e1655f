"""Odd questions to the real server: a clear result or a clear message, and the next one works."""

from pathlib import Path

from lsprotocol import types

from tests.checkpoints import make_checkpoint
from tests.e2e.sessions import Session, session

LINE = "total = price * count\n"
ODD = {
    "a suffix only, longer than the context": (LINE * 300, 0, 0),
    "a prefix only, longer than the context": (LINE * 300, 300, 0),
    "both longer than the context": (LINE * 300, 150, 5),
    "an empty document": ("", 0, 0),
}


async def test_documents_that_do_not_fit_are_answered_and_the_next_one_too(tmp_path: Path) -> None:
    """The model has fewer positions than the settings ask for, too."""
    checkpoint = make_checkpoint(tmp_path / "deepseek-coder-tiny-base", layers=1, positions=160)
    # However unsure: random weights are.
    options = {"model": str(checkpoint), "contextTokens": 16_384, "minConfidence": 0}
    async with session(options=options) as editor:
        assert await editor.loaded() == "deepseek-coder-tiny-base"
        for name, (text, line, column) in ODD.items():
            uri = f"file:///{name.replace(' ', '-')}.py"
            editor.open(uri, text)
            assert isinstance(await editor.ghost_text(uri, line, column), list), name
            assert isinstance(await editor.popup(uri, line, column), types.CompletionList), name
        assert not told(editor), "whatever fails is told"


async def test_a_device_that_is_not_there_is_told_once_and_everything_answered() -> None:
    async with session(options={"device": "cuda:99"}) as editor:
        reason = await editor.loaded()
        assert "The device cuda:99 is not there" in reason
        assert "Set `dsc.device`" in reason
        editor.open("file:///a.py", LINE + "total = ")
        for _ in range(2):
            assert isinstance(await editor.ghost_text("file:///a.py", 1, 8), list)
        assert told(editor) == [reason]


def told(editor: Session) -> list[str]:
    return [message.message for message in editor.client.messages]
