"""Holes whose first half is typed, completed from different anchors, on a scripted engine."""

import dataclasses
import json
from pathlib import Path

import pytest

from dsc_lsp.cli import main
from dsc_lsp.engine.base import Prompt
from dsc_lsp.measure.anchors import (
    PLACEMENTS,
    Outcome,
    Placement,
    compare,
    outcomes,
    own_placement,
)
from dsc_lsp.measure.holes import hole_in, partly_typed
from dsc_lsp.models import DEEPSEEK_CODER_BASE, FAMILIES
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.scripted import ScriptedEngine

BEFORE = "".join(f"line{number}\n" for number in range(30)) + "x = "
HOLE = hole_in("one", "line", BEFORE, "f(a, b)", "\nend\n", language="python", uri="file:///a.py")


def middle(prompt: Prompt) -> str:
    """Return the half of the middle that a prompt has written already."""
    return prompt.parts[-1].text if not prompt.parts[-1].control else ""


@pytest.mark.parametrize(
    ("placement", "written"),
    [
        # The word at the cursor is never cut in two.
        (Placement(None, kept=False), "a"),
        (Placement(None), "f(a"),
        (Placement(0), "x = f(a"),
        (Placement(3), "".join(f"line{number}\n" for number in range(27, 30)) + "x = f(a"),
    ],
)
def test_each_placement_has_its_half_of_the_middle(placement: Placement, written: str):
    engine = ScriptedEngine(", b)\n")
    [outcome] = outcomes([HOLE], Settings(), engine, placement, repository=Repository())
    assert outcome.exact
    assert middle(engine.requests[0].prompt) == written


def test_what_is_too_unsure_to_be_shown_counts_as_elsewhere_in_eval():
    """The starter's table had nothing exact or alike where nothing was shown."""
    unsure = dataclasses.replace(DEEPSEEK_CODER_BASE, min_confidence=0.99)
    engine = ScriptedEngine(", b)\n", family=unsure)
    [outcome] = outcomes([HOLE], Settings(), engine, Placement(None), repository=Repository())
    assert outcome.exact


def test_gold_text_of_several_lines_is_partly_typed():
    hole = hole_in("one", "line", "  ", "a\nbc\n", "end", language="python", uri="file:///a.py")
    rest = partly_typed(hole, 3)
    assert (rest.cursor.line_before, rest.cursor.line_after, rest.gold) == ("b", "end", "c\n")


def test_a_comparison_counts_where_only_one_is_exact():
    right, wrong = Outcome(exact=True, similarity=100), Outcome(exact=False, similarity=50)
    row = compare([right, right, wrong, wrong], [right, wrong, right, right])
    assert (row.holes, row.exact_match, row.edit_similarity) == (4, 75, 87.5)
    assert (row.better, row.worse) == (2, 1)


def test_every_family_is_compared_with_its_own_placement():
    own = [own_placement(family) for family in FAMILIES]
    assert set(own) <= set(PLACEMENTS)
    assert own_placement(DEEPSEEK_CODER_BASE).name == "where typing began"


def test_the_command_compares_placements(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    record = {
        "task_id": "one",
        "prompt": "def add(a, b):\n",
        "canonical_solution": "    return a + b\n",
        "suffix": "\nprint(add(1, 2))\n",
    }
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps(record))
    arguments = ["eval", str(data), "--model", "starter", "--device", "cpu", "--anchors"]
    assert main([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["as served", "model alone"]
    for table in answer.values():
        assert set(table) == {placement.name for placement in PLACEMENTS}
        assert all(row["holes"] == 1 for row in table.values())
