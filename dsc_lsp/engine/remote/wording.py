"""Prompts as text and answers as tokens, for servers that do not speak in token ids."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from dsc_lsp.engine.base import Prompt, Token
from dsc_lsp.engine.remote.dialects import Chunk, Piece
from dsc_lsp.engine.tokens import CheckpointTokenizer

# The control tokens of this family and of its relatives: <｜fim▁hole｜>, <|EOT|>, <|endoftext|>.
_CONTROL_TOKEN = re.compile(r"<(?=[|｜][^<>\s]{1,64}[|｜]>)")
_REPLACEMENT = "\ufffd"
UNKNOWN_ID = -1


def as_text(prompt: Prompt, *, adds_bos: bool) -> str:
    """Return a prompt for a server that encodes control tokens wherever they are written.

    What the user's text says like a control token gets a space after its ``<``. The
    beginning-of-text token is left out where the server adds it.
    """
    parts = prompt.parts
    if adds_bos and parts and parts[0].control:
        parts = parts[1:]
    return "".join(
        part.text if part.control else _CONTROL_TOKEN.sub("< ", part.text) for part in parts
    )


def as_tokens(
    chunks: Iterable[Chunk],
    vocabulary: CheckpointTokenizer | None,
    stop_ids: frozenset[int],
    stop_names: Sequence[str],
    max_tokens: int,
) -> Iterator[Token]:
    """Yield tokens until a control token that ends the answer, told by its id or written out.

    A likelihood that the server does not tell is ``None``, an id -1. With a vocabulary
    the bytes come from the ids: servers lose what is no whole character. Where several tokens
    came as one text, an answer cut for its length is filled up to ``max_tokens`` with empty ones,
    so that whoever counts knows that it was cut.
    """
    said, held, was_cut = 0, "", False
    for chunk in chunks:
        was_cut = was_cut or chunk.is_cut
        for piece in chunk.pieces:
            if piece.id in stop_ids or said == max_tokens:
                return
            said += 1
            ended = False
            data = _told_bytes(piece, vocabulary)
            if data is None:
                text, held, ended = _until_control(held + piece.text, stop_names)
                data = _bytes(text)
            yield Token(
                piece.id if piece.id is not None else UNKNOWN_ID, data, _likelihood(piece.logprob)
            )
            if ended:
                return
    if held:  # counted with the token that it came with
        said += 1
        yield Token(UNKNOWN_ID, _bytes(held), 0.0)
    if was_cut:
        yield from repeat(Token(UNKNOWN_ID, b"", 0.0), max_tokens - said)


def token_of(piece: Piece, vocabulary: CheckpointTokenizer | None) -> Token:
    """Return one token, told as such, whatever it says."""
    data = _told_bytes(piece, vocabulary)
    return Token(
        piece.id if piece.id is not None else UNKNOWN_ID,
        _bytes(piece.text) if data is None else data,
        _likelihood(piece.logprob),
    )


def _told_bytes(piece: Piece, vocabulary: CheckpointTokenizer | None) -> bytes | None:
    if piece.id is not None and vocabulary is not None:
        return vocabulary.bytes_of(piece.id)
    return piece.data


def _likelihood(told: float | None) -> float | None:
    if told is None:
        return None
    return min(told, 0.0) if math.isfinite(told) else -math.inf


def _until_control(text: str, names: Sequence[str]) -> tuple[str, str, bool]:
    """Return the text before a control token, what may yet become one, and whether one came."""
    text = text.replace(_REPLACEMENT, "")
    end = min((place for name in names if (place := text.find(name)) >= 0), default=None)
    if end is not None:
        return text[:end], "", True
    start = text.rfind("<")
    if start >= 0 and any(name.startswith(text[start:]) for name in names):
        return text[:start], text[start:], False
    return text, "", False


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
