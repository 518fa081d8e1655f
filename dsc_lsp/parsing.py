"""Trees by tree-sitter, made so that other threads go on meanwhile and noise has its time.

A grammar that is missing gives no tree, never a failure.
"""

import ctypes
import importlib
import logging
import re
import sys
import time
from functools import cache

from tree_sitter import Language, Parser, Tree

from dsc_lsp.languages import LANGUAGES, Grammar
from dsc_lsp.pauses import import_alone

BLANKS = bytes(byte if byte in b"\t\r\n" else ord(" ") for byte in range(256))
"""To translate a text to blanks in as many lines."""
CONTINUATION_BYTES = bytes(range(0x80, 0xC0))
"""Left out while translating, and each code point is one blank."""

_COMMENT = (
    rb"\n(?=[ \t\r]*[#\n])(?<!\\\n)(?<!\\\r\n)"
    rb"[ \t\r]*(?:#(?![^\n]*?\"\"\"|[^\n]*?''')[^\n]*)?"
)
_ROW_OF_COMMENTS = re.compile(_COMMENT + b"(?:" + _COMMENT + rb")*(?=\n)")
"""Without what may end a string in which the row stands, or go on in the line below there."""
_LONG_ROW = 32
_READ_BYTES = 1_024
_OWN_REFERENCES = 3
"""To a piece while it is counted: of the list, of the loop and of the question."""

_log = logging.getLogger(__name__)


class TooHard(Exception):
    """Parsing a text took too long."""


def load_grammars() -> None:
    """Load the grammars of all languages, which takes 20 to 35 ms and 4 MB.

    Beside a model that is being loaded each would wait for its libraries (``import_alone``).
    """
    for language in LANGUAGES:
        if language.grammar is not None:
            loaded(language.grammar)


@cache
def loaded(grammar: Grammar) -> Language | None:
    """Return a grammar as tree-sitter knows it; ``None`` where its package does not load."""
    try:
        import_alone(grammar.package)
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


def without_rows(source: bytes, language: str, left_out: bytes = b"") -> bytes:
    """Return a text with what its parser is slow to read blanked: Python's long rows of comments.

    At each of their lines the grammar looks for the code behind the last (4,000 lines: 2.4 s), but
    not at blank ones. Of each row the last line stays: where the code is broken, an error that
    goes over many blank lines is read otherwise. ``left_out`` are bytes that get no blank.
    """

    def read(row: re.Match[bytes]) -> bytes:
        lines = row[0]
        if lines.count(b"\n") < _LONG_ROW:
            return lines
        last = lines.rstrip().rfind(b"\n")
        return lines[:last].translate(BLANKS, left_out) + lines[last:]

    if language != "python" or source.count(b"#") < _LONG_ROW:
        return source
    return _ROW_OF_COMMENTS.sub(read, source)


def tree_of(source: bytes, edited: Tree | None, parser: Parser, seconds: float) -> Tree:
    """Parse, and let other threads go on meanwhile.

    A parser that is given all bytes holds the interpreter's lock until it is done: 2 to 5 ms for
    a window, 50 where the code is badly broken. One that asks for each piece, and whether to go
    on, gives it up at each question. ``edited`` is the tree of before, told what has changed.

    Raises:
        TooHard: it took more than ``seconds`` of processor time.
    """
    most = time.thread_time() + seconds
    view, pieces = memoryview(source), list[bytes]()

    def read(byte: int, _point: object) -> bytes:
        piece = bytes(view[byte : byte + _READ_BYTES])
        pieces.append(piece)
        return piece

    def is_over(_byte: int, _has_error: bool) -> bool:  # noqa: FBT001 - called by tree-sitter
        return time.thread_time() > most

    try:
        if edited is None:
            return parser.parse(read, progress_callback=is_over)
        return parser.parse(read, edited, progress_callback=is_over)
    except ValueError:
        parser.reset()  # else it would go on with this text
        raise TooHard from None
    finally:
        _release(pieces)


def _release(pieces: list[bytes]) -> None:
    """Give up what tree-sitter still refers to of what it has read: twice the text else, for good.

    py-tree-sitter 0.25 and 0.26 never release what their reading function returns. Where they do,
    nothing is left to give up here.
    """
    for piece in pieces:
        # The shortest ones are Python's own, of which there is one each.
        for _ in range(sys.getrefcount(piece) - _OWN_REFERENCES if len(piece) > 1 else 0):
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(piece))
    pieces.clear()
