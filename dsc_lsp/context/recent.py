"""Pieces of what the user has just changed in other files, not committed yet, or copied."""

import posixpath
import re
from collections.abc import Iterator

from dsc_lsp.repository.plan import Piece, Recent
from dsc_lsp.repository.texts import presentable
from dsc_lsp.repository.workspace import Workspace

_LINES = 16
_AROUND = 2
_WORTHS = (3.0, 1.5, 0.8, 0.4)
_WORTHS_OF_COPIED = (2.0, 1.0, 0.5, 0.3)
_WORTH_OF_CHANGE = 1.5
_MOST_CHANGES = 24
_CLIPBOARD = "clipboard"
_CALL = re.compile(r"\s*[^\W\d][\w.]*\(\S*\)\S?\s*")


def pieces_of_edits(recent: Recent, workspace: Workspace) -> Iterator[Piece]:
    """Yield the lines around the changes of other open documents, the latest worth most.

    What is not in the index is secret, ignored or no code, and so is what is typed there.
    """
    known = (edit for edit in recent.edited if workspace.number(edit[0]) is not None)
    for worth, (path, document, first, last) in zip(_WORTHS, known, strict=False):
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


def pieces_of_changes(path: str, workspace: Workspace) -> Iterator[Piece]:
    """Yield the lines of other files that the last commit does not have, near files first."""
    folder = f"{posixpath.dirname(path)}/"
    others = [change for change in workspace.changes if change.path != path]
    others.sort(key=lambda change: -len(posixpath.commonprefix((folder, change.path))))
    for number, change in enumerate(others[:_MOST_CHANGES]):
        lines = workspace.lines(change.path)
        start = max(0, change.start - _AROUND)
        shown = range(start, min(len(lines), change.end + _AROUND, start + _LINES))
        kept = tuple((n, lines[n]) for n in shown if lines[n].strip())
        if kept:
            yield Piece(change.path, kept, _WORTH_OF_CHANGE / (1 + number / 4), "not committed")


def pieces_of_clipboard(recent: Recent) -> Iterator[Piece]:
    """Yield what was copied, the latest worth most.

    What has no blank is left out unless it is a call: it tells little, and may be a password.
    """
    first = 0
    codes = (text for text in recent.copied if len(text.split()) > 1 or _CALL.fullmatch(text))
    for worth, copied in zip(_WORTHS_OF_COPIED, codes, strict=False):
        text = presentable(copied)
        lines = [line for line in (text or "").split("\n") if line.strip()][:_LINES]
        if lines:
            yield Piece(_CLIPBOARD, tuple(enumerate(lines, first)), worth, "copied just now")
        first += _LINES
