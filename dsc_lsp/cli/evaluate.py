"""``dsc-lsp eval DATASET``: how good the suggestions are, as a table or JSON."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from dsc_lsp import __version__
from dsc_lsp.cli import recall
from dsc_lsp.cli.anchors import print_anchors
from dsc_lsp.cli.configuration import chosen_settings
from dsc_lsp.cli.usage import UsageError
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, EngineError
from dsc_lsp.measure.calibration import Calibration, calibration
from dsc_lsp.measure.evaluation import Score, Summary, by_group, evaluate, summarize
from dsc_lsp.measure.holes import DatasetError, Hole, read_holes, read_repository
from dsc_lsp.measure.journal import Journal, JournalError
from dsc_lsp.measure.plot import PlotError, check_picture, draw_calibration
from dsc_lsp.measure.postprocessing import Postprocessing, postprocessing
from dsc_lsp.measure.replay import Replay, replay
from dsc_lsp.measure.variants import variants_of
from dsc_lsp.repository import Repository
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

_OTHER_MEASURES = ("typing", "anchors", "context")
_OF_COMPLETIONS = ("compare", "run_tests", "seen", "samples", "keep", "calibration")


@dataclass(frozen=True, slots=True)
class Options:
    """How the holes are chosen, completed and reported."""

    limit: int | None
    seed: int
    as_json: bool
    run_tests: bool
    typing: bool
    compare: bool
    anchors: bool
    seen: Path | None
    samples: int
    context: bool = False
    retrieved: bool = False
    keep: Path | None = None
    calibration: Path | None = None


def run(
    datasets: Sequence[str],
    options: Options,
    *,
    model: str | None,
    device: str | None,
    remote: str | None,
) -> int:
    """Complete the holes of data sets and print the measures; 1 if the model failed."""
    _check(datasets, options)
    settings = chosen_settings(model=model, device=device, remote=remote)
    if options.context:
        return _context(datasets, options, settings)
    try:
        parts = [_Part.of(dataset, options) for dataset in datasets]
        seen_lines = None if options.seen is None else _seen_lines(options.seen)
    except DatasetError as error:
        raise UsageError(str(error)) from None
    try:
        engine = open_engine(settings, lambda _message, _percent: None)
        if options.typing:
            return _print_replay(parts, settings, engine, as_json=options.as_json)
        if options.anchors:
            sets = [(part.holes, part.repository) for part in parts]
            print_anchors(sets, settings, engine, as_json=options.as_json)
            return 0
        variants = variants_of(engine) if options.compare else {engine.name: engine}
        with _journal(options, datasets, engine) as journal:
            scores = {
                name: [
                    score
                    for part in parts
                    for score in journal.scores(
                        name,
                        _with_bar(part.holes, name),
                        partial(
                            evaluate,
                            settings=settings,
                            engine=variant,
                            repository=part.repository,
                            seen_lines=seen_lines,
                            run_programs=options.run_tests,
                        ),
                    )
                ]
                for name, variant in variants.items()
            }
    except (EngineError, JournalError) as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"dsc-lsp: interrupted. {_remedy(options.keep)}", file=sys.stderr)
        return 130
    return _answer(scores, datasets, settings, engine, options)


def _check(datasets: Sequence[str], options: Options) -> None:
    """Refuse what would be passed over in silence, or be found out when all is measured.

    Raises:
        UsageError: a data set has no name, an option is not for the measure that is asked for,
            or no picture can be drawn.
    """
    if not all(datasets):
        raise UsageError("a data set has no name")
    others = [name for name in _OTHER_MEASURES if getattr(options, name)]
    for name in (*others[1:], *(_OF_COMPLETIONS if others else ())):
        if getattr(options, name):
            raise UsageError(f"--{name.replace('_', '-')} is not for --{others[0]}")
    if options.calibration is not None:
        try:
            check_picture("--calibration", options.calibration)
        except PlotError as error:
            raise UsageError(str(error)) from None


def _answer(
    scores: Mapping[str, list[Score]],
    datasets: Sequence[str],
    settings: Settings,
    engine: Engine,
    options: Options,
) -> int:
    """Print the measures and draw what is to be drawn; return the exit code."""
    try:
        _print_scores(scores, datasets, settings, engine, options)
        sys.stdout.flush()
    except OSError as error:
        return _unprinted(error, options.keep)
    return 0 if options.calibration is None else _draw(scores, options.calibration)


def _remedy(keep: Path | None) -> str:
    if keep is None:
        return "With --keep FILE, results are kept as they come."
    return f"What is done is kept in {keep}: the same command goes on from there."


def _unprinted(error: OSError, keep: Path | None) -> int:
    """Say that the answer cannot be written, unless who reads it has had enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is not flushed yet
    if not isinstance(error, BrokenPipeError):
        message = f"dsc-lsp: the answer cannot be written: {error.strerror}. {_remedy(keep)}"
        print(message, file=sys.stderr)
    return 1


