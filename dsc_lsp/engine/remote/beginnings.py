"""How an answer may begin otherwise: what else was likely at its first visible place.

Servers have no common way to give several greedy answers (sampling gives other ones each time),
but those that tell the likeliest tokens let us choose one and ask how it goes on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dsc_lsp.engine.base import Token
from dsc_lsp.engine.remote.dialects import Piece
from dsc_lsp.engine.remote.wording import token_of
from dsc_lsp.engine.tokens import CheckpointTokenizer

MOST_BLANKS = 4
"""So many tokens are asked for, because an answer may begin with blanks."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first tokens of another answer, and how they are put behind a prompt."""

    tokens: tuple[Token, ...]
    text: str
    ids: tuple[int, ...]

    def after(self, prompt: tuple[int, ...] | str) -> tuple[int, ...] | str:
        """Return the prompt with this beginning."""
        return prompt + self.text if isinstance(prompt, str) else prompt + self.ids


def beginnings(
    pieces: Iterable[Piece],
    vocabulary: CheckpointTokenizer | None,
    stop_ids: frozenset[int],
    stop_names: frozenset[str],
) -> tuple[Beginning, ...]:
    """Return the other beginnings of an answer, the likeliest first; none where none are told.

    They differ in what is visible: a token of blanks begins nothing, nor does one that ends the
    answer. As in ``engine.branching``.
    """

    def is_end(piece: Piece) -> bool:
        return piece.id in stop_ids or piece.text in stop_names

    blanks: list[Piece] = []
    for piece in pieces:
        visible = token_of(piece, vocabulary).data.strip()
        if not visible and not is_end(piece):
            blanks.append(piece)
            continue
        others = (one for one in piece.others if not is_end(one))
        return tuple(_distinct(blanks, others, visible, vocabulary))
    return ()


def _distinct(
    blanks: list[Piece],
    others: Iterable[Piece],
    visible: bytes,
    vocabulary: CheckpointTokenizer | None,
) -> Iterator[Beginning]:
    seen = {b"", visible}
    for piece in sorted(others, key=lambda one: -(one.logprob or 0.0)):
        tokens = tuple(token_of(one, vocabulary) for one in (*blanks, piece))
        said = tokens[-1].data.strip()
        if said in seen:
            continue
        seen.add(said)
        try:
            text = b"".join(token.data for token in tokens).decode()
        except UnicodeDecodeError:
            continue  # half a character: nothing that could be asked for as text
        ids = tuple(token.id for token in tokens)
        if min(ids) < 0 and vocabulary is not None:
            ids = vocabulary.encode(text)
        yield Beginning(tokens, text, ids)
