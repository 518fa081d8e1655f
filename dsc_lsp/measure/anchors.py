"""What the place of a prompt's anchor is worth: holes whose first half is typed already."""

import dataclasses
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete, terms_at
from dsc_lsp.engine.base import Engine
from dsc_lsp.measure.holes import Hole, partly_typed
from dsc_lsp.measure.metrics import edit_similarity, is_exact
from dsc_lsp.measure.variants import as_family
from dsc_lsp.models import ModelFamily
from dsc_lsp.prompt import Prompts
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the middle begins, and whether it has stayed there since before the typing."""

    anchor_lines: int | None
    kept: bool = True

    @property
    def name(self) -> str:
        """What tables call it."""
        if self.anchor_lines is None:
            return "where typing began" if self.kept else "at the cursor"
        lines = f"{self.anchor_lines} lines above"
        return lines if self.anchor_lines else "start of the line"


PLACEMENTS = (Placement(None, kept=False), *map(Placement, (None, 0, 3, 8, 16)))


def own_placement(family: ModelFamily) -> Placement:
    """Return where a family's middle begins when it is served."""
    return Placement(family.anchor_lines)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a suggestion at a half-typed hole was."""

    exact: bool
    similarity: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Means over holes in percent, and in how many holes only one of two placements is exact.

    ``better`` counts those that this one has exact and the family's own has not.
    """

    holes: int
    exact_match: float
    edit_similarity: float
    better: int
    worse: int


def outcomes(
    holes: Iterable[Hole],
    settings: Settings,
    engine: Engine,
    placement: Placement,
    *,
    repository: Repository,
) -> Iterator[Outcome]:
    """Yield what is suggested, however unsure, at each hole when half of its gold is typed."""
    family = dataclasses.replace(engine.family, anchor_lines=placement.anchor_lines)
    placed = as_family(engine, family)
    settings = dataclasses.replace(settings, min_confidence=0.0)
    for hole in holes:
        half = partly_typed(hole, len(hole.gold) // 2)
        prompts = Prompts()
        if placement.kept:
            prompts.at(hole.cursor, terms_at(hole.cursor, settings, placed, repository))
        result = complete(
            half.cursor, repository, settings, placed, CancelToken(), prompts=prompts
        )
        yield Outcome(is_exact(result.text, half.gold), edit_similarity(result.text, half.gold))


def compare(own: Sequence[Outcome], other: Sequence[Outcome]) -> Comparison:
    """Return how a placement does beside the family's own, over the same holes, at least one."""
    pairs = list(zip(own, other, strict=True))
    return Comparison(
        holes=len(other),
        exact_match=100 * statistics.fmean(one.exact for one in other),
        edit_similarity=statistics.fmean(one.similarity for one in other),
        better=sum(new.exact and not old.exact for old, new in pairs),
        worse=sum(old.exact and not new.exact for old, new in pairs),
    )
