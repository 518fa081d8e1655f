"""Which share of its prompt the starter should have of other files, by exact match and likelihood.

``python -m dsc_lsp.measure.context_shares PACKAGE …``: holes whose name is defined in another file
(through an import or not), and holes cut anywhere, which need no other file.
"""

import argparse
import dataclasses
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from dsc_lsp import context
from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete, terms_at
from dsc_lsp.document import Cursor, Document
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, Scorer
from dsc_lsp.measure.context_holes import context_holes
from dsc_lsp.measure.context_recall import indexed
from dsc_lsp.measure.holes import folder_of, read_holes
from dsc_lsp.measure.metrics import is_exact
from dsc_lsp.measure.variants import as_family
from dsc_lsp.prompt import build_prompt
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings

_KINDS = ("through an import", "not through an import", "anywhere")


@dataclass(frozen=True, slots=True)
class Way:
    """Tokens of the prompt, and the share of them that other files have."""

    prompt_tokens: int
    share: float


WAYS = (Way(480, 0.0), Way(480, 0.25), Way(480, 0.5), Way(720, 1 / 3))


@dataclass(frozen=True, slots=True)
class Outcome:
    """At one hole, in one way: is it exact as served and by the model alone; bits of the gold."""

    kind: str
    way: Way
    exact: bool
    exact_alone: bool
    bits: float
    gold_bytes: int


def outcomes(package: str, engine: Engine, *, limit: int, seed: int) -> Iterator[Outcome]:
    """Yield what comes of each hole in each way; the lookup knows the package's files."""
    root = Path(folder_of(package)).absolute()
    texts = indexed(root).texts
    repository = Repository(context.plan)
    repository.read_folder(root)
    holes = [
        _Gap(_KINDS[not hole.imported], _in(root, hole.path, hole.cursor), hole.rest)
        for hole in context_holes(root, texts, seed=seed, limit=limit)
    ]
    anywhere = read_holes(package, seed=seed, limit=limit)
    holes += [_Gap(_KINDS[2], hole.cursor, hole.gold) for hole in anywhere]
    for hole in tqdm(holes, desc=package, unit=" holes"):
        for way in WAYS:
            yield _outcome(hole, way, repository, engine)
    repository.close_folders()


@dataclass(frozen=True, slots=True)
class _Gap:
    kind: str
    cursor: Cursor
    gold: str


def _outcome(hole: _Gap, way: Way, repository: Repository, engine: Engine) -> Outcome:
    cursor, gold = hole.cursor, hole.gold
    settings = Settings(context_tokens=2_048, min_confidence=0.0)
    family = dataclasses.replace(
        engine.family, prompt_tokens=way.prompt_tokens, context_share=way.share
    )
    served = as_family(engine, family)
    alone = as_family(engine, dataclasses.replace(family, lookup_margin=None))
    assert isinstance(alone, Scorer), "a model on this machine"
    prompt = build_prompt(cursor, terms_at(cursor, settings, alone, repository))
    ids = engine.tokenizer.encode(gold.replace("\r\n", "\n"))
    exact, exact_alone = (
        is_exact(complete(cursor, repository, settings, one, CancelToken()).text, gold)
        for one in (served, alone)
    )
    bits = -alone.log_likelihood(prompt, ids) / math.log(2)
    return Outcome(hole.kind, way, exact, exact_alone, bits, len(gold.encode()))


def _in(root: Path, path: str, cursor: Cursor) -> Cursor:
    """Return the cursor in its document as the editor would name it."""
    uri = (root / path).as_uri()
    return Cursor(Document.of(cursor.document.text, uri=uri, language="python"), cursor.position)


def _print(found: Sequence[Outcome]) -> None:
    for kind in _KINDS:
        some = [one for one in found if one.kind == kind]
        if not some:
            continue
        print(f"\n{kind}: {len(some) // len(WAYS)} holes")
        print(f"{'prompt':>8}{'share':>8}{'exact %':>9}{'alone %':>9}{'bits/byte':>11}")
        for way in WAYS:
            those = [one for one in some if one.way == way]
            print(
                f"{way.prompt_tokens:8}{way.share:8.2f}"
                f"{100 * sum(one.exact for one in those) / len(those):9.1f}"
                f"{100 * sum(one.exact_alone for one in those) / len(those):9.1f}"
                f"{sum(one.bits for one in those) / sum(one.gold_bytes for one in those):11.3f}"
            )


def main() -> int:
    """Print a table for each kind of hole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="+", metavar="PACKAGE")
    parser.add_argument("--limit", type=int, default=30, help="holes of each kind and package")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        engine = open_engine(Settings(model="starter"), lambda _message, _percent: None)
        _print(
            [
                outcome
                for package in chosen.packages
                for outcome in outcomes(package, engine, limit=chosen.limit, seed=chosen.seed)
            ]
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
