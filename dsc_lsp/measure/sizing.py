"""How many people a GPU serves: ``python -m dsc_lsp.measure.sizing`` prints docs/team.md's table.

A computation from the sizes of the models, the figures of the cards, and what was measured: how
many tokens a key reads. What is assumed stands in ``Habits`` and ``Share``.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from dsc_lsp.engine.config import parse_config
from dsc_lsp.engine.memory import Precision, bytes_per_position, weight_bytes
from dsc_lsp.models import SHAPES

_BFLOAT16 = Precision(2)


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU: its memory, how fast that is read, and how fast it multiplies in 16 bits (dense)."""

    name: str
    gigabytes: float
    terabytes_per_second: float
    teraflops: float


@dataclass(frozen=True, slots=True)
class Habits:
    """What people ask for; ``tokens_read`` is measured (docs/log.md), the rest assumed.

    A prompt has ``context_tokens``, whose keys and values the server keeps for everybody who
    types. Four of five keys at five keys a second ask the model, for ``tokens_written``.
    """

    tokens_read: float = 10.5
    context_tokens: int = 2_048
    tokens_written: int = 16
    requests_per_second: float = 4.0


@dataclass(frozen=True, slots=True)
class Share:
    """What is reached of the figures of a card, and kept at each doubling of cards: assumed."""

    of_memory: float = 0.9
    of_bandwidth: float = 0.7
    of_compute: float = 0.4
    kept_by_splitting: float = 0.85


@dataclass(frozen=True, slots=True)
class Sizing:
    """What a model on some cards gives: how long a suggestion takes one person who is alone.

    ``kept`` is for how many people the memory keeps prompts, ``typing`` how many of them may type
    at once so that nobody waits longer than was asked.
    """

    alone_ms: float
    kept: int
    typing: int


def sizing(
    shape: str,
    card: Card,
    cards: int,
    *,
    patience_seconds: float,
    habits: Habits | None = None,
    share: Share | None = None,
) -> Sizing:
    """Return how many people a model of ``SHAPES`` serves on some cards, in bfloat16."""
    habits, share = habits or Habits(), share or Share()
    config = parse_config(SHAPES[shape].config())
    weights = weight_bytes(config, _BFLOAT16)
    prompt = habits.context_tokens * bytes_per_position(config, _BFLOAT16)
    kept_speed = share.kept_by_splitting ** (cards - 1).bit_length()
    bandwidth = cards * card.terabytes_per_second * 1e12 * share.of_bandwidth * kept_speed
    compute = cards * card.teraflops * 1e12 * share.of_compute * kept_speed
    kept = max(0, int((cards * card.gigabytes * 1e9 * share.of_memory - weights) // prompt))

    def seconds(at_once: float) -> float:
        """Return how long a suggestion takes while so many are written together."""
        operations = 2 * config.parameters * at_once
        step = max((weights + at_once * prompt) / bandwidth, operations / compute)
        return habits.tokens_read * operations / compute + habits.tokens_written * step

    def in_flight(people: int) -> float:
        """Return how many of them wait at any moment: nobody for two suggestions at once."""
        at_once = float(people)
        for _ in range(50):
            at_once = people * min(1.0, habits.requests_per_second * seconds(at_once))
        return at_once

    typing = 0
    while typing < kept and seconds(max(1.0, in_flight(typing + 1))) <= patience_seconds:
        typing += 1
    return Sizing(1e3 * seconds(1), kept, typing)


CARDS = (
    Card("24 GB (RTX 4090)", 24, 1.008, 165),
    Card("48 GB (L40S)", 48, 0.864, 362),
    Card("80 GB (H100)", 80, 3.35, 989),
    Card("141 GB (H200)", 141, 4.8, 989),
)
_SETUPS = (
    ("deepseek-coder-1.3b", 0, 1),
    ("deepseek-coder-6.7b", 0, 1),
    ("deepseek-coder-6.7b", 0, 2),
    ("deepseek-coder-6.7b", 1, 1),
    ("deepseek-coder-6.7b", 2, 1),
    ("deepseek-coder-6.7b", 3, 1),
    ("deepseek-coder-33b", 0, 4),
    ("deepseek-coder-33b", 1, 2),
    ("deepseek-coder-33b", 2, 1),
    ("deepseek-coder-33b", 2, 2),
    ("deepseek-coder-33b", 3, 1),
)
_PATIENCE_SECONDS = (0.3, 0.6)


def table() -> Iterator[str]:
    """Yield the lines of the table in Markdown."""
    waits = " | ".join(f"type at once, {1e3 * seconds:.0f} ms" for seconds in _PATIENCE_SECONDS)
    yield f"| model | cards | a suggestion, alone | {waits} | prompts kept |"
    yield "|---|---|---|---|---|---|"
    for shape, number, cards in _SETUPS:
        card = CARDS[number]
        got = [sizing(shape, card, cards, patience_seconds=most) for most in _PATIENCE_SECONDS]
        name, where = shape.removeprefix("deepseek-coder-").upper(), f"{cards} × {card.name}"
        people = " | ".join(str(one.typing) if one.typing else "none" for one in got)
        yield f"| {name} | {where} | {got[0].alone_ms:.0f} ms | {people} | {got[0].kept} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
