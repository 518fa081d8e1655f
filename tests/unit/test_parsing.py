"""Trees are made in pieces, and nothing of what was read stays behind."""

import sys
import tracemalloc
from contextlib import suppress

import pytest
from tree_sitter import Parser

from dsc_lsp.languages import LANGUAGES
from dsc_lsp.parsing import TooHard, loaded, tree_of

TEXT = b"".join(b"def f_%d(a):\n    return a + %d\n\n\n" % (n, n) for n in range(300))


@pytest.fixture
def parser() -> Parser:
    [grammar] = [row.grammar for row in LANGUAGES if row.name == "python"]
    assert grammar is not None
    known = loaded(grammar)
    assert known is not None
    return Parser(known)


def test_a_tree_made_in_pieces_is_the_one_of_the_whole(parser: Parser) -> None:
    tree = tree_of(TEXT, None, parser, 60.0)
    assert str(tree.root_node) == str(parser.parse(TEXT).root_node)


@pytest.mark.parametrize("seconds", [60.0, -1.0])
def test_nothing_of_what_was_read_is_kept(parser: Parser, seconds: float) -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            with suppress(TooHard):
                tree_of(TEXT, None, parser, seconds)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < len(TEXT)


@pytest.mark.parametrize("text", [b"x", b"x = 1"])
def test_a_text_of_one_piece_is_still_there_afterwards(parser: Parser, text: bytes) -> None:
    references = sys.getrefcount(text)
    assert tree_of(text, None, parser, 60.0).root_node.end_byte == len(text)
    assert sys.getrefcount(text) == references
