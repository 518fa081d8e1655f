"""Pieces of what the user has just changed in other files."""

from collections.abc import Iterator

from dsc_lsp.repository.files import presentable
from dsc_lsp.repository.plan import Piece, Recent

_LINES = 16
_AROUND = 2
_WORTHS = (3.0, 1.5, 0.8, 0.4)


def pieces_of_edits(recent: Recent) -> Iterator[Piece]:
    """Yield the lines around the changes of other open documents, the latest worth most."""
    for worth, (path, document, first, last) in zip(_WORTHS, recent.edited, strict=False):
        text = presentable(document.text)
        if text is None:
            continue
        lines = text.split("\n")
        # Of a long change the end: that is where the user has been last, more often than not.
        start = max(0, first - _AROUND, last + _AROUND - _LINES)
        shown = [(n, lines[n]) for n in range(start, min(len(lines), last + _AROUND))]
        kept = tuple((number, line) for number, line in shown if line.strip())
        if kept:
            yield Piece(path, kept, worth, "changed just now")
