"""A scripted editor: the client's side of the protocol, for the demo, measurements and tests."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from dsc_lsp import __version__
from dsc_lsp.document import Document, Position

_UTF32 = types.PositionEncodingKind.Utf32


@dataclass(frozen=True, slots=True)
class GhostText:
    """What the server suggests at the cursor (empty if nothing), and the milliseconds it took."""

    text: str
    ms: float


class LoadingFailed(Exception):
    """The server could not load its model; the message is the server's."""


class ServerDied(Exception):
    """The server's process ended before it was asked to."""


class Editor:
    """Starts a server, opens one document at a time, types into it and asks for ghost text."""

    def __init__(self, command: Sequence[str], options: dict[str, Any] | None = None) -> None:
        self._command = command
        self._options = options or {}
        self._loaded: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._client = _Client(self._server_ended)
        self._ending = False
        self.document = Document.of("")
        self.cursor = Position(0, 0)
        self._listen()

    async def __aenter__(self) -> Self:
        """Start the server and shake hands; the model is not waited for."""
        await self._client.start_io(*self._command)
        capabilities = types.ClientCapabilities(
            general=types.GeneralClientCapabilities(position_encodings=[_UTF32]),
            window=types.WindowClientCapabilities(work_done_progress=True),
        )
        await self._client.initialize_async(
            types.InitializeParams(capabilities, initialization_options=self._options)
        )
        self._client.initialized(types.InitializedParams())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the server as the protocol asks."""
        if self._client.stopped:
            return
        self._ending = True
        await self._client.shutdown_async(None)
        self._client.exit(None)
        await self._client.stop()

    async def loaded(self) -> str:
        """Wait for the model; returns its name.

        Raises:
            LoadingFailed: with the reason that the server gave.
            ServerDied: the server's process has ended.
        """
        return await self._loaded

    def open(self, path: Path, language: str, text: str) -> None:
        """Show a document with the cursor at its start."""
        self.document = Document.of(text, uri=path.as_uri(), language=language, version=1)
        self.cursor = Position(0, 0)
        item = types.TextDocumentItem(self.document.uri, language, 1, text)
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def move_to(self, cursor: Position) -> None:
        """Put the cursor somewhere."""
        self.cursor = self.document.clamp(cursor)

    def type(self, text: str) -> None:
        """Insert text at the cursor, which goes behind it."""
        at = types.Position(*self.cursor)
        change = types.TextDocumentContentChangePartial(types.Range(at, at), text)
        version = self.document.version + 1
        self.document = self.document.replace(self.cursor, self.cursor, text, version)
        lines = text.split("\n")
        column = len(lines[-1]) + (0 if len(lines) > 1 else self.cursor.column)
        self.cursor = Position(self.cursor.line + len(lines) - 1, column)
        self._client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(version, self.document.uri), [change]
            )
        )

    async def ghost_text(self) -> GhostText:
        """Ask for ghost text at the cursor."""
        start = time.perf_counter()
        answer = await self._client.text_document_inline_completion_async(
            types.InlineCompletionParams(
                types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
                types.TextDocumentIdentifier(self.document.uri),
                types.Position(*self.cursor),
            )
        )
        ms = (time.perf_counter() - start) * 1000
        items = answer.items if isinstance(answer, types.InlineCompletionList) else answer or ()
        text = items[0].insert_text if items else ""
        return GhostText(text if isinstance(text, str) else text.value, ms)

    def _listen(self) -> None:
        def create(_params: types.WorkDoneProgressCreateParams) -> None:
            return None

        def progress(params: types.ProgressParams) -> None:
            if isinstance(params.value, dict) and params.value.get("kind") == "end":
                self._finish_loading(params.value.get("message") or "")

        def show(params: types.ShowMessageParams) -> None:
            if params.type is types.MessageType.Error and not self._loaded.done():
                self._loaded.set_exception(LoadingFailed(params.message))

        self._client.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)(create)
        self._client.feature(types.PROGRESS)(progress)
        self._client.feature(types.WINDOW_SHOW_MESSAGE)(show)

    def _finish_loading(self, message: str) -> None:
        if not self._loaded.done():
            self._loaded.set_result(message)

    def _server_ended(self, exit_code: int | None) -> None:
        if self._ending or self._loaded.done():
            return
        self._loaded.set_exception(ServerDied(f"The server ended with exit code {exit_code}."))


class _Client(LanguageClient):
    """pygls's client, which tells when the server ends and passes the server's log on."""

    def __init__(self, on_exit: Callable[[int | None], None]) -> None:
        super().__init__("dsc-lsp-editor", __version__)
        self._on_exit = on_exit

    async def start_io(self, cmd: str, *args: str, **options: Any) -> None:
        """Start the server; what it logs goes to our stderr."""
        await super().start_io(cmd, *args, **options)
        self._async_tasks.append(asyncio.create_task(self._pass_log_on()))

    async def server_exit(self, server: asyncio.subprocess.Process) -> None:
        """Tell that the server's process has ended."""
        self._on_exit(server.returncode)

    async def _pass_log_on(self) -> None:
        assert self._server is not None, "start_io has started it"
        assert self._server.stderr is not None, "start_io has made a pipe of it"
        async for line in self._server.stderr:
            sys.stderr.buffer.write(line)
