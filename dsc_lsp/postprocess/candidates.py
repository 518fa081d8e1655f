"""Several suggestions for a place: the likeliest first, what breaks the code last, none twice."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text worth inserting, how likely its first line is, and whether it breaks the code.

    The likelihood is ``None`` where nobody tells it.
    """

    text: str
    likelihood: float | None
    breaks_code: bool


def ranked(candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """Return the texts in the order in which to offer them.

    Those of an unknown likelihood stay in the order in which they came.
    """
    ordered = sorted(candidates, key=lambda one: (one.breaks_code, -(one.likelihood or 0.0)))
    return distinct(one.text for one in ordered)


def distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts without those that say, but for blanks, what one before them says."""
    kept = dict[str, str]()
    for text in texts:
        kept.setdefault("".join(text.split()), text)
    return tuple(kept.values())
