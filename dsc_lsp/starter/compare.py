"""Measure checkpoints of starters on the same held-out holes, side by side.

``python -m dsc_lsp.starter.compare --work WORK CHECKPOINT...``: the work directory is that of a
finished build, whose held-out files and training lines are used for all.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dsc_lsp.starter import corpus, evaluation, export, steps, vocabulary
from dsc_lsp.starter.evaluation import Quality, TestHole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser("python -m dsc_lsp.starter.compare", description=__doc__)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--holes", type=int, default=600)
    parser.add_argument("--windows", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parsed = parser.parse_args(arguments)
    work: Path = parsed.work
    lines = corpus.lines(corpus.read_files(work / "training.jsonl.xz"))
    held_out = corpus.read_files(work / "held_out.jsonl.xz")
    sets: list[list[TestHole]] = []
    for checkpoint in parsed.checkpoints:
        encoder = vocabulary.Encoder(vocabulary.load(checkpoint / "tokenizer.json"))
        texts = steps.encode(held_out, encoder, _tell)
        sets.append(
            evaluation.make_holes(
                texts, lines, encoder, count=parsed.holes, prompt_tokens=480, seed=parsed.seed
            )
        )
    print("| checkpoint | holes | exact | unseen lines | similar | loss | bits/byte |")
    print("|---|---|---|---|---|---|---|")
    for checkpoint, holes in zip(parsed.checkpoints, common(sets), strict=True):
        encoder = vocabulary.Encoder(vocabulary.load(checkpoint / "tokenizer.json"))
        quality, _ = evaluation.measure(
            export.load(checkpoint),
            encoder,
            holes,
            steps.encode(held_out, encoder, _tell),
            windows=parsed.windows,
            row_tokens=512,
            report=_tell,
        )
        print(row(str(checkpoint), quality), flush=True)
    return 0


def common(sets: Sequence[Sequence[TestHole]]) -> list[list[TestHole]]:
    """Keep the holes that are in every set: the tokenizers decide which prompts fit."""
    places = [{_place(hole) for hole in holes} for holes in sets]
    shared = set[tuple[str, str, str]].intersection(*places)
    return [[hole for hole in holes if _place(hole) in shared] for holes in sets]


def row(name: str, quality: Quality) -> str:
    """Return one row of the table; losses in nats a token, so of one tokenizer only."""
    return (
        f"| {name} | {quality.holes} | {quality.exact:.1f} % | {quality.exact_unseen:.1f} %"
        f" ({quality.unseen}) | {quality.similarity:.1f} % | {quality.loss:.2f}, another prompt"
        f" {quality.loss_wrong:.2f}, another context {quality.loss_wrong_context:.2f}"
        f" | {quality.bits_per_byte:.3f} |"
    )


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _place(hole: TestHole) -> tuple[str, str, str]:
    return hole.path, hole.line, hole.before


if __name__ == "__main__":
    sys.exit(main())
