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
    """Shows the worker's statuses while a model is loaded; event loop only."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._statuses: asyncio.Queue[WorkerStatus] = asyncio.Queue()

    def update(self, status: WorkerStatus) -> None:
        """Show a status; returns at once."""
        self._statuses.put_nowait(status)

    async def show(self) -> None:
        """Pass statuses on to the client, if it shows progress at all: each loading by itself."""
        status = None
        # Asked for before the first status: what is slow here is so beside loading.
        while await self._created():
            await self._show_loading(status or await self._statuses.get())
            status = await self._next_loading()

    async def _show_loading(self, status: WorkerStatus) -> None:
        progress = self._server.work_done_progress
        progress.begin(_TOKEN, types.WorkDoneProgressBegin(title=_TITLE, percentage=0))
        while status.state is WorkerState.LOADING:
            progress.report(
                _TOKEN,
                types.WorkDoneProgressReport(message=status.message, percentage=status.percent),
            )
            status = await self._statuses.get()
        progress.end(_TOKEN, types.WorkDoneProgressEnd(message=status.message))

    async def _next_loading(self) -> WorkerStatus:
        """Return the first status of a model that is loaded again."""
        while True:
            status = await self._statuses.get()
            if status.state is WorkerState.LOADING:
                return status

    async def _created(self) -> bool:
        window = self._server.client_capabilities.window
        if window is None or not window.work_done_progress:
            return False
        try:
            self._server.work_done_progress.tokens.pop(_TOKEN, None)  # that of the last loading
            creation = self._server.work_done_progress.create_async(_TOKEN)
            await asyncio.wait_for(creation, _ANSWER_SECONDS)
        except (TimeoutError, JsonRpcException):
            return False
        return True
