"""The repository as a language model: what followed, elsewhere, the text before a cursor.

No model, no input or output. ``lookup.index.Index`` is told texts and asked at a cursor; it is not
imported here, because numpy takes longer to import than a server may take to answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

LEAST_BYTES = 3_000
"""Where less text is known a model decides alone: what little there is seldom says the same
twice, and is copied all the same (docs/log.md, "Short lone files")."""


class Continuation(NamedTuple):
    """Text that followed a match of the text before the cursor, up to the end of its line.

    ``text`` is never empty and begins at the cursor, or after what has been generated since; a
    line break is followed by the next line. ``lexeme`` is the word, sign, run of blanks or
    line break with indentation that it begins with. ``matched`` counts the bytes (UTF-8) before
    it that agree. ``weight`` is the likelihood, above 0 and at most 1, that the text goes on as
    it did there; it is fitted for the next lexeme, so the sum over all continuations that begin
    with one lexeme is the likelihood of that lexeme.
    """

    text: str
    lexeme: str
    matched: int
    weight: float


class Continuations(Protocol):
    """The continuations at one cursor, to be asked again as the answer grows; engine thread."""

    @property
    def size(self) -> int:
        """How much text is looked in, nearly in bytes, the cursor's own file among it."""
        ...

    def after(self, generated: str) -> Sequence[Continuation]:
        """Return what may follow the text before the cursor and ``generated``, best first."""
        ...


@dataclass(frozen=True)
class Asked:
    """Continuations that are looked for once somebody asks: a model on a server never does."""

    look: Callable[[], Continuations]

    @cached_property
    def _found(self) -> Continuations:
        return self.look()

    @property
    def size(self) -> int:
        """How much text is looked in."""
        return self._found.size

    def after(self, generated: str) -> Sequence[Continuation]:
        """Return what may follow the text before the cursor and ``generated``, best first."""
        return self._found.after(generated)
