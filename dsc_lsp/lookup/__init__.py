"""What followed, elsewhere, the text that stands before a cursor: no model, no input or output."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Continuation:
    """Text that followed a match of the text before the cursor.

    ``text`` is never empty and begins at the cursor, or after what has been generated since.
    ``matched`` counts the code points before it that agree. ``weight`` is the share, above 0 and
    at most 1, that this continuation has among all that were found.
    """

    text: str
    matched: int
    weight: float


class Continuations(Protocol):
    """The continuations at one cursor, to be asked again as the answer grows; engine thread."""

    def after(self, generated: str) -> Sequence[Continuation]:
        """Return what may follow the text before the cursor and ``generated``, best first."""
        ...
