"""What stands around the cursor already is not shown once more from another file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from dsc_lsp.repository.plan import Piece

_RUN = 3
"""So many lines in a row are a copy; fewer may be alike by chance (``try:``, ``return None``)."""


@dataclass(frozen=True, slots=True)
class Copies:
    """The lines around the cursor and each run of them, however far they are indented."""

    lines: frozenset[str]
    runs: frozenset[tuple[str, ...]]

    @staticmethod
    def of(text: str) -> "Copies":
        """Return the lines of the text around the cursor."""
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        return Copies(frozenset(lines), frozenset(run for _, run in _runs(lines)))

    def without_known(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Yield the pieces of which something does not stand there, whole."""
        for piece in pieces:
            if any(line.strip() and line.strip() not in self.lines for _, line in piece.lines):
                yield piece

    def without_runs(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Yield the pieces without the lines that stand there in the same row."""
        for piece in self.without_known(pieces):
            lines = [(number, line) for number, line in piece.lines if line.strip()]
            copied = {
                start + place
                for start, run in _runs([line.strip() for _, line in lines])
                if run in self.runs
                for place in range(_RUN)
            }
            if not copied:
                yield piece
            elif len(copied) < len(lines):
                left = tuple(line for place, line in enumerate(lines) if place not in copied)
                yield replace(piece, lines=left)


def _runs(lines: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield every ``_RUN`` lines in a row, with the place of the first."""
    for start in range(len(lines) - _RUN + 1):
        yield start, tuple(lines[start : start + _RUN])
