"""How often the name that is about to be written stands in the context, by method and budget."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsc_lsp import context
from dsc_lsp.measure.context_baselines import BASELINES, filled, prepared
from dsc_lsp.measure.context_holes import ContextHole, context_holes, imported_files
from dsc_lsp.repository.indexing import finish, refresh
from dsc_lsp.repository.plan import Recent
from dsc_lsp.repository.store import Store
from dsc_lsp.repository.workspace import Workspace

BUDGETS: tuple[int, ...] = (512, 1024, 2048, 4096)
"""Tokens of context, headers included; the code of the current file comes on top."""

OURS = "dsc"
METHODS = ("none", *BASELINES, OURS)
_TIMED_BUDGET = 2048


@dataclass(frozen=True, slots=True)
class Found:
    """Whether a hole's name stands in the context, by method and budget.

    ``planning_ms`` is what ranking takes, in the background; ``assembly_ms`` what a keystroke
    takes to make a text of a plan.
    """

    package: str
    hole: ContextHole
    found: Mapping[str, Mapping[int, bool]]
    planning_ms: float
    assembly_ms: float


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder, indexed in memory, with the texts that may enter a prompt."""

    root: Path
    workspace: Workspace
    texts: Mapping[str, str]


def indexed(root: Path) -> Repository:
    """Return a folder with all that the index knows of it."""
    store = Store(None)
    for _ in refresh(root, store):
        pass
    finish(store)
    texts = {path: store.text(path) or "" for path in sorted(store.paths())}
    return Repository(root, Workspace(root, store), texts)


def look_for_names(
    repository: Repository,
    header: Callable[[str], str],
    count: Callable[[str], int],
    *,
    seed: int,
    limit: int,
) -> Iterator[Found]:
    """Yield what each method found, at most ``limit`` holes of each kind.

    ``header`` stands above each file, ``count`` counts the tokens of whole lines.
    """
    root, workspace, texts = repository.root, repository.workspace, repository.texts
    others = prepared(texts, imported_files(root, texts), workspace)
    for hole in context_holes(root, texts, seed=seed, limit=limit):
        gold = re.compile(rf"\b{re.escape(hole.gold)}\b")
        found = {"none": dict.fromkeys(BUDGETS, False)}
        for name, method in BASELINES.items():
            chosen = list(method(hole, others))
            found[name] = {b: bool(gold.search(filled(chosen, b, count))) for b in BUDGETS}
        start = time.perf_counter()
        plan = context.plan(hole.cursor, hole.path, workspace, Recent(), None)
        planning_ms = 1e3 * (time.perf_counter() - start)
        start = time.perf_counter()
        context.fitted(plan, _TIMED_BUDGET, header, count)
        assembly_ms = 1e3 * (time.perf_counter() - start)
        found[OURS] = {
            b: bool(gold.search(context.fitted(plan, b, header, count).text)) for b in BUDGETS
        }
        yield Found(root.name, hole, found, planning_ms, assembly_ms)


def recall(some: Sequence[Found]) -> dict[str, dict[int, float]]:
    """Return by method and budget the share, in percent, of names that stand in the context."""
    return {
        method: {b: 100 * sum(one.found[method][b] for one in some) / len(some) for b in BUDGETS}
        for method in METHODS
    }
