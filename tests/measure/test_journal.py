"""An evaluation that was interrupted goes on where it was, and nothing is lost on the way."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsc_lsp.cli import evaluate as commands
from dsc_lsp.cli import main
from dsc_lsp.measure.evaluation import Score, evaluate, summarize
from dsc_lsp.measure.holes import Hole, hole_in
from dsc_lsp.measure.journal import Journal, JournalError
from dsc_lsp.settings import Settings
from tests.scripted import ScriptedEngine

MEASURED = {"datasets": ["one"], "seed": 0}
HOLES = [
    hole_in(name, "line", "x = 1\n", f"y = {name}", "\n", language="python", uri="file:///a.py")
    for name in ("1", "2", "3")
]


class Evaluation:
    """Completes with what is right for the first hole; may be interrupted before one."""

    def __init__(self, *, interrupted_at: str | None = None) -> None:
        self.asked: list[str] = []
        self._interrupted_at = interrupted_at

    def __call__(self, holes: Iterable[Hole]) -> Iterator[Score]:
        for hole in holes:
            if hole.name == self._interrupted_at:
                raise KeyboardInterrupt
            self.asked.append(hole.name)
            yield from evaluate([hole], Settings(), ScriptedEngine("y = 1\n"))


def scores(path: Path, evaluation: Evaluation) -> list[Score]:
    with Journal(path, MEASURED) as journal:
        return list(journal.scores("both", HOLES, evaluation))


def test_an_interrupted_run_goes_on_and_ends_as_one_in_a_single_go(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    first = Evaluation(interrupted_at="3")
    with pytest.raises(KeyboardInterrupt):
        scores(path, first)
    with path.open("a") as file:
        file.write('{"way": "both", "hole": "3", "exa')  # the machine went off here
    second = Evaluation()
    resumed = scores(path, second)
    assert (first.asked, second.asked) == (["1", "2"], ["3"])
    again = Evaluation()
    assert scores(path, again) == resumed
    assert not again.asked
    assert summarize(resumed).exact_match == pytest.approx(100 / 3)
    assert [score.hole for score in resumed] == HOLES


def test_results_of_something_else_are_neither_used_nor_written_over(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    scores(path, Evaluation())
    before = path.read_bytes()
    with pytest.raises(JournalError, match="holds results of something else"):
        Journal(path, {"datasets": ["two"], "seed": 0})
    path.write_text("my notes\n")
    with pytest.raises(JournalError, match="not a file of kept results"):
        Journal(path, MEASURED)
    assert path.read_text() == "my notes\n"
    path.write_bytes(before)
    scores(path, Evaluation())
    assert path.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said():
    with pytest.raises(JournalError, match=r"No space left on device.*goes on from there"):
        Journal(Path("/dev/full"), MEASURED)


def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "kept.jsonl"
    with Journal(path, MEASURED) as journal:

        class Full:
            """Has room for half a line."""

            def write(self, line: bytes) -> int:
                return file.write(line[:20])

            def close(self) -> None:
                file.close()

        first = Evaluation()
        given = journal.scores("both", HOLES, first)
        next(given)
        file = journal._file
        monkeypatch.setattr(journal, "_file", Full())
        with pytest.raises(JournalError, match="No space left on device"):
            next(given)
    second = Evaluation()
    assert len(scores(path, second)) == 3
    assert (first.asked, second.asked) == (["1", "2"], ["2", "3"])


def test_the_command_keeps_results_and_draws_how_far_confidence_can_be_trusted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "code").mkdir()
    functions = (f"def f{n}(self):\n    return self.value_{n}\n\n" for n in range(20))
    (tmp_path / "code" / "a.py").write_text("".join(functions))
    kept, picture = tmp_path / "kept.jsonl", tmp_path / "sure.png"
    arguments = ["eval", str(tmp_path / "code"), "--model", "lookup", "--limit", "3"]
    arguments += ["--keep", str(kept), "--calibration", str(picture)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "minConfidence" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(kept.read_text().splitlines()) == 1 + 3
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["calibration"]
    assert 1 <= found["suggestions"] <= 3
    assert len(kept.read_text().splitlines()) == 1 + 3
    assert main([*arguments, "--seed", "1"]) == 1
    assert "holds results of something else" in capsys.readouterr().err


def command(tmp_path: Path, *more: str) -> list[str]:
    functions = (f"def f{n}(self):\n    return self.value_{n}\n\n" for n in range(60))
    (tmp_path / "code.py").write_text("".join(functions))
    return ["eval", str(tmp_path), "--model", "lookup", *more]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("more", [["--json"], []])
def test_an_answer_that_finds_no_room_is_said_and_kept(tmp_path: Path, more: list[str]):
    kept = tmp_path / "kept.jsonl"
    evaluate = command(tmp_path, *more, "--keep", str(kept))
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "dsc_lsp", *evaluate],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == (
        "dsc-lsp: the answer cannot be written: No space left on device."
        f" What is done is kept in {kept}: the same command goes on from there.\n"
    )
    assert len(kept.read_text().splitlines()) > 3


def test_an_interruption_is_said_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    kept = tmp_path / "kept.jsonl"
    arguments = command(tmp_path, "--keep", str(kept), "--limit", "5")
    asked: list[Hole] = []
    evaluate = commands.evaluate

    def interrupted(holes: Iterable[Hole], **given: Any) -> Iterator[Score]:
        for hole in holes:
            asked.append(hole)
            if len(asked) == 3:
                raise KeyboardInterrupt
            yield from evaluate([hole], **given)

    monkeypatch.setattr(commands, "evaluate", interrupted)
    assert main(arguments) == 130
    assert f"interrupted. What is done is kept in {kept}" in capsys.readouterr().err
    assert main(arguments) == 0
    assert len(asked) == 3 + 3
    assert len(kept.read_text().splitlines()) == 1 + 5


def test_an_empty_repository_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", str(tmp_path), "--model", "lookup"]) == 2
    assert "holds no code in which a hole could be cut" in capsys.readouterr().err


def test_a_missing_field_is_said_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "set.jsonl"
    path.write_text(
        json.dumps({"prompt": "x = ", "suffix": "\n", "canonical_solution": "1\n"})
        + "\n"
        + json.dumps({"prompt": "y = ", "canonical_solution": "1\n"})
    )
    assert main(["eval", str(path), "--model", "lookup"]) == 2
    assert "set.jsonl:2 has no text in its field 'suffix'" in capsys.readouterr().err
