"""How good suggestions are: each hole is completed by the pipeline that serves editors."""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import Completion, complete, least_confidence, prompt_at
from dsc_lsp.engine.base import Engine, Scorer
from dsc_lsp.languages import language_of
from dsc_lsp.measure.holes import Hole
from dsc_lsp.measure.metrics import edit_similarity, identifier_f1, is_exact, parses
from dsc_lsp.measure.sandbox import passes
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings


@dataclass(frozen=True, slots=True)
class Score:
    """One hole's suggestion, measured; ``None`` where a measure does not apply.

    ``completion`` has the text however unsure it is; ``shown`` is whether a user would see it.
    ``bits`` are the model's bits for the whole gold text of ``gold_bytes`` bytes.
    """

    hole: Hole
    completion: Completion
    shown: bool
    exact: bool
    similarity: float
    identifiers: float | None
    parses: bool | None
    passes: bool | None
    bits: float | None
    gold_bytes: int
    seen: bool | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over holes: shares and likenesses in percent, times in milliseconds.

    ``holes_unseen`` have a line that the model was not trained on, where that is known;
    ``exact_match`` and the likenesses are of all suggestions, however unsure. ``shown`` are those
    that ``minConfidence`` lets through, ``precision`` is the share of exact ones among them.
    ``None`` where nothing applies.
    """

    holes: int
    holes_unseen: int | None
    exact_match: float
    exact_match_unseen: float | None
    edit_similarity: float
    identifier_f1: float | None
    shown: float
    precision: float | None
    parse_rate: float | None
    pass_at_1: float | None
    bits_per_byte: float | None
    keystroke_ms_p50: float
    keystroke_ms_p95: float


def evaluate(
    holes: Iterable[Hole],
    settings: Settings,
    engine: Engine,
    *,
    repository: Repository | None = None,
    seen_lines: frozenset[str] | None = None,
    run_programs: bool = False,
) -> Iterator[Score]:
    """Yield a score for each hole.

    ``repository`` knows the files around the holes; a hole's own file it is told of by the hole.
    ``seen_lines`` are the lines, stripped, that the model was trained on, where they are known.
    ``run_programs`` runs what the model wrote, in a limited subprocess.
    """
    repository = repository or Repository()
    least = least_confidence(settings, engine.family)
    every = replace(settings, min_confidence=0.0)
    for hole in holes:
        completion = complete(hole.cursor, repository, every, engine, CancelToken())
        text, confidence = completion.text, completion.confidence
        line = hole.cursor.line_before + hole.gold.split("\n")[0]
        yield Score(
            hole=hole,
            completion=completion,
            shown=bool(text.strip()) and (confidence is None or confidence >= least),
            exact=is_exact(text, hole.gold),
            similarity=edit_similarity(text, hole.gold),
            identifiers=identifier_f1(text, hole.gold),
            parses=parses(hole.cursor, text, hole.gold),
            passes=passes(hole.program.text(text)) if run_programs and hole.program else None,
            bits=_bits(hole, settings, engine),
            gold_bytes=len(hole.gold.encode()),
            seen=None if seen_lines is None else line.strip() in seen_lines,
        )


def summarize(scores: Sequence[Score]) -> Summary:
    """Return the means over at least one score."""
    shown = [score for score in scores if score.shown]
    scored = [score for score in scores if score.bits is not None and score.gold_bytes]
    times = sorted(score.completion.total_ms for score in scores)
    knows_seen = any(score.seen is not None for score in scores)
    return Summary(
        holes=len(scores),
        holes_unseen=sum(score.seen is False for score in scores) if knows_seen else None,
        exact_match=100 * statistics.fmean(score.exact for score in scores),
        exact_match_unseen=_percent(score.exact for score in scores if score.seen is False),
        edit_similarity=statistics.fmean(score.similarity for score in scores),
        identifier_f1=_mean(score.identifiers for score in scores),
        shown=100 * len(shown) / len(scores),
        precision=_percent(score.exact for score in shown),
        parse_rate=_percent(score.parses for score in scores),
        pass_at_1=_percent(score.passes for score in scores),
        bits_per_byte=(
            sum(score.bits or 0.0 for score in scored) / sum(score.gold_bytes for score in scored)
            if scored
            else None
        ),
        keystroke_ms_p50=statistics.median(times),
        keystroke_ms_p95=times[min(len(times) - 1, math.ceil(0.95 * len(times)) - 1)],
    )


def by_group(scores: Sequence[Score]) -> dict[str, Summary]:
    """Return a summary for each language and kind of hole."""
    groups: dict[str, list[Score]] = {}
    for score in scores:
        document = score.hole.cursor.document
        language = language_of(document.language, document.uri).name
        groups.setdefault(f"{language}, {score.hole.kind}", []).append(score)
    return {name: summarize(group) for name, group in sorted(groups.items())}


def _bits(hole: Hole, settings: Settings, engine: Engine) -> float | None:
    if not isinstance(engine, Scorer) or not hole.gold:
        return None
    prompt = prompt_at(hole.cursor, settings, engine)
    gold = engine.tokenizer.encode(hole.gold.replace("\r\n", "\n"))
    return -engine.log_likelihood(prompt, gold) / math.log(2)


def _percent(values: Iterable[bool | None]) -> float | None:
    mean = _mean(None if value is None else float(value) for value in values)
    return None if mean is None else 100 * mean


def _mean(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if there else None
