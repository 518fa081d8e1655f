"""``dsc-lsp eval DATASET``: how good the suggestions are, as a table or JSON."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from dsc_lsp.cli.configuration import chosen_settings
from dsc_lsp.cli.usage import UsageError
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, EngineError
from dsc_lsp.measure.evaluation import Score, Summary, by_group, evaluate, summarize
from dsc_lsp.measure.holes import DatasetError, Hole, read_holes
from dsc_lsp.measure.postprocessing import postprocessing
from dsc_lsp.measure.replay import replay
from dsc_lsp.settings import Settings

_COLUMNS = (
    ("holes", "holes"),
    ("exact_match", "exact %"),
    ("exact_match_unseen", "unseen %"),
    ("edit_similarity", "similar %"),
    ("identifier_f1", "ident. F1"),
    ("shown", "shown %"),
    ("precision", "precise %"),
    ("parse_rate", "parses %"),
    ("pass_at_1", "pass@1 %"),
    ("bits_per_byte", "bits/byte"),
    ("keystroke_ms_p50", "ms p50"),
    ("keystroke_ms_p95", "ms p95"),
)


def run(
    dataset: str,
    *,
    model: str | None,
    device: str | None,
    remote: str | None,
    limit: int | None,
    seed: int,
    as_json: bool,
    run_tests: bool,
    typing: bool,
    seen: Path | None,
    samples: int,
) -> int:
    """Complete the holes of a data set and print the measures; 1 if the model failed."""
    settings = chosen_settings(model=model, device=device, remote=remote)
    try:
        holes = read_holes(dataset, seed=seed, limit=limit)
        seen_lines = None if seen is None else _seen_lines(seen)
    except DatasetError as error:
        raise UsageError(str(error)) from None
    try:
        engine = open_engine(settings, lambda _message, _percent: None)
        if typing:
            return _print_replay(_with_bar(holes), settings, engine, as_json=as_json)
        scores = list(
            evaluate(
                _with_bar(holes),
                settings,
                engine,
                seen_lines=seen_lines,
                run_programs=run_tests,
            )
        )
    except EngineError as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(_as_json(scores, settings, engine)))
        return 0
    print(f"{engine.name}, {dataset}, seed {seed}\n")
    _print_table({"all": summarize(scores), **by_group(scores)})
    after = postprocessing(scores, settings)
    print(
        f"\npost-processing: exact {after.exact_raw:.2f} % before and {after.exact_match:.2f} %"
        f" after; damaged {after.damaged:.2f} % (of gold texts {after.gold_damaged:.2f} %),"
        f" repaired {after.repaired:.2f} %, withheld {after.withheld:.2f} %"
    )
    for score in scores[:samples]:
        print(_sample(score))
    return 0


def _with_bar(holes: list[Hole]) -> Iterator[Hole]:
    return iter(tqdm(holes, unit="hole", disable=not sys.stderr.isatty()))


def _seen_lines(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None


def _print_replay(
    holes: Iterable[Hole], settings: Settings, engine: Engine, *, as_json: bool
) -> int:
    result = replay(holes, settings, engine)
    if as_json:
        print(json.dumps({**asdict(result), "saved": result.saved, "model": engine.name}))
        return 0
    print(
        f"{engine.name}: {result.characters} characters with {result.keystrokes} keys"
        f" ({result.saved:.1f} % saved); {result.accepted} suggestions accepted,"
        f" {result.wrong} wrong"
    )
    return 0


def _as_json(scores: list[Score], settings: Settings, engine: Engine) -> dict[str, object]:
    total = summarize(scores)
    return {
        **asdict(total),
        "keystroke_ms": {"p50": total.keystroke_ms_p50, "p95": total.keystroke_ms_p95},
        "postprocessing": asdict(postprocessing(scores, settings)),
        "groups": {name: asdict(summary) for name, summary in by_group(scores).items()},
        "model": engine.name,
    }


def _print_table(summaries: dict[str, Summary]) -> None:
    rows = [["", *(title for _, title in _COLUMNS)]]
    for name, summary in summaries.items():
        values = asdict(summary)
        rows.append([name, *(_cell(values[field]) for field, _ in _COLUMNS)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def _sample(score: Score) -> str:
    before = score.hole.cursor.line_before
    mark = "=" if score.exact else "≠"
    return (
        f"\n{score.hole.name}\n  {before}⟶{score.hole.gold!r}\n  {mark} {score.completion.text!r}"
    )
