"""What context is worth to a model: bits per byte with shares, orders and headers of it.

``python -m dsc_lsp.measure.context_worth PACKAGE …``, with the starter.
"""

import argparse
import dataclasses
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsc_lsp import context
from dsc_lsp.completion import terms_at
from dsc_lsp.context.assembly import Chosen, choose, in_order, render
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, PromptPart, Scorer
from dsc_lsp.measure.context_holes import ContextHole, context_holes
from dsc_lsp.measure.context_recall import Repository, indexed
from dsc_lsp.measure.holes import folder_of
from dsc_lsp.prompt import build_prompt
from dsc_lsp.repository.plan import Plan, Recent
from dsc_lsp.settings import Settings

_TRAINED, _COMMENTED = "#{path}\n", "# {path}\n# ----\n"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to show other files: tokens of prompt and of context, order and header."""

    name: str
    prompt_tokens: int
    context_tokens: int
    dependency_order: bool = True
    header: str = _TRAINED


WAYS = (
    Way("no context", 480, 0),
    Way("a quarter", 480, 120),
    Way("half", 480, 240),
    Way("beside the whole prompt, 240", 720, 240),
    Way("beside the whole prompt, 480", 960, 480),
    Way("the same, order of retrieval", 960, 480, dependency_order=False),
    Way("the same, commented headers", 960, 480, header=_COMMENTED),
)


def bits_per_byte(
    repository: Repository, engine: Engine, *, limit: int, seed: int
) -> Iterator[tuple[ContextHole, dict[str, float]]]:
    """Yield each hole with the bits that its text takes, by way."""
    settings = Settings(context_tokens=2_048)
    assert isinstance(engine, Scorer), "a model on this machine"
    for hole in context_holes(repository.root, repository.texts, seed=seed, limit=limit):
        plan = context.plan(hole.cursor, hole.path, repository.workspace, Recent(), None)
        terms = terms_at(hole.cursor, settings, engine, None)
        gold = engine.tokenizer.encode(hole.rest)
        bits: dict[str, float] = {}
        for way in WAYS:
            family = dataclasses.replace(engine.family, prompt_tokens=way.prompt_tokens)
            text = shown(plan, way, lambda line: len(engine.tokenizer.encode(line)))
            part = PromptPart(engine.tokenizer.encode(text) if text else (), text)
            prompt = build_prompt(
                hole.cursor, dataclasses.replace(terms, family=family, context=part)
            )
            bits[way.name] = -engine.log_likelihood(prompt, gold) / math.log(2)
        yield hole, bits


def shown(plan: Plan, way: Way, count: Callable[[str], int]) -> str:
    """Return the context of a plan in one of the ways."""
    if not way.context_tokens:
        return ""

    def header(path: str) -> str:
        return way.header.format(path=path)

    files: Sequence[Chosen] = choose(plan.pieces, way.context_tokens, header, count)
    if way.dependency_order:
        return render(in_order(files, plan.imports), header)
    return render(sorted(files, key=lambda file: file.worth), header)  # the worthiest last


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="+", metavar="PACKAGE")
    parser.add_argument("--limit", type=int, default=25, help="holes of each kind and package")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    engine = open_engine(Settings(model="starter"), lambda _message, _percent: None)
    found: list[tuple[ContextHole, dict[str, float]]] = []
    for package in chosen.packages:
        repository = indexed(Path(folder_of(package)).absolute())
        found += bits_per_byte(repository, engine, limit=chosen.limit, seed=chosen.seed)
    for imported in (True, False):
        some = [(hole, bits) for hole, bits in found if hole.imported is imported]
        total = sum(len(hole.rest.encode()) for hole, _ in some)
        print(f"{'' if imported else 'not '}through an import: {len(some)} holes, bits per byte")
        for way in WAYS:
            print(f"{sum(bits[way.name] for _, bits in some) / max(1, total):8.3f}  {way.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
