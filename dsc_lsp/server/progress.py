"""The loading of the model as ``$/progress`` in the editor."""

import asyncio

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from dsc_lsp.engine.worker import WorkerState, WorkerStatus

_TITLE = "dsc-lsp"
_TOKEN = "dsc-lsp/loading"  # noqa: S105 - a progress token, no secret
_ANSWER_SECONDS = 5


class LoadingProgress:
    """Shows the worker's statuses until the model is ready or has failed; event loop only."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._statuses: asyncio.Queue[WorkerStatus] = asyncio.Queue()

    def update(self, status: WorkerStatus) -> None:
        """Show a status; returns at once."""
        self._statuses.put_nowait(status)

    async def show(self) -> None:
        """Pass statuses on to the client, if it shows progress at all."""
        if not await self._created():
            return
        progress = self._server.work_done_progress
        begun = False
        while True:
            status = await self._statuses.get()
            if not begun:
                begun = True
                progress.begin(_TOKEN, types.WorkDoneProgressBegin(title=_TITLE, percentage=0))
            if status.state is not WorkerState.LOADING:
                progress.end(_TOKEN, types.WorkDoneProgressEnd(message=status.message))
                return
            progress.report(
                _TOKEN,
                types.WorkDoneProgressReport(message=status.message, percentage=status.percent),
            )

    async def _created(self) -> bool:
        window = self._server.client_capabilities.window
        if window is None or not window.work_done_progress:
            return False
        try:
            creation = self._server.work_done_progress.create_async(_TOKEN)
            await asyncio.wait_for(creation, _ANSWER_SECONDS)
        except (TimeoutError, JsonRpcException):
            return False
        return True
