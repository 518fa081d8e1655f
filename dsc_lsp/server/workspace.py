"""The folders of the workspace: which there are, and what changes in them on the disk."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from dsc_lsp.languages import LANGUAGES
from dsc_lsp.repository.paths import folders_of, path_of
from dsc_lsp.server.session import Server

COPIED, DIAGNOSTICS = "dsc/copied", "dsc/diagnostics"
"""Notifications of clients that know this server (docs/architecture.md)."""

_MOST_COPIED_CHARACTERS = 10_000
_SUFFIXES = sorted({suffix.lstrip(".") for row in LANGUAGES for suffix in row.suffixes})
_CODE = "**/*.{" + ",".join(_SUFFIXES) + "}"
_RULES = "**/{.gitignore,tsconfig.json,jsconfig.json,go.mod}"


async def read_folders(server: Server) -> None:
    """Let the repository know the files of the workspace, or of none if the user wants none."""
    async with server.reading_folders:
        wanted = server.settings.repository_context
        roots = await asyncio.to_thread(_folders, server) if wanted else ()
        scan = not _tells_of_files(server)
        await asyncio.to_thread(
            server.repository.open_folders,
            roots,
            server.index_reported,
            scan=scan,
            diff=server.settings.git_changes,
        )


async def watch_files(server: Server) -> None:
    """Ask the client to tell of files that change on the disk, if it can be asked.

    If it refuses, the disk is looked at often from then on.
    """
    if not _tells_of_files(server):
        return
    watchers = [types.FileSystemWatcher(pattern) for pattern in (_CODE, _RULES)]
    options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
    registration = types.Registration(
        "dsc-lsp/files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options
    )
    try:
        await server.client_register_capability_async(types.RegistrationParams([registration]))
    except JsonRpcException:
        server.refuses_to_watch = True
        await read_folders(server)


def files_changed(server: Server, params: types.DidChangeWatchedFilesParams) -> None:
    """Read anew what has changed; documents that are open are known from the editor."""
    _read_anew(server, (change.uri for change in params.changes))


def files_renamed(server: Server, params: types.RenameFilesParams) -> None:
    """Read anew what was renamed in the editor: of a folder's files no watcher may tell."""
    uris = (uri for file in params.files for uri in (file.old_uri, file.new_uri))
    _read_anew(server, uris)


def files_deleted(server: Server, params: types.DeleteFilesParams) -> None:
    """Forget what was deleted in the editor."""
    _read_anew(server, (file.uri for file in params.files))


def _read_anew(server: Server, uris: Iterable[str]) -> None:
    paths = map(path_of, uris)
    server.repository.files_changed([path for path in paths if path and path.is_absolute()])


async def folders_changed(server: Server, _params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Know the files of the folders that there are now; pygls has kept the list."""
    await read_folders(server)


async def copied(server: Server, params: Any) -> None:
    """Know what the user has copied: ``{"text": ...}``, of ``dsc/copied``."""
    text = getattr(params, "text", None)
    await server.settings_are_taken.wait()
    if server.settings.clipboard_context and isinstance(text, str):
        server.repository.copied(text[:_MOST_COPIED_CHARACTERS])


async def diagnosed(server: Server, params: Any) -> None:
    """Know what other tools say of a document: ``dsc/diagnostics``, as ``publishDiagnostics``."""
    await server.settings_are_taken.wait()
    if not server.settings.diagnostics_context:
        return
    # A notification of ours has no type: what is not there is not known.
    with suppress(AttributeError, TypeError):
        found = [(int(one.range.start.line), str(one.message)) for one in params.diagnostics]
        server.repository.reported(str(params.uri), found)


def _tells_of_files(server: Server) -> bool:
    if server.refuses_to_watch:
        return False
    workspace = server.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace is not None else None
    return watching is not None and bool(watching.dynamic_registration)


def _folders(server: Server) -> tuple[Path, ...]:
    """Return the folders that are there; looks at the disk."""
    uris = list(server.workspace.folders)
    if not uris and server.workspace.root_uri:
        uris = [server.workspace.root_uri]
    return folders_of(uris)
