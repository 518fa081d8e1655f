"""Syntax trees and queries over them; a grammar that is missing gives no tree, never a failure.

A parser serves one thread at a time, so each thread has its own.
"""

import logging
import threading
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from tree_sitter import Language, Node, Parser, Query, QueryCursor, QueryError

from dsc_lsp.languages import LANGUAGES
from dsc_lsp.parsing import TooHard, loaded, tree_of, without_rows

_GRAMMARS = {row.name: row.grammar for row in LANGUAGES}
_MOST_MATCHES = 20_000
_PARSING_SECONDS = 2.0
"""Of processor time, twenty times what the longest text of code takes."""
_PIECE_BYTES = 8_192
_LEAST_IN_A_ROW = 8
_log = logging.getLogger(__name__)
_threads = threading.local()


def parse(text: str, language: str) -> Node | None:
    """Return the root of a text's tree; ``language`` is a name in ``languages``.

    ``None`` without a grammar, or where parsing takes too long. Half surrogate pairs are ``?``.
    """
    known = _grammar(language)
    if known is None:
        return None
    parsers: dict[str, Parser] = _threads.__dict__.setdefault("parsers", {})
    parser = parsers.get(language)
    if parser is None:
        parser = parsers[language] = Parser(known)
    data = without_rows(text.encode("utf-8", "replace"), language)
    try:
        return tree_of(data, None, parser, _PARSING_SECONDS).root_node
    except TooHard:
        return None


def matches(root: Node, language: str, source: str) -> list[dict[str, list[Node]]]:
    """Return the nodes that each match of a query has captured, in the order of the file."""
    query = _query(language, source)
    if query is None:
        return []
    cursor, found = QueryCursor(query), list[dict[str, list[Node]]]()
    for start, end in pairwise((root.start_byte, *_cuts(root), root.end_byte)):
        cursor.set_byte_range(start, end)
        found += [captures for _, captures in cursor.matches(root)]
    return found[:_MOST_MATCHES]


def text_of(node: Node, data: bytes) -> str:
    """Return the text that a node stands for in the text that was parsed."""
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _cuts(root: Node) -> Iterator[int]:
    """Yield where pieces of a tree begin that are searched one by one, but for the first.

    A search holds the interpreter's lock until it is done: 20 ms for 100,000 bytes. What is cut is
    a long row of statements or members, never a header from its body.
    """
    begin = root.start_byte
    open_ = [(root, enumerate(root.children))]  # no recursion: a sum of thousands is as deep
    while open_:
        node, children = open_[-1]
        for number, child in children:
            if child.end_byte - begin <= _PIECE_BYTES:
                continue
            if number >= _LEAST_IN_A_ROW and node.field_name_for_child(number) is None:
                begin = child.start_byte
                yield begin
            if child.end_byte - child.start_byte > _PIECE_BYTES:
                open_.append((child, enumerate(child.children)))
                break
        else:
            open_.pop()


def _grammar(language: str) -> Language | None:
    grammar = _GRAMMARS.get(language)
    return None if grammar is None else loaded(grammar)


@cache
def _query(language: str, source: str) -> Query | None:
    known = _grammar(language)
    if known is None:
        return None
    try:
        return Query(known, source)
    except QueryError as error:
        # A grammar of another version may name its nodes otherwise.
        _log.warning("a query for %s does not fit its grammar (%s)", language, error)
        return None
