"""Trees by tree-sitter, made so that other threads go on meanwhile and noise has its time.

A grammar that is missing gives no tree, never a failure.
"""

import importlib
import logging
import time
from functools import cache

from tree_sitter import Language, Parser, Tree

from dsc_lsp.languages import Grammar

_READ_BYTES = 1_024
_log = logging.getLogger(__name__)


class TooHard(Exception):
    """Parsing a text took too long."""


@cache
def loaded(grammar: Grammar) -> Language | None:
    """Return a grammar as tree-sitter knows it; ``None`` where its package does not load."""
    try:
        function = getattr(importlib.import_module(grammar.package), grammar.function)
        capsule: object = function()
        return Language(capsule)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        _log.warning(
            "no grammar %s (%s): indentation decides, and its files have no outline",
            grammar.package,
            error,
        )
        return None


def tree_of(source: bytes, edited: Tree | None, parser: Parser, seconds: float) -> Tree:
    """Parse, and let other threads go on meanwhile.

    A parser that is given all bytes holds the interpreter's lock until it is done: 2 to 5 ms for
    a window, 50 where the code is badly broken. One that asks for each piece, and whether to go
    on, gives it up at each question. ``edited`` is the tree of before, told what has changed.

    Raises:
        TooHard: it took more than ``seconds`` of processor time.
    """
    most = time.thread_time() + seconds

    def read(byte: int, _point: object) -> bytes:
        return source[byte : byte + _READ_BYTES]

    def is_over(_byte: int, _has_error: bool) -> bool:  # noqa: FBT001 - called by tree-sitter
        return time.thread_time() > most

    try:
        if edited is None:
            return parser.parse(read, progress_callback=is_over)
        return parser.parse(read, edited, progress_callback=is_over)
    except ValueError:
        parser.reset()  # else it would go on with this text
        raise TooHard from None
