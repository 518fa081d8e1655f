"""What the code at the cursor is, by tree-sitter where there is a grammar; never fails.

Only a window of lines around the cursor is parsed (a whole file of 10,000 lines takes 100 ms, and
the parser holds the interpreter lock). Code at the cursor is usually broken, so errors in the
tree decide nothing.
"""

import importlib
import logging
import re
from functools import cache

from tree_sitter import Language as GrammarLanguage
from tree_sitter import Node, Parser

from dsc_lsp.document import Cursor, indentation
from dsc_lsp.languages import Grammar, Language, language_of

_WINDOW_LINES = 200
_WINDOW_BYTES = 100_000
_OPENING_QUOTES = ("string_start", '"', "'", "`")

_log = logging.getLogger(__name__)


def opened_block(cursor: Cursor) -> str | None:
    """Return the indentation of the line that opens the block to be filled at the cursor.

    That is the cursor's line, or the last line with code above a cursor on a blank line. ``None``
    where no block begins, where it has a body already, or inside a comment or string.
    """
    if cursor.line_after.strip():
        return None
    number = _line_with_code(cursor)
    if number is None:
        return None
    language = language_of(cursor.document.language, cursor.document.uri)
    code = _code_of_line(cursor, number, language)
    if not re.search(language.opener, code):
        return None
    opener = indentation(code)
    return None if _has_body(cursor, opener) else opener


def has_grammar(grammar: Grammar) -> bool:
    """Whether the grammar's package is installed and loads."""
    return _parser(grammar) is not None


def _line_with_code(cursor: Cursor) -> int | None:
    if cursor.line_before.strip():
        return cursor.position.line
    for number in range(cursor.position.line - 1, -1, -1):
        if cursor.document.line(number).strip():
            return number
    return None


def _has_body(cursor: Cursor, opener: str) -> bool:
    """Whether the next line with code below the cursor is indented deeper than the opener."""
    document = cursor.document
    for number in range(cursor.position.line + 1, len(document.lines)):
        line = document.line(number)
        if line.strip():
            return len(indentation(line).expandtabs(8)) > len(opener.expandtabs(8))
    return False


def _code_of_line(cursor: Cursor, number: int, language: Language) -> str:
    """Return a line up to the cursor without comments and without what strings say.

    A string becomes a pair of quotes, so that a colon in it opens nothing.
    """
    document = cursor.document
    line = document.line(number)
    if number == cursor.position.line:
        line = cursor.line_before
    first = max(0, number - _WINDOW_LINES)
    before = "".join(document.lines[first:number])[-_WINDOW_BYTES:]
    source = (before + line).encode("utf-8", "surrogatepass")
    start = len(source) - len(line.encode("utf-8", "surrogatepass"))
    parser = _parser(language.grammar) if language.grammar else None
    if parser is None:
        return line.rstrip()
    code = bytearray(source[start:])
    for begin, end, comment in _opaque_spans(parser.parse(source).root_node, language, start):
        inside = slice(max(begin - start, 0), end - start)
        code[inside] = (b" " if comment else b"'") * len(code[inside])
    return code.decode("utf-8", "replace").rstrip()


def _opaque_spans(root: Node, language: Language, start: int) -> list[tuple[int, int, bool]]:
    """Return the comments and strings that reach past byte ``start``: begin, end, is a comment."""
    spans: list[tuple[int, int, bool]] = []
    open_nodes = [root]
    while open_nodes:
        node = open_nodes.pop()
        if node.end_byte <= start:
            continue
        if node.type in language.opaque:
            spans.append((node.start_byte, node.end_byte, "comment" in node.type))
        elif node.type in _OPENING_QUOTES and node.parent is not None and node.parent.is_error:
            # A string that is still being written: all the rest of the line is in it.
            spans.append((node.start_byte, root.end_byte, False))
        else:
            open_nodes.extend(node.children)
    return spans


@cache
def _parser(grammar: Grammar) -> Parser | None:
    try:
        function = getattr(importlib.import_module(grammar.package), grammar.function)
        capsule: object = function()
        return Parser(GrammarLanguage(capsule))
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        _log.warning("no grammar %s (%s): indentation decides", grammar.package, error)
        return None