def _journal(options: Options, datasets: Sequence[str], engine: Engine) -> Journal:
    """Return the file that results are kept in; nowhere if none is named."""
    measured = {
        "version": __version__,
        "datasets": list(datasets),
        "limit": options.limit,
        "seed": options.seed,
        "compare": options.compare,
        "run_tests": options.run_tests,
        "retrieved": options.retrieved,
        "seen": None if options.seen is None else str(options.seen),
        "model": engine.name,
    }
    return Journal(options.keep or Path(os.devnull), measured)


def _draw(scores: Mapping[str, list[Score]], path: Path) -> int:
    known = {name: one for name, some in scores.items() if (one := calibration(some)) is not None}
    try:
        draw_calibration(known, "How far confidence can be trusted", path)
    except PlotError as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 1
    return 0


def _context(datasets: Sequence[str], options: Options, settings: Settings) -> int:
    try:
        engine = open_engine(settings, lambda _message, _percent: None)
    except EngineError as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 1
    return recall.run(
        datasets, engine, limit=options.limit, seed=options.seed, as_json=options.as_json
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """The holes of one data set, and what is known of the files around them."""

    holes: list[Hole]
    repository: Repository

    @staticmethod
    def of(dataset: str, options: Options) -> "_Part":
        holes = read_holes(
            dataset,
            seed=options.seed,
            limit=options.limit,
            with_retrieved=options.retrieved,
        )
        return _Part(holes, read_repository(dataset))


def _print_scores(
    scores: Mapping[str, list[Score]],
    datasets: Sequence[str],
    settings: Settings,
    engine: Engine,
    options: Options,
) -> None:
    if options.as_json:
        answer = _as_json(next(iter(scores.values())), settings, engine)
        if options.compare:
            answer = {name: _as_json(some, settings, engine) for name, some in scores.items()}
        print(json.dumps(answer))
        return
    print(f"{engine.name}, {', '.join(datasets)}, seed {options.seed}\n")
    for name, some in scores.items():
        if options.compare:
            print(f"{name}:")
        _print_table({"all": summarize(some), **by_group(some)})
        _print_postprocessing(postprocessing(some, settings))
        if options.calibration is not None:
            _print_calibration(calibration(some))
        for score in some[: options.samples]:
            print(_sample(score))


def _print_postprocessing(after: Postprocessing) -> None:
    print(
        f"\npost-processing: exact {after.exact_raw:.2f} % before and {after.exact_match:.2f} %"
        f" after; damaged {after.damaged:.2f} % (of gold texts {after.gold_damaged:.2f} %),"
        f" repaired {after.repaired:.2f} %, withheld {after.withheld:.2f} %"
    )


def _print_calibration(found: Calibration | None) -> None:
    if found is None:
        return
    print(f"\nexpected calibration error {found.expected_error:.3f}")
    print("minConfidence   shown %  precise %")
    for one in found.thresholds:
        print(f"{one.min_confidence:13.2f}  {one.shown:8.1f}  {_cell(one.precision):>9}")


def _with_bar(holes: list[Hole], name: str) -> Iterator[Hole]:
    return iter(tqdm(holes, name, unit="hole", disable=not sys.stderr.isatty()))


def _seen_lines(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None


def _print_replay(
    parts: Sequence[_Part], settings: Settings, engine: Engine, *, as_json: bool
) -> int:
    result = Replay()
    for part in parts:
        holes = _with_bar(part.holes, engine.name)
        result += replay(holes, settings, engine, repository=part.repository)
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
    sure = calibration(scores)
    return {
        **asdict(total),
        "keystroke_ms": {"p50": total.keystroke_ms_p50, "p95": total.keystroke_ms_p95},
        "postprocessing": asdict(postprocessing(scores, settings)),
        "calibration": None if sure is None else asdict(sure),
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
