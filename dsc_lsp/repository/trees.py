"""Syntax trees and queries over them; a grammar that is missing gives no tree, never a failure.

A parser serves one thread at a time, so each thread has its own.
"""

import importlib
import logging
import threading
from functools import cache

from tree_sitter import Language as GrammarLanguage
from tree_sitter import Node, Parser, Query, QueryCursor, QueryError

from dsc_lsp.languages import LANGUAGES, Grammar

_GRAMMARS = {row.name: row.grammar for row in LANGUAGES}
_MOST_MATCHES = 20_000
_log = logging.getLogger(__name__)
_threads = threading.local()


def parse(text: str, language: str) -> Node | None:
    """Return the root of a text's tree; ``language`` is a name in ``languages``."""
    grammar = _GRAMMARS.get(language)
    loaded = _loaded(grammar) if grammar is not None else None
    if loaded is None:
        return None
    parsers: dict[str, Parser] = _threads.__dict__.setdefault("parsers", {})
    parser = parsers.get(language)
    if parser is None:
        parser = parsers[language] = Parser(loaded)
    return parser.parse(text.encode("utf-8", "surrogatepass")).root_node


def matches(root: Node, language: str, source: str) -> list[dict[str, list[Node]]]:
    """Return the nodes that each match of a query has captured, in the order of the file."""
    query = _query(language, source)
    if query is None:
        return []
    cursor = QueryCursor(query)
    found = [captures for _, captures in cursor.matches(root)]
    return found[:_MOST_MATCHES]


def text_of(node: Node) -> str:
    """Return the text that a node stands for."""
    return (node.text or b"").decode("utf-8", "replace")


@cache
def _loaded(grammar: Grammar) -> GrammarLanguage | None:
    try:
        function = getattr(importlib.import_module(grammar.package), grammar.function)
        capsule: object = function()
        return GrammarLanguage(capsule)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        _log.warning("no grammar %s (%s): its files have no outline", grammar.package, error)
        return None


@cache
def _query(language: str, source: str) -> Query | None:
    grammar = _GRAMMARS.get(language)
    loaded = _loaded(grammar) if grammar is not None else None
    if loaded is None:
        return None
    try:
        return Query(loaded, source)
    except QueryError as error:
        # A grammar of another version may name its nodes otherwise.
        _log.warning("a query for %s does not fit its grammar (%s)", language, error)
        return None
