"""A handler for each message of the client.

Documents are changed and snapshots taken before the first ``await``: a document is a frozen value,
so nothing that runs later can see it change.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcRequestCancelled

from dsc_lsp import completion, convert, settings
from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.completion import Completion
from dsc_lsp.document import Cursor
from dsc_lsp.engine.base import Engine, EngineError, EngineNotReady
from dsc_lsp.repository import Repository
from dsc_lsp.server.failures import place_of
from dsc_lsp.server.generations import Kind
from dsc_lsp.server.lifecycle import process_of, watch_parent
from dsc_lsp.server.memory import memory_limit, watch_memory
from dsc_lsp.server.session import Server
from dsc_lsp.settings import SECTION, Settings

_LONGEST_ANSWER_SECONDS = 60.0
"""An engine that hangs must not make its callers hang; a slow one is superseded long before."""

_log = logging.getLogger(__name__)


def register(server: Server) -> None:
    """Connect each message to its handler, with the options that the client is told."""
    for method, handler in _HANDLERS.items():
        server.feature(method)(handler)
    # Without an options object pygls does not advertise inline completion.
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())(
        inline_completion
    )
    server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions())(popup_completion)


def initialize(server: Server, params: types.InitializeParams) -> None:
    """Take the user's options and watch the client's process; nothing heavy happens here."""
    parsed = settings.merge(server.base_settings, params.initialization_options, machine=True)
    server.base_settings = server.settings = parsed.settings
    server.problems.extend(parsed.problems)
    # Looked up before the client has its answer: afterwards it may be gone already.
    client = None if params.process_id is None else process_of(params.process_id)
    if client is not None:
        server.in_background(watch_parent(client, server.ending))


async def initialized(server: Server, _params: types.InitializedParams) -> None:
    """Begin to load the model and ask for the workspace's settings."""
    if server.is_started:
        return
    server.is_started = True
    server.tell_problems(server.problems)
    server.wire.most_requests = server.base_settings.max_requests
    limit = memory_limit(server.base_settings.max_memory_megabytes)
    server.in_background(
        watch_memory(limit, lambda exceeded: server.memory_changed(exceeded=exceeded))
    )
    server.in_background(server.loading.show())
    server.tell_whether_off()
    server.status.begin(server.client_capabilities.experimental)
    server.worker.start()
    workspace = server.client_capabilities.workspace
    if workspace is None:
        return
    if workspace.configuration:
        await _pull_settings(server)
    dynamic = workspace.did_change_configuration
    if dynamic is not None and dynamic.dynamic_registration:
        await _register_for_settings(server)


def shutdown(server: Server, _params: None) -> None:
    """Answer what waits as cancelled, and take nothing more."""
    server.wire.shut_down()


def exit_(server: Server, _params: None) -> None:
    """End the server; 0 if the client had asked for ``shutdown`` before (LSP 3.18, ``exit``)."""
    server.ending.ask(0 if server.wire.is_shut_down else 1)


def did_open(server: Server, params: types.DidOpenTextDocumentParams) -> None:
    """Keep a document that the editor has opened."""
    document = convert.document_of(params.text_document)
    server.documents[document.uri] = document
    server.repository.update(document)


def did_change(server: Server, params: types.DidChangeTextDocumentParams) -> None:
    """Apply edits; a document that was never opened is not known and stays so."""
    # Taken out first: if a bug keeps the edits from being applied, no text is better than a wrong
    # one.
    document = server.documents.pop(params.text_document.uri, None)
    if document is None:
        return
    document = convert.changed(
        document, params.content_changes, params.text_document.version, server.encoding
    )
    server.documents[document.uri] = document
    server.repository.update(document)


def did_close(server: Server, params: types.DidCloseTextDocumentParams) -> None:
    """Forget a document."""
    server.documents.pop(params.text_document.uri, None)
    server.repository.close(params.text_document.uri)
    server.generations.forget(params.text_document.uri)
    server.suggestions.forget(params.text_document.uri)


def did_save(_server: Server, _params: types.DidSaveTextDocumentParams) -> None:
    """Do nothing: the text is known from the edits."""


async def did_change_configuration(
    server: Server, params: types.DidChangeConfigurationParams
) -> None:
    """Take new settings: by asking, where the client can be asked, else as sent."""
    workspace = server.client_capabilities.workspace
    if workspace is not None and workspace.configuration:
        await _pull_settings(server)
    else:
        server.take_settings(params.settings)


