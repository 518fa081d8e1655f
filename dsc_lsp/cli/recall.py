"""``dsc-lsp eval --context``: is the name that comes next in the prompt, by method and budget."""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache

from tqdm import tqdm

from dsc_lsp.cli.usage import UsageError
from dsc_lsp.engine.base import Engine
from dsc_lsp.measure.context_recall import BUDGETS, Found, indexed, look_for_names, recall
from dsc_lsp.measure.holes import DatasetError, folder_of
from dsc_lsp.measure.percentiles import Percentiles, percentiles

_KINDS = {True: "through an import", False: "not through an import"}


def run(
    datasets: Sequence[str], engine: Engine, *, limit: int | None, seed: int, as_json: bool
) -> int:
    """Print the recall in folders and installed packages.

    Python, JavaScript and TypeScript files have holes; others are indexed and may be shown.
    """
    try:
        folders = [folder_of(dataset) for dataset in datasets]
    except DatasetError as error:
        raise UsageError(str(error)) from None

    @lru_cache(200_000)
    def count(text: str) -> int:
        return len(engine.tokenizer.encode(text))

    found = [
        one
        for folder in folders
        for one in tqdm(
            look_for_names(
                indexed(folder.absolute()),
                lambda path: engine.family.file_header.format(path=path),
                count,
                seed=seed,
                limit=limit or 100_000,
            ),
            desc=folder.name,
            unit=" holes",
        )
    ]
    if not found:
        raise UsageError(
            f"no name of {', '.join(datasets)} is used in one other file only; holes are cut from"
            " Python, JavaScript and TypeScript files"
        )
    if as_json:
        print(json.dumps(_as_json(found)))
        return 0
    for name, some in _groups(found):
        print(f"\n{name}: {len(some)} holes, names found in percent")
        print(f"{'tokens of context':>20}" + "".join(f"{budget:>8}" for budget in BUDGETS))
        for method, shares in recall(some).items():
            print(f"{method:>20}" + "".join(f"{share:8.1f}" for share in shares.values()))
    for what, times in _times(found).items():
        print(f"{what}: {times.p50:.1f} ms p50, {times.p99:.1f} ms p99")
    return 0


def _groups(found: Sequence[Found]) -> Iterator[tuple[str, list[Found]]]:
    """Yield each kind of hole, of each package and of all."""
    for package in (*dict.fromkeys(one.package for one in found), None):
        for imported, kind in _KINDS.items():
            some = [
                one
                for one in found
                if one.hole.imported is imported and package in (None, one.package)
            ]
            if some:
                yield f"{package or 'all'}, {kind}", some


def _times(found: Sequence[Found]) -> dict[str, Percentiles]:
    return {
        "planning": percentiles(one.planning_ms for one in found),
        "assembly": percentiles(one.assembly_ms for one in found),
    }


def _as_json(found: Sequence[Found]) -> dict[str, object]:
    groups = {name: {"holes": len(some), "recall": recall(some)} for name, some in _groups(found)}
    times = {
        f"{what}_ms": {"p50": round(times.p50, 2), "p99": round(times.p99, 2)}
        for what, times in _times(found).items()
    }
    return {"holes": len(found), "recall": recall(found), **times, "groups": groups}
