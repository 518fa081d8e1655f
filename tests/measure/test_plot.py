"""Pictures of latencies and of confidence."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dsc_lsp.cli import main
from dsc_lsp.measure.calibration import Bin, Calibration
from dsc_lsp.measure.plot import PlotError, draw_calibration, draw_latencies
from dsc_lsp.models import STARTER_CHECKPOINT

FAST = {"model asked": [20.0, 22.0, 65.0], "typed along": [0.03, 0.02]}
CALIBRATION = Calibration(4, 0.1, (Bin(2, 0.2, 0.5), Bin(2, 0.9, 1.0)), ())


def read(picture: Path) -> Any:
    from matplotlib.image import imread  # for the one process that runs this module

    return imread(picture)


def test_latencies_are_a_picture_of_the_values(tmp_path: Path):
    draw_latencies(FAST, "fast", tmp_path / "fast.png")
    draw_latencies({**FAST, "generate": [58.0, 202.0]}, "fast", tmp_path / "both.png")
    fast, both = read(tmp_path / "fast.png"), read(tmp_path / "both.png")
    assert fast.shape == both.shape == (540, 960, 4)
    assert (fast != both).any(), "another curve is seen"


def test_confidence_against_precision_is_a_square_picture(tmp_path: Path):
    draw_calibration({"starter": CALIBRATION}, "held-out code", tmp_path / "sure.png")
    assert read(tmp_path / "sure.png").shape == (720, 720, 4)


def test_the_picture_of_the_starter_is_that_of_its_results(tmp_path: Path, *, update: bool):
    shown = Path(__file__).parents[2] / "docs" / "pictures" / "calibration.png"
    results = json.loads((STARTER_CHECKPOINT / "results.json").read_text(encoding="utf-8"))
    found = {
        way: Calibration(
            measured["calibration"]["suggestions"],
            measured["calibration"]["expected_error"],
            tuple(Bin(**one) for one in measured["calibration"]["bins"]),
            (),
        )
        for way, measured in results["served"]["packages"]["ways"].items()
    }
    drawn = shown if update else tmp_path / "sure.png"
    draw_calibration(found, "How far confidence can be trusted", drawn)
    # Other versions of Matplotlib than that of constraints.txt may draw otherwise: --update.
    assert abs(read(drawn) - read(shown)).mean() < 1e-5


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(PlotError, match=r"nowhere/fast\.png cannot be written: No such file"):
        draw_latencies(FAST, "fast", tmp_path / "nowhere" / "fast.png")


def test_that_no_picture_can_be_drawn_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    (tmp_path / "a.py").write_text("value = compute(1, 2)\n" * 40)
    picture = str(tmp_path / "sure.png")
    assert main(["eval", str(tmp_path), "--model", "lookup", "--calibration", picture]) == 2
    said = capsys.readouterr()
    assert "--calibration needs matplotlib" in said.err
    assert not said.out


def test_without_matplotlib_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(PlotError, match=r"--plot needs matplotlib.*'dsc-lsp\[plot\]'"):
        draw_latencies(FAST, "fast", tmp_path / "fast.png")
