"""What a file defines, uses and imports, for holes that need a name of another file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """Names that a file defines and uses, and the files that it imports, in their order.

    ``used`` are names with line and column (bytes) where they stand, names that somebody else
    defines, too, left out: whoever writes them need not mean the repository's.
    """

    defined: frozenset[str]
    used: tuple[tuple[str, int, int], ...]
    imported: tuple[str, ...]
