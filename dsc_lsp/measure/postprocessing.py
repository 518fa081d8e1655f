"""What post-processing does to what the model wrote: how often it repairs, how often it harms."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dsc_lsp import postprocess
from dsc_lsp.completion import extent_of
from dsc_lsp.measure.evaluation import Score
from dsc_lsp.measure.holes import Hole
from dsc_lsp.measure.metrics import is_exact
from dsc_lsp.settings import Settings

_LINES_BELOW = 3


@dataclass(frozen=True, slots=True)
class Postprocessing:
    """Shares of the holes, in percent.

    ``exact_raw`` is the model's text up to its first line break, as an editor without any
    post-processing would show it; ``damaged`` was exact so and is not any more, ``repaired`` the
    other way round. ``withheld`` was not exact and is not shown any more. ``gold_damaged`` are
    the holes whose gold text would not come through, had the model written it and gone on with
    the lines below. ``steps`` counts the holes in which each step changed the text.
    """

    holes: int
    exact_raw: float
    exact_match: float
    damaged: float
    repaired: float
    withheld: float
    gold_damaged: float
    steps: dict[str, int]


def postprocessing(scores: Sequence[Score], settings: Settings) -> Postprocessing:
    """Return what became of the model's words in at least one score, of holes of one line."""
    raw = [raw_is_exact(score) for score in scores]
    return Postprocessing(
        holes=len(scores),
        exact_raw=_percent(raw),
        exact_match=_percent(score.exact for score in scores),
        damaged=_percent(was and not score.exact for was, score in zip(raw, scores, strict=True)),
        repaired=_percent(score.exact and not was for was, score in zip(raw, scores, strict=True)),
        withheld=_percent(
            not was and not score.completion.text.strip() and bool(score.completion.raw.strip())
            for was, score in zip(raw, scores, strict=True)
        ),
        gold_damaged=_percent(
            not is_exact(suggestion_of_gold(score.hole, settings), score.hole.gold)
            for score in scores
        ),
        steps=dict(Counter(step for score in scores for step in score.completion.changed)),
    )


def raw_is_exact(score: Score) -> bool:
    """Whether the model's first line is the gold text."""
    return is_exact(score.completion.raw.partition("\n")[0], score.hole.gold)


def suggestion_of_gold(hole: Hole, settings: Settings) -> str:
    """Return what would be suggested, had the model written the gold text and the lines below."""
    cursor = hole.cursor
    document, line = cursor.document, cursor.position.line
    below = "".join(document.lines[line + 1 : line + 1 + _LINES_BELOW])
    raw = "\n".join((hole.gold + cursor.line_after + "\n" + below).splitlines())
    extent = extent_of(cursor, settings)
    end = postprocess.end_of(raw, extent)
    return postprocess.clean(
        raw[: None if end is None else end + 1], extent, cursor, finished=False
    ).text


def _percent(values: Iterable[bool]) -> float:
    each = list(values)
    return 100 * sum(each) / len(each)
