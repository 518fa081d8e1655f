"""The model card: ``card.md`` filled in with what the build measured."""

from pathlib import Path
from string import Template
from typing import Any

from dsc_lsp.starter import examples
from dsc_lsp.starter.files import read_json
from dsc_lsp.starter.sources import NODE_PREFIX

_SAMPLES = 5
_LONGEST_SAMPLE = 70  # characters of each part


def model_card(work: Path, seed: int) -> str:
    """Return the card's Markdown; ``work`` holds a finished build, ``seed`` picks the samples."""
    recipe, gathered = read_json(work / "recipe.json"), read_json(work / "corpus.json")
    trained, evaluation = read_json(work / "training.json"), read_json(work / "evaluation.json")
    quality, speed = evaluation["quality"], evaluation["speed"]
    packages, held_out = gathered["packages"], gathered["held_out"]
    sizes = {name: entry["bytes"] for name, entry in gathered["training"].items()}
    size = sum(sizes.values())
    node = sum(size for name, size in sizes.items() if name.startswith(NODE_PREFIX))
    shares = ("exact", "exact_unseen", "similarity", "similarity_unseen")
    losses = ("loss", "loss_wrong", "loss_wrong_context")
    values = (
        recipe
        | quality
        | {name: f"{quality[name]:.1f}" for name in shares}
        | {name: f"{quality[name]:.2f}" for name in losses}
        | {
            "bits_per_byte": f"{quality['bits_per_byte']:.3f}",
            "half_row": recipe["row_tokens"] // 2,
            "prefill": f"{speed['prefill']:.0f}",
            "decode": f"{speed['decode']:.1f}",
            "threads": speed["threads"],
            "samples": _samples(evaluation["answers"], seed),
            "parameters": _millions(trained["parameters"], 2),
            "tokens": _millions(trained["tokens"]),
            "corpus_tokens": _millions(trained["corpus_tokens"]),
            "passes": f"{trained['tokens'] / trained['corpus_tokens']:.1f}",
            "steps": trained["step"],
            "minutes": f"{trained['seconds'] / 60:.0f}",
            "machine": trained["machine"],
            "revision": trained["revision"],
            "seed": seed,
            "training_loss": f"{trained['loss']:.3f}",
            "megabytes": _millions(size),
            "node_share": f"{node / size:.1%}".replace("%", " %"),
            "held_out": ", ".join(f"{name} {packages[name]['version']}" for name in held_out),
            "packages": _packages(gathered),
        }
    )
    template = Template((Path(__file__).parent / "card.md").read_text(encoding="utf-8"))
    return template.substitute(values)


def _samples(answers: list[dict[str, str]], seed: int) -> str:
    chosen = examples.seeded(seed).sample(answers, min(_SAMPLES, len(answers)))
    return "\n".join(
        f"| {_code(answer['before'].lstrip()[-_LONGEST_SAMPLE:])} "
        f"| {_code(answer['gold'])} | {_code(answer['model'])} |"
        for answer in chosen
    )


def _packages(gathered: Any) -> str:
    largest_first = sorted(gathered["training"].items(), key=lambda item: -item[1]["bytes"])
    return "\n".join(
        f"| {name} {gathered['packages'][name]['version']} "
        f"| {gathered['packages'][name]['license']} "
        f"| {entry['files']} | {entry['bytes'] / 1e3:.0f} |"
        for name, entry in largest_first
    )


def _code(text: str) -> str:
    """Return text as code in a cell of a table."""
    shown = text.strip("\n")[:_LONGEST_SAMPLE].replace("|", "\\|")
    if not shown.strip():
        return "(nothing)"
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def _millions(count: int, digits: int = 1) -> str:
    return f"{count / 1e6:.{digits}f}"
