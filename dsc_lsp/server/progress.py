"""What takes long as ``$/progress`` in the editor: loading the model, indexing the workspace."""

import asyncio

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from dsc_lsp.engine.worker import WorkerState, WorkerStatus
from dsc_lsp.repository.reports import IndexReport

_TITLE = "dsc-lsp"
_LOADING = "dsc-lsp/loading"
_INDEXING = "dsc-lsp/indexing"
_ANSWER_SECONDS = 5
_SHOWN_FILES = 100
"""Fewer files are read before anybody has looked."""


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
        while await _created(self._server, _LOADING):
            await self._show_loading(status or await self._statuses.get())
            status = await self._next_loading()

    async def _show_loading(self, status: WorkerStatus) -> None:
        progress = self._server.work_done_progress
        progress.begin(_LOADING, types.WorkDoneProgressBegin(title=_TITLE, percentage=0))
        while status.state is WorkerState.LOADING:
            progress.report(
                _LOADING,
                types.WorkDoneProgressReport(message=status.message, percentage=status.percent),
            )
            status = await self._statuses.get()
        progress.end(_LOADING, types.WorkDoneProgressEnd(message=status.message))

    async def _next_loading(self) -> WorkerStatus:
        """Return the first status of a model that is loaded again."""
        while True:
            status = await self._statuses.get()
            if status.state is WorkerState.LOADING:
                return status


class IndexingProgress:
    """Shows the first indexing of a workspace, if there is much to read; event loop only."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._folders: dict[str, IndexReport] = {}
        self._changed = asyncio.Event()

    def update(self, report: IndexReport) -> None:
        """Show how far a folder is; returns at once."""
        before = self._folders.get(report.folder)
        if report.complete or report.problem:
            of = 0 if before is None else before.of
            report = IndexReport(report.folder, of, of, complete=True)
        self._folders[report.folder] = report
        self._changed.set()

    async def show(self) -> None:
        """Pass reports on to the client until all folders are complete, if it shows progress."""
        while sum(report.of for report in self._folders.values()) < _SHOWN_FILES:
            await self._change()
        if not await _created(self._server, _INDEXING):
            return
        progress = self._server.work_done_progress
        progress.begin(_INDEXING, types.WorkDoneProgressBegin(title=_TITLE, percentage=0))
        while not all(report.complete for report in self._folders.values()):
            done = sum(report.done for report in self._folders.values())
            of = sum(report.of for report in self._folders.values())
            message = f"Indexing the workspace: {done} of {of} files"
            percent = 100 * done // max(1, of)
            progress.report(
                _INDEXING, types.WorkDoneProgressReport(message=message, percentage=percent)
            )
            await self._change()
        progress.end(_INDEXING, types.WorkDoneProgressEnd(message="The workspace is indexed"))

    async def _change(self) -> None:
        await self._changed.wait()
        self._changed.clear()


async def _created(server: LanguageServer, token: str) -> bool:
    """Ask the client for a place to show progress at; false if it has none."""
    window = server.client_capabilities.window
    if window is None or not window.work_done_progress:
        return False
    try:
        server.work_done_progress.tokens.pop(token, None)  # that of the last loading
        # Not wait_for, which loses a cancel that comes with the answer (bpo-37658).
        async with asyncio.timeout(_ANSWER_SECONDS):
            await server.work_done_progress.create_async(token)
    except (TimeoutError, JsonRpcException):
        return False
    return True
