"""What of other files could help at a cursor: made by ``context``, kept by the repository."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from dsc_lsp.document import Document


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of a file that belong together, and why they could help at the cursor.

    ``lines`` are numbered from 0 as in the file, so that pieces of one file merge in its order;
    the text of a line may be less than what the file has (a header without its body).
    ``worth`` is comparable among all pieces at one cursor. ``is_whole`` says that the lines are
    all that the file has. The first ``shared`` lines are those that it stands in, as others do.
    """

    path: str
    lines: tuple[tuple[int, str], ...]
    worth: float
    why: str
    is_whole: bool = False
    shared: int = 0


@dataclass(frozen=True, eq=False)
class Plan:
    """The pieces at one cursor, and for each file the files among them that it imports.

    ``numbers`` are those of the files in the index: another number is another text. ``kept`` is
    the plan to show further as long as somebody types: another context is not worth its tokens.
    """

    pieces: tuple[Piece, ...]
    imports: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, int]
    kept: "Plan | None" = None


Shown = TypeVar("Shown")
Fit: TypeAlias = Callable[[Plan], Shown]
"""Makes of a plan what is shown of it. Of two that are equal only one is asked."""


@dataclass(frozen=True, slots=True)
class Recent:
    """What the user did elsewhere, the latest first.

    ``viewed`` are the paths of other open documents, ``edited`` the documents changed since they
    were opened, with the lines (first, and one after the last) that the changes span. ``copied``
    are texts of the clipboard, ``reported`` what other tools say of lines of the current document.
    """

    viewed: tuple[str, ...] = ()
    edited: tuple[tuple[str, Document, int, int], ...] = ()
    copied: tuple[str, ...] = ()
    reported: tuple[tuple[int, str], ...] = ()
