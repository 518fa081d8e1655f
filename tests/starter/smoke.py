"""A build in small: its command line and its corpus."""

from pathlib import Path

CORPUS = ("corpus.json", "training.jsonl.xz", "held_out.jsonl.xz", "tokenizer.json")


def arguments(place: Path, *more: str) -> list[str]:
    """Return the arguments of a build in a place, which has all the time it takes."""
    places = ["--output", str(place / "dsc-starter"), "--work", str(place / "work")]
    return ["--preset", "smoke", "--seconds", "1000", *places, *more]
