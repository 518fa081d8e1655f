"""A handler for each message of the client.

Documents are changed and snapshots taken before the first ``await``: a document is a frozen value,
so nothing that runs later can see it change.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from dsc_lsp import convert, settings
from dsc_lsp.server import commands, feedback, offering, workspace
from dsc_lsp.server.generations import Kind
from dsc_lsp.server.lifecycle import process_of, watch_parent
from dsc_lsp.server.memory import memory_limit, watch_memory
from dsc_lsp.server.offering import Offer, Question
from dsc_lsp.server.session import Server
from dsc_lsp.settings import SECTION


def register(server: Server) -> None:
    """Connect each message to its handler, with the options that the client is told."""
    for method, handler in _HANDLERS.items():
        server.feature(method)(handler)
    # Folders, too: who watches files is not always told of those in a folder that is renamed.
    anything = types.FileOperationPattern("**/*")
    everywhere = types.FileOperationRegistrationOptions(
        [types.FileOperationFilter(anything, scheme="file")]
    )
    server.feature(types.WORKSPACE_DID_RENAME_FILES, everywhere)(workspace.files_renamed)
    server.feature(types.WORKSPACE_DID_DELETE_FILES, everywhere)(workspace.files_deleted)
    # Without an options object pygls does not advertise inline completion.
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())(
        inline_completion
    )
    # No characters trigger the popup: ":" would open it wherever a block opens.
    server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(resolve_provider=True))(
        popup_completion
    )
    server.feature(types.COMPLETION_ITEM_RESOLVE)(resolve_completion)
    for name, command in feedback.COMMANDS.items():
        server.command(name)(command)
    server.command(commands.KNOWN_MODELS)(commands.known_models)


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
    server.in_background(server.indexing.show())
    server.tell_whether_off()
    server.status.begin(server.client_capabilities.experimental)
    server.worker.start()
    server.in_background(feedback.keep_statistics(server))
    server.in_background(server.wire.rehearse())
    can = server.client_capabilities.workspace
    if can is not None and can.configuration:
        await _pull_settings(server)
    await workspace.read_folders(server)
    dynamic = can.did_change_configuration if can is not None else None
    if dynamic is not None and dynamic.dynamic_registration:
        await _register_for_settings(server)
    await workspace.watch_files(server)


def shutdown(server: Server, _params: None) -> None:
    """Answer what waits as cancelled, and take nothing more."""
    server.wire.shut_down()
    server.in_background(asyncio.to_thread(server.repository.close_folders))


def exit_(server: Server, _params: None) -> None:
    """End the server; 0 if the client had asked for ``shutdown`` before (LSP 3.18, ``exit``)."""
    server.ending.ask(0 if server.wire.is_shut_down else 1)


def did_open(server: Server, params: types.DidOpenTextDocumentParams) -> None:
    """Keep a document that the editor has opened."""
    document = convert.document_of(params.text_document)
    server.documents[document.uri] = document
    server.repository.update(document)
    offering.warm_up(server, document)


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
    offering.document_changed(server, document)


def did_close(server: Server, params: types.DidCloseTextDocumentParams) -> None:
    """Forget a document."""
    server.documents.pop(params.text_document.uri, None)
    server.repository.close(params.text_document.uri)
    server.generations.forget(params.text_document.uri)
    server.alternatives.give_up()
    server.suggestions.forget(params.text_document.uri)


def did_save(server: Server, params: types.DidSaveTextDocumentParams) -> None:
    """Know that the disk has the text now, too."""
    server.repository.saved(params.text_document.uri)


async def did_change_configuration(
    server: Server, params: types.DidChangeConfigurationParams
) -> None:
    """Take new settings: by asking, where the client can be asked, else as sent."""
    before = server.settings
    can = server.client_capabilities.workspace
    if can is not None and can.configuration:
        await _pull_settings(server)
    else:
        server.take_settings(params.settings)
    now = server.settings
    if (now.clipboard_context, now.diagnostics_context) != (
        before.clipboard_context,
        before.diagnostics_context,
    ):
        server.repository.forget_told()
    if now.repository_context is not before.repository_context:
        await workspace.read_folders(server)


async def inline_completion(
    server: Server, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    """Answer with ghost text; nothing to say is an empty list, never null or an error.

    Neovim keeps stale ghost text on any other answer. Alternatives stand behind the first item.
    """
    question = _question(server, Kind.INLINE, params)
    offers = await offering.offer(server, question)
    if question is None:
        return types.InlineCompletionList([])
    items = list[types.InlineCompletionItem]()
    for offer in offers:
        text = offer.suggestion.text
        item = convert.inline_item(question.cursor, text, server.encoding, params.context)
        item.command = _acceptance(offer)
        items.append(item)
    return types.InlineCompletionList(items)


async def popup_completion(server: Server, params: types.CompletionParams) -> types.CompletionList:
    """Answer with an item for the popup, which is asked for anew at each key."""
    question = _question(server, Kind.POPUP, params)
    offers = await offering.offer(server, question)
    if question is None or not offers:
        return types.CompletionList(is_incomplete=True, items=[])
    offer = offers[0]
    item = convert.completion_item(
        question.cursor, offer.suggestion.text, server.encoding, server.worker.status.message
    )
    item.command = _acceptance(offer)
    return types.CompletionList(is_incomplete=True, items=[item])


def resolve_completion(_server: Server, item: types.CompletionItem) -> types.CompletionItem:
    """Show the whole snippet beside the popup's item."""
    return convert.with_documentation(item)


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
    types.WORKSPACE_DID_CHANGE_WATCHED_FILES: workspace.files_changed,
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: workspace.folders_changed,
    workspace.COPIED: workspace.copied,
    workspace.DIAGNOSTICS: workspace.diagnosed,
}


def _question(
    server: Server, kind: Kind, params: types.InlineCompletionParams | types.CompletionParams
) -> Question | None:
    document = server.documents.get(params.text_document.uri)
    if document is None:
        return None
    cursor = convert.cursor_at(document, params.position, server.encoding)
    if not isinstance(params, types.InlineCompletionParams):
        return Question(kind, cursor, document)
    selected = params.context.selected_completion_info
    if selected is not None:
        # The same question gives the very same document, so that one generation serves it.
        if server.selected is None or server.selected[0:2] != (document, selected):
            changed = convert.with_selected(document, selected, server.encoding)
            server.selected = (document, selected, changed)
        cursor = server.selected[2]
    invoked = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
    return Question(kind, cursor, document, invoked)


def _acceptance(offer: Offer) -> types.Command:
    return types.Command("", feedback.ACCEPTED, arguments=[offer.number])


async def _pull_settings(server: Server) -> None:
    item = types.ConfigurationItem(section=SECTION)
    server.settings_are_taken.clear()
    try:
        answer = await server.workspace_configuration_async(types.ConfigurationParams([item]))
        server.take_settings(answer[0] if answer else None)
    except JsonRpcException:
        return
    finally:
        server.settings_are_taken.set()


async def _register_for_settings(server: Server) -> None:
    registration = types.Registration("dsc-lsp/settings", types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    try:
        await server.client_register_capability_async(types.RegistrationParams([registration]))
    except JsonRpcException:
        return
