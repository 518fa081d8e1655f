"""Lexemes of any programming language, in UTF-8.

A lexeme is a word, a run of blanks, a run of one and the same other sign, or a line break with the
indentation behind it.
"""

import re
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Places: TypeAlias = npt.NDArray[np.int64]

# A byte of a letter beyond ASCII counts as a letter, so that no character is ever cut in two.
_LEXEME = re.compile(rb"[\w\x80-\xff]+|\n[ \t]*|[ \t]+|([^\w\x80-\xff\n])\1*", re.DOTALL)
_LONGEST_LEXEME = 160
SIGN, WORD, BLANK, BREAK = range(4)
"""The kinds of lexemes."""

_PIECE = 1 << 20
_KINDS = np.zeros(256, np.uint8)
_KINDS[[byte for byte in range(256) if re.match(rb"[\w\x80-\xff]", bytes([byte]))]] = WORD
_KINDS[[ord(" "), ord("\t")]] = BLANK
_KINDS[ord("\n")] = BREAK
_KIND_OF_BYTE = _KINDS.tolist()
IS_WORD = [kind == WORD for kind in _KIND_OF_BYTE]
"""Whether each byte is one of a word."""
_WORD_BYTES = bytes(byte for byte in range(256) if IS_WORD[byte])


def boundaries(text: Bytes) -> Iterator[Places]:
    """Yield where lexemes begin, but for the first and for zeros, which are no text.

    Of one piece of the text after the other, because what is needed on the way is several times
    as large.
    """
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE + 1]
        kinds = _KINDS[piece]
        before, behind = kinds[:-1], kinds[1:]
        begins = (behind != before) | (behind == BREAK)
        begins |= (behind == SIGN) & (piece[1:] != piece[:-1])
        begins &= (behind != BLANK) | (before != BREAK)
        begins &= piece[1:] != 0
        yield np.flatnonzero(begins) + (start + 1)


def lexeme_at(text: bytes, start: int) -> bytes:
    """Return the lexeme, or the rest of one, that begins at a place; empty at the end.

    Of a very long one only the beginning.
    """
    match = _LEXEME.match(text, start, start + _LONGEST_LEXEME)
    return match[0] if match else b""


def word_before(text: bytes) -> bytes:
    """Return the part of a word with which a text ends, if it ends inside or behind one."""
    return text[len(text.rstrip(_WORD_BYTES)) :]


def kind_of(lexeme: bytes) -> int:
    """Return the kind of a lexeme, which is not empty."""
    return _KIND_OF_BYTE[lexeme[0]]
