"""``dsc-lsp eval --anchors``: the table of where the middle of a prompt should begin."""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from dsc_lsp.engine.base import Engine
from dsc_lsp.measure.anchors import (
    PLACEMENTS,
    Comparison,
    Outcome,
    Placement,
    compare,
    outcomes,
    own_placement,
)
from dsc_lsp.measure.holes import Hole
from dsc_lsp.measure.variants import as_family
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings

_SHORTEST_GOLD = 4
_OWN = " (served)"


def print_anchors(
    sets: Sequence[tuple[Sequence[Hole], Repository]],
    settings: Settings,
    engine: Engine,
    *,
    as_json: bool,
) -> None:
    """Type half of each hole, complete it from each anchor, and print how good that was.

    A small model is also measured without what the repository says.

    Raises:
        EngineError: the engine failed.
    """
    ways = {"as served": engine}
    if engine.family.lookup_margin is not None:
        alone = dataclasses.replace(engine.family, lookup_margin=None)
        ways["model alone"] = as_family(engine, alone)
    compared = {way: _compared(sets, settings, used, way) for way, used in ways.items()}
    if as_json:
        print(json.dumps({way: _as_json(table) for way, table in compared.items()}))
        return
    for way, table in compared.items():
        print(f"{engine.name}, {way}; half of each hole is typed, the middle begins")
        print(f"{'':28}{'holes':>7}{'exact %':>10}{'similar %':>11}{'better':>8}{'worse':>7}")
        for name, row in table.items():
            print(
                f"{name:28}{row.holes:7}{row.exact_match:10.2f}{row.edit_similarity:11.2f}"
                f"{row.better:8}{row.worse:7}"
            )


def _compared(
    sets: Sequence[tuple[Sequence[Hole], Repository]],
    settings: Settings,
    engine: Engine,
    way: str,
) -> dict[str, Comparison]:
    """Return each placement beside the family's own."""
    own = own_placement(engine.family)
    found = dict[Placement, list[Outcome]]()
    for placement in dict.fromkeys((*PLACEMENTS, own)):
        found[placement] = [
            outcome
            for holes, repository in sets
            for outcome in outcomes(
                tqdm(
                    [hole for hole in holes if len(hole.gold) >= _SHORTEST_GOLD],
                    f"{way}, {placement.name}",
                    unit="hole",
                    disable=not sys.stderr.isatty(),
                ),
                settings,
                engine,
                placement,
                repository=repository,
            )
        ]
    return {
        placement.name + (_OWN if placement == own else ""): compare(found[own], some)
        for placement, some in found.items()
    }


def _as_json(table: Mapping[str, Comparison]) -> dict[str, object]:
    return {name.removesuffix(_OWN): dataclasses.asdict(row) for name, row in table.items()}
