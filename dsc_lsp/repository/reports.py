"""What is told of indexing, for whoever shows it to the user."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class IndexReport:
    """How far the indexing of a folder is, or why there is none (``problem``, for the user)."""

    folder: str = ""
    done: int = 0
    of: int = 0
    complete: bool = False
    problem: str = ""


Report: TypeAlias = Callable[[IndexReport], None]
