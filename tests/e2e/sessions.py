"""A real server as a subprocess and a pytest-lsp client that talks to it over stdio."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsprotocol import types
from pytest_lsp import LanguageClient
from pytest_lsp.client import make_test_lsp_client

SERVER = (sys.executable, "-m", "dsc_lsp", "--stdio")
LOADING = "dsc-lsp/loading"


@dataclass(frozen=True)
class Session:
    """A client whose server has answered ``initialize``."""

    client: LanguageClient
    capabilities: types.ServerCapabilities
    _open: set[str] = field(default_factory=set[str])

    async def loaded(self) -> str:
        """Wait for the end of loading; returns what the progress ended with."""
        while not (reports := self.progress()) or not _is_end(reports[-1]):
            await asyncio.wait_for(self.client.wait_for_notification(types.PROGRESS), 60)
        return reports[-1].message

    def progress(self) -> list[Any]:
        """Return what ``$/progress`` brought so far."""
        return self.client.progress_reports.get(LOADING, [])

    def open(self, uri: str, text: str, language: str = "python") -> None:
        """Open a document, version 1."""
        item = types.TextDocumentItem(uri, language, 1, text)
        self._open.add(uri)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def close_all(self) -> None:
        """Close the documents that are open."""
        for uri in self._open:
            document = types.TextDocumentIdentifier(uri)
            self.client.text_document_did_close(types.DidCloseTextDocumentParams(document))
        self._open.clear()

    def insert(self, uri: str, version: int, line: int, character: int, text: str) -> None:
        """Type a text at a position."""
        at = types.Position(line, character)
        change = types.TextDocumentContentChangePartial(types.Range(at, at), text)
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(version, uri), [change]
            )
        )

    async def ghost_text(
        self, uri: str, line: int, character: int, *, invoked: bool = False
    ) -> Any:
        """Ask for ghost text, as an editor at a key or as its user; returns the items."""
        params = inline_params(uri, line, character)
        if invoked:
            params.context.trigger_kind = types.InlineCompletionTriggerKind.Invoked
        answer = await self.client.text_document_inline_completion_async(params)
        assert isinstance(answer, types.InlineCompletionList), "a list, never null"
        return list(answer.items)

    async def popup(self, uri: str, line: int, character: int) -> types.CompletionList:
        """Ask for the popup."""
        answer = await self.client.text_document_completion_async(
            types.CompletionParams(
                types.TextDocumentIdentifier(uri), types.Position(line, character)
            )
        )
        assert isinstance(answer, types.CompletionList), "a list that says it is incomplete"
        return answer


@asynccontextmanager
async def session(
    *,
    options: Any = None,
    configuration: dict[str, Any] | None = None,
    folder: Path | None = None,
) -> AsyncIterator[Session]:
    """Start a server for a folder and shake hands; ends it as the protocol asks."""
    client = make_test_lsp_client()
    if configuration is not None:
        client.set_configuration(configuration, section="dsc")
    await client.start_io(*SERVER)
    capabilities = types.ClientCapabilities(
        general=types.GeneralClientCapabilities(
            position_encodings=[types.PositionEncodingKind.Utf16]
        ),
        window=types.WindowClientCapabilities(work_done_progress=True),
        workspace=types.WorkspaceClientCapabilities(configuration=configuration is not None),
    )
    folders = [] if folder is None else [types.WorkspaceFolder(folder.as_uri(), folder.name)]
    answer = await client.initialize_session(
        types.InitializeParams(
            capabilities, initialization_options=options, workspace_folders=folders
        )
    )
    try:
        yield Session(client, answer.capabilities)
    finally:
        await client.shutdown_session()
        await client.stop()


def inline_params(uri: str, line: int, character: int) -> types.InlineCompletionParams:
    """Return the parameters of an automatic request for ghost text."""
    return types.InlineCompletionParams(
        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
        types.TextDocumentIdentifier(uri),
        types.Position(line, character),
    )


def _is_end(report: Any) -> bool:
    return isinstance(report, types.WorkDoneProgressEnd)
