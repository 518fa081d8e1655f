"""The model card: ``card.md`` filled in with what the build measured.

``python -m dsc_lsp.starter.card CHECKPOINT`` writes a checkpoint's card anew from the results
beside it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from dsc_lsp import models
from dsc_lsp.starter import examples
from dsc_lsp.starter.files import read_json, write_whole
from dsc_lsp.starter.sources import NODE_PREFIX

RESULTS = "results.json"
"""What a card is made of, beside the checkpoint, so that neither is lost without the other."""

_EARLIER = "earlier.json"
_SAMPLES = 5
_LONGEST_SAMPLE = 70  # characters of each part
_WAYS = {
    "lookup alone": "lookup alone",
    "model alone": "this model alone",
    "model left to right": "this model, left to right",
    "lookup and model": "lookup and this model",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser("python -m dsc_lsp.starter.card", description=__doc__)
    parser.add_argument("checkpoint", nargs="?", type=Path, default=models.STARTER_CHECKPOINT)
    checkpoint: Path = parser.parse_args(arguments).checkpoint
    try:
        card = model_card(read_json(checkpoint / RESULTS))
        write_whole(checkpoint / "README.md", card.encode())
    except OSError as error:
        parser.exit(1, f"{error}\n")
    return 0


def results(work: Path) -> dict[str, Any]:
    """Return what the card tells of a finished build, whose state is in ``work``."""
    recipe, gathered = read_json(work / "recipe.json"), read_json(work / "corpus.json")
    evaluation = read_json(work / "evaluation.json")
    answers = evaluation.pop("answers")
    chosen = examples.seeded(recipe["seed"]).sample(answers, min(_SAMPLES, len(answers)))
    packages = gathered["packages"]
    return {
        "recipe": recipe,
        "training": read_json(work / "training.json"),
        "evaluation": {**evaluation, "samples": chosen},
        "served": {
            name: read_json(work / f"{name}.json")
            for name in ("packages", "human_eval")
            if (work / f"{name}.json").exists()
        },
        "corpus": {
            part: {name: {**packages[name], **entry} for name, entry in gathered[part].items()}
            for part in ("training", "held_out")
        },
    }


def model_card(measured: dict[str, Any]) -> str:
    """Return the card's Markdown, made of ``results``."""
    recipe, trained, gathered = measured["recipe"], measured["training"], measured["corpus"]
    quality, speed = measured["evaluation"]["quality"], measured["evaluation"]["speed"]
    sizes = {name: entry["bytes"] for name, entry in gathered["training"].items()}
    size = sum(sizes.values())
    node = sum(size for name, size in sizes.items() if name.startswith(NODE_PREFIX))
    largest = max(sizes, key=sizes.__getitem__)
    shares = ("exact", "exact_unseen", "similarity", "similarity_unseen")
    losses = ("loss", "loss_wrong", "loss_wrong_context")
    values = (
        recipe
        | quality
        | {name: f"{quality[name]:.1f}" for name in shares}
        | {name: f"{quality[name]:.2f}" for name in losses}
        | _served(measured["served"])
        | {
            "bits_per_byte": f"{quality['bits_per_byte']:.3f}",
            "half_row": recipe["row_tokens"] // 2,
            "prefill": f"{speed['prefill']:.0f}",
            "decode": f"{speed['decode']:.1f}",
            "threads": f"{speed['threads']} CPU thread{'s' if speed['threads'] > 1 else ''}",
            "samples": _samples(measured["evaluation"]["samples"]),
            "parameters": _millions(trained["parameters"], 2),
            "tokens": _millions(trained["tokens"]),
            "corpus_tokens": _millions(trained["corpus_tokens"]),
            "passes": f"{trained['tokens'] / trained['corpus_tokens']:.1f}",
            "steps": trained["step"],
            "minutes": f"{trained['seconds'] / 60:.0f}",
            "machine": trained["machine"],
            "revision": trained["revision"],
            "training_loss": f"{trained['loss']:.3f}",
            "megabytes": _millions(size),
            "node_share": _percent(100 * node / size),
            "cap": _percent(100 * recipe["selection"]["share"], 0),
            "largest": largest,
            "largest_share": _percent(100 * sizes[largest] / size),
            "held_out": ", ".join(
                f"{name} {entry['version']}" for name, entry in gathered["held_out"].items()
            ),
            "packages": _packages(gathered["training"]),
        }
    )
    template = Template((Path(__file__).parent / "card.md").read_text(encoding="utf-8"))
    return template.substitute(values)


def _samples(chosen: list[dict[str, str]]) -> str:
    return "\n".join(
        f"| {_code(answer['before'].lstrip()[-_LONGEST_SAMPLE:])} "
        f"| {_code(answer['gold'])} | {_code(answer['model'])} |"
        for answer in chosen
    )


def _served(served: dict[str, Any]) -> dict[str, object]:
    """Return the values about all ways of use, with rows for earlier starters below."""
    packages, human_eval = served["packages"], served.get("human_eval", {"ways": {}})
    both = packages["ways"]["lookup and model"]
    rows = [
        _row(name, packages["ways"][way], human_eval["ways"].get(way))
        for way, name in _WAYS.items()
    ]
    lines = human_eval["ways"].get("model alone", {}).get("holes", 0)
    elsewhere = human_eval.get("revision", packages["revision"])
    for earlier in read_json(Path(__file__).parent / _EARLIER):
        count = earlier["human_eval"]["holes"]
        name = earlier["name"] + (f" (HumanEval: {count} lines)" if count != lines else "")
        rows.append(_row(name, earlier["packages"], earlier["human_eval"]))
    return {
        "served_revision": packages["revision"],
        "served_seed": packages["seed"],
        "served_holes": f"{both['holes']:,}",
        "served_unseen": both["holes_unseen"],
        "served_packages": ", ".join(packages["datasets"]),
        "human_eval_lines": f"{lines:,}",
        "human_eval_revision": "" if elsewhere == packages["revision"] else f" ({elsewhere})",
        "served_rows": "\n".join(rows),
        "min_confidence": models.STARTER.min_confidence,
        "shown": f"{both['shown']:.0f}",
        "precision": _percent(both["precision"], 0),
        "calibration_error": f"{both['calibration']['expected_error']:.2f}",
    }


def _row(name: str, measured: dict[str, Any], human_eval: dict[str, Any] | None) -> str:
    rests = measured["groups"].get("python, rest of line", {})
    bits = None if name == _WAYS["lookup and model"] else measured["bits_per_byte"]
    cells = (
        name,
        _percent(measured["exact_match"]),
        _percent(measured["exact_match_unseen"]),
        _percent(rests.get("exact_match")),
        _percent(measured["edit_similarity"]),
        "" if bits is None else f"{bits:.2f}",
        "" if human_eval is None else _percent(human_eval["exact_match"]),
    )
    return f"| {' | '.join(cells)} |"


def _packages(training: dict[str, Any]) -> str:
    largest_first = sorted(training.items(), key=lambda item: -item[1]["bytes"])
    return "\n".join(
        f"| {name} {entry['version']} | {entry['license']}"
        f" | {entry['files']} | {entry['bytes'] / 1e3:.0f} |"
        for name, entry in largest_first
    )


def _code(text: str) -> str:
    """Return text as code in a cell of a table."""
    shown = text.strip("\n")[:_LONGEST_SAMPLE].replace("|", "\\|")
    if not shown.strip():
        return "(nothing)"
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def _percent(share: float | None, digits: int = 1) -> str:
    return "" if share is None else f"{share:.{digits}f} %"


def _millions(count: int, digits: int = 1) -> str:
    return f"{count / 1e6:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
