"""Measures of quality, on a scripted engine whose suggestions are known."""

import dataclasses
import json
import sys
from pathlib import Path

import psutil
import pytest

from dsc_lsp.engine.opening import open_local
from dsc_lsp.measure.evaluation import by_group, evaluate, summarize
from dsc_lsp.measure.holes import Hole, Program, hole_in
from dsc_lsp.measure.metrics import edit_similarity, identifier_f1, is_exact
from dsc_lsp.measure.postprocessing import postprocessing
from dsc_lsp.measure.replay import Replay, replay
from dsc_lsp.measure.sandbox import passes
from dsc_lsp.models import DEEPSEEK_CODER_BASE
from dsc_lsp.settings import Settings
from tests.checkpoints import make_checkpoint
from tests.scripted import ScriptedEngine


def hole(gold: str = "y = 1", *, before: str = "x = 1\n", program: Program | None = None) -> Hole:
    made = hole_in("one", "line", before, gold, "\n", language="python", uri="file:///a.py")
    return Hole(made.name, made.kind, made.cursor, made.gold, program)


def test_exact_means_the_same_but_for_blanks_around_and_line_endings():
    assert is_exact("  y = 1\r\nz", "y = 1  \nz\n")
    assert not is_exact("y = 1", "y = 1\nz")
    assert not is_exact("", "y")


def test_likeness_is_in_percent():
    assert edit_similarity("abc", "abc") == 100
    assert edit_similarity("", "abc") == 0
    assert identifier_f1("f(a, b)", "f(a, c)") == pytest.approx(200 * 2 / 6)
    assert identifier_f1("f(a)", "1 + 2") is None


def test_a_summary_counts_exact_shown_and_precise():
    holes = [hole(), hole("z = 2"), hole("w = 3")]
    engine = ScriptedEngine("y = 1\n", "\n", "nothing + like +\n")
    scores = list(evaluate(holes, Settings(), engine, seen_lines=frozenset({"y = 1"})))
    total = summarize(scores)
    assert total.holes == 3
    assert total.exact_match == pytest.approx(100 / 3)
    assert total.exact_match_unseen == 0
    assert total.shown == pytest.approx(200 / 3)
    assert total.precision == 50
    assert total.parse_rate == pytest.approx(200 / 3)
    assert total.pass_at_1 is None
    assert total.bits_per_byte is None
    assert list(by_group(scores)) == ["python, line"]


@pytest.mark.parametrize(("setting", "shown"), [(-1.0, 0), (0.0, 100), (0.5, 100), (0.65, 0)])
def test_who_says_nothing_is_shown_what_is_sure_enough_for_the_model(setting: float, shown: int):
    """The answer is sure by 0.61; what is not shown counts as exact all the same."""
    unsure = dataclasses.replace(DEEPSEEK_CODER_BASE, min_confidence=0.62)
    engine = ScriptedEngine("1\n", family=unsure)
    asked = hole("1", before="x = ")
    total = summarize(list(evaluate([asked], Settings(min_confidence=setting), engine)))
    assert (total.exact_match, total.shown) == (100, shown)
    assert total.precision == (100 if shown else None)


def test_what_post_processing_mends_and_harms_is_counted():
    holes = [
        hole("y = [1]"),  # the model forgets the bracket
        # The line above says it already: a suggestion that was right is lost.
        hole("total = 1", before="total = 1\n"),
        hole("y = 2"),
        hole("y = 3", before="total = 1\n"),
    ]
    engine = ScriptedEngine("y = [1\n", "total = 1\n", "y = 2\n", "total = 1\n")
    scores = list(evaluate(holes, Settings(), engine))
    after = postprocessing(scores, Settings())
    assert (after.exact_raw, after.exact_match) == (50, 50)
    assert (after.repaired, after.damaged, after.withheld) == (25, 25, 25)
    assert after.gold_damaged == 25
    assert after.steps == {"end": 4, "brackets": 1, "neighbouring lines": 2}


def test_programs_run_only_when_asked_for():
    right = Program("def f():\n", "\nassert f() == 3\n")
    holes = [hole("    return 3", before="def f():\n", program=right)]
    [not_run] = evaluate(holes, Settings(), ScriptedEngine("    return 3\n"))
    assert not_run.passes is None
    [run] = evaluate(holes, Settings(), ScriptedEngine("    return 3\n"), run_programs=True)
    assert run.passes is True
    [wrong] = evaluate(holes, Settings(), ScriptedEngine("    return 4\n"), run_programs=True)
    assert wrong.passes is False


@pytest.mark.parametrize(
    ("program", "result"),
    [
        ("assert 1 + 1 == 2", True),
        ("assert 1 + 1 == 3", False),
        ("def f(:", False),
        ("x = '\0'", False),
        # The tests that stand behind it have not run.
        ("import sys; sys.exit(0)", False),
        ("import os; os._exit(0)", False),
        ("raise SystemExit", False),
        ("x = bytearray(3 * 2**30)", False),
        ("open('big', 'wb').write(b'x' * 2**21)", False),
    ],
)
def test_a_program_passes_if_it_ends_well_within_its_limits(program: str, *, result: bool):
    assert passes(program) is result


def test_a_program_that_does_not_end_does_not_pass(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dsc_lsp.measure.sandbox._SECONDS", 0.5)
    assert passes("while True: pass") is False
    assert passes("import time; time.sleep(60)") is False


@pytest.mark.skipif(sys.platform == "win32", reason="there are no groups of processes")
def test_what_a_program_has_started_ends_with_it(tmp_path: Path):
    mark = tmp_path / "pid"
    child = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    program = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"while not os.path.exists({str(mark)!r}) or not open({str(mark)!r}).read():\n"
        "    time.sleep(0.01)\n"
    )
    assert passes(program)
    number = int(mark.read_text())
    try:
        assert psutil.Process(number).wait(5) is None
    except psutil.NoSuchProcess:
        return


def test_the_likelihood_of_gold_text_is_that_of_its_tokens_one_by_one(tmp_path: Path):
    engine = open_local(
        str(make_checkpoint(tmp_path / "tiny")),
        device="cpu",
        context_tokens=512,
        report=lambda _message, _percent: None,
    )
    [score] = evaluate([hole("y = 12")], Settings(), engine)
    assert score.bits is not None
    assert 0 < score.bits < 200
    assert score.gold_bytes == 6


def test_a_replay_accepts_what_is_right_and_counts_what_is_wrong():
    engine = ScriptedEngine("wrong\n", " = 10\n", "\n")
    assert replay([hole("y = 10")], Settings(), engine) == Replay(
        characters=6, keystrokes=2, accepted=1, wrong=1
    )
    assert Replay(10, 4, 1, 0).saved == 60
    assert Replay().saved == 0


def test_the_command_prints_a_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from dsc_lsp.cli import main

    model = str(make_checkpoint(tmp_path / "tiny"))
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("value = compute(1, 2)\n" * 40)
    arguments = ["eval", str(tmp_path / "code"), "--model", model, "--limit", "2"]
    assert main([*arguments, "--samples", "1"]) == 0
    printed = capsys.readouterr().out
    assert "exact %" in printed
    assert "a.py:" in printed
    assert main([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    keys = {"holes", "exact_match", "exact_match_unseen", "edit_similarity", "bits_per_byte"}
    assert keys | {"shown", "keystroke_ms"} <= answer.keys()
    assert answer["holes"] == 2
    assert main(["eval", "no_such_package"]) == 2
    assert "not a file, a folder or an installed package" in capsys.readouterr().err
