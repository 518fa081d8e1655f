"""A setting that cannot be fulfilled, in the real server: a clear message, and all is answered."""

from tests.e2e.sessions import Session, session


async def test_a_device_that_is_not_there_is_told_once_and_everything_answered() -> None:
    async with session(options={"device": "cuda:99"}) as editor:
        reason = await editor.loaded()
        assert "The device cuda:99 is not there" in reason
        assert "Set `dsc.device`" in reason
        editor.open("file:///a.py", "total = price * count\ntotal = ")
        for _ in range(2):
            assert isinstance(await editor.ghost_text("file:///a.py", 1, 8), list)
        assert told(editor) == [reason]


def told(editor: Session) -> list[str]:
    return [message.message for message in editor.client.messages]
