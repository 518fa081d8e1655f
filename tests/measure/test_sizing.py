"""How many people a GPU serves: a computation, and the table in docs/team.md that it makes."""

from dataclasses import replace
from pathlib import Path

from dsc_lsp.measure.sizing import CARDS, Habits, Share, sizing, table

DOCUMENT = Path(__file__).parents[2] / "docs" / "team.md"
MODEL = "deepseek-coder-6.7b"


def test_the_table_is_in_the_document() -> None:
    assert "\n".join(table()) in DOCUMENT.read_text(encoding="utf-8")


def test_one_person_waits_for_the_weights() -> None:
    """6.7B in bfloat16: 13.5 GB, read 16 times at 70 % of 4.8 TB/s, and a prompt of 2,048."""
    got = sizing(MODEL, CARDS[3], 1, patience_seconds=0.3)
    assert 16 * 13.5 / (0.7 * 4.8) < got.alone_ms < 1.2 * 16 * 13.5 / (0.7 * 4.8)
    # 141 GB less a tenth and the weights, 0.5 MiB a token, 2,048 tokens each.
    assert got.kept == int((0.9 * 141e9 - 13.48e9) / (2 * 32 * 4096 * 2 * 2048))


def test_what_serves_more_people() -> None:
    few = sizing(MODEL, CARDS[2], 1, patience_seconds=0.3)
    assert sizing(MODEL, CARDS[2], 2, patience_seconds=0.3).typing > few.typing
    assert sizing(MODEL, CARDS[2], 1, patience_seconds=0.6).typing > few.typing
    calm = replace(Habits(), requests_per_second=1.0)
    assert sizing(MODEL, CARDS[2], 1, patience_seconds=0.3, habits=calm).typing > few.typing
    slow = replace(Share(), of_bandwidth=0.35)
    assert sizing(MODEL, CARDS[2], 1, patience_seconds=0.3, share=slow).typing < few.typing


def test_what_does_not_fit_serves_nobody() -> None:
    got = sizing("deepseek-coder-33b", CARDS[0], 1, patience_seconds=0.6)
    assert (got.kept, got.typing) == (0, 0)
