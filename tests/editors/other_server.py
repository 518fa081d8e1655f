"""A small language server that another editor set-up has beside ours: it knows one name.

``python -m tests.editors.other_server``; it speaks over stdio.
"""

from lsprotocol import types
from pygls.lsp.server import LanguageServer

NAME = "total_of_everything"

server = LanguageServer("other", "1")


@server.feature(types.TEXT_DOCUMENT_COMPLETION)
def complete(_params: types.CompletionParams) -> types.CompletionList:
    """Offer the name, wherever it is asked for."""
    return types.CompletionList(is_incomplete=False, items=[types.CompletionItem(NAME)])


if __name__ == "__main__":
    server.start_io()
