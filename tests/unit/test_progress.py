"""The progress of loading, where the client answers and the server ends at the same moment."""

import asyncio
from types import SimpleNamespace
from typing import Any

from dsc_lsp.server.progress import LoadingProgress


class SlowClient:
    """Shows progress, and says so when ``answer`` is set."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tokens: dict[str, Any] = {}
        window = SimpleNamespace(work_done_progress=True)
        self.client_capabilities = SimpleNamespace(window=window)
        self.work_done_progress = self

    async def create_async(self, _token: str) -> None:
        await self.answer


async def test_a_cancel_that_comes_with_the_clients_answer_is_not_lost() -> None:
    client: Any = SlowClient()
    showing = asyncio.ensure_future(LoadingProgress(client).show())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    client.answer.set_result(None)
    await asyncio.sleep(0)
    showing.cancel()
    ended, _ = await asyncio.wait({showing}, timeout=5)
    assert ended == {showing}
    assert showing.cancelled()