async def inline_completion(
    server: Server, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    """Answer with ghost text; nothing to say is an empty list, never null or an error.

    Neovim keeps stale ghost text on any other answer.
    """
    cursor = _cursor(server, params.text_document, params.position)
    text = await _suggestion(server, Kind.INLINE, cursor)
    if cursor is None or not text:
        return types.InlineCompletionList([])
    return types.InlineCompletionList([convert.inline_item(cursor, text, server.encoding)])


async def popup_completion(server: Server, params: types.CompletionParams) -> types.CompletionList:
    """Answer with an item for the popup, which is asked for anew at each key."""
    cursor = _cursor(server, params.text_document, params.position)
    text = await _suggestion(server, Kind.POPUP, cursor)
    if cursor is None or not text:
        return types.CompletionList(is_incomplete=True, items=[])
    item = convert.completion_item(cursor, text, server.encoding)
    return types.CompletionList(is_incomplete=True, items=[item])


_HANDLERS: dict[str, Callable[..., Any]] = {
    types.INITIALIZE: initialize,
    types.INITIALIZED: initialized,
    types.SHUTDOWN: shutdown,
    types.EXIT: exit_,
    types.TEXT_DOCUMENT_DID_OPEN: did_open,
    types.TEXT_DOCUMENT_DID_CHANGE: did_change,
    types.TEXT_DOCUMENT_DID_CLOSE: did_close,
    types.TEXT_DOCUMENT_DID_SAVE: did_save,
    types.WORKSPACE_DID_CHANGE_CONFIGURATION: did_change_configuration,
}


def _cursor(
    server: Server, identifier: types.TextDocumentIdentifier, position: types.Position
) -> Cursor | None:
    document = server.documents.get(identifier.uri)
    if document is None:
        return None
    return convert.cursor_at(document, position, server.encoding)


async def _suggestion(server: Server, kind: Kind, cursor: Cursor | None) -> str:
    """Return the text to insert, from memory or the engine; empty if there is none.

    Raises:
        JsonRpcRequestCancelled: a newer request has taken this one's place.
    """
    if cursor is None or not _may_suggest(server, cursor):
        return ""
    known = server.suggestions.find(cursor)
    if known is not None:
        server.generations.supersede(kind, cursor)
        return known
    text = await _from_engine(server, kind, cursor)
    server.suggestions.remember(cursor, text)
    return text


async def _from_engine(server: Server, kind: Kind, cursor: Cursor) -> str:
    """Return what the engine says; empty if it cannot, which the user is told once."""
    work = partial(_complete, cursor, server.repository, server.settings)
    try:
        with server.status.thinking():
            async with asyncio.timeout(_LONGEST_ANSWER_SECONDS):
                result = await server.generations.complete(kind, cursor, work)
    except Cancelled:
        raise JsonRpcRequestCancelled from None
    except TimeoutError:
        _log.error("no answer from the engine within %.0f s", _LONGEST_ANSWER_SECONDS)
        return ""
    except EngineNotReady:
        return ""
    except EngineError as error:
        server.tell_once(str(error), types.MessageType.Error)
        return ""
    except Exception as error:  # noqa: BLE001 - the shell: every request is answered
        _log.error("completion failed: %s", place_of(error))
        server.tell_once(
            f"dsc-lsp could not complete here ({type(error).__name__}, a bug in dsc-lsp);"
            " the log says where.",
            types.MessageType.Error,
        )
        return ""
    return result.text


def _may_suggest(server: Server, cursor: Cursor) -> bool:
    if not server.settings.enabled or server.is_starved:
        return False
    most = server.settings.max_document_characters
    if cursor.document.length <= most:
        return True
    server.tell_once(
        f"dsc-lsp makes no suggestions in files of more than {most} characters"
        " (`dsc.maxDocumentCharacters`).",
        types.MessageType.Info,
    )
    return False


def _complete(
    cursor: Cursor,
    repository: Repository,
    chosen: Settings,
    engine: Engine,
    cancel: CancelToken,
) -> Completion:
    result = completion.complete(cursor, repository, chosen, engine, cancel)
    _log.info(
        "%s: %.0f ms (prompt %.1f, first token %.0f), %d tokens read, %d of them known, %d new",
        engine.name,
        result.total_ms,
        result.prompt_ms,
        result.first_token_ms,
        result.prompt_tokens,
        result.reused_tokens,
        result.new_tokens,
    )
    return result


async def _pull_settings(server: Server) -> None:
    item = types.ConfigurationItem(section=SECTION)
    try:
        answer = await server.workspace_configuration_async(types.ConfigurationParams([item]))
    except JsonRpcException:
        return
    server.take_settings(answer[0] if answer else None)


async def _register_for_settings(server: Server) -> None:
    registration = types.Registration("dsc-lsp/settings", types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    try:
        await server.client_register_capability_async(types.RegistrationParams([registration]))
    except JsonRpcException:
        return
