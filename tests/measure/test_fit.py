"""Fitting the lookup and the mixture: gradients that are right, and files that can be read."""

import json
from pathlib import Path

import numpy as np
import pytest

from dsc_lsp.engine.interpolation import FEATURES, Evidence
from dsc_lsp.lookup.scoring import OF_NONE, OF_OCCURRENCE
from dsc_lsp.measure import fit
from dsc_lsp.measure.fit import Gradient, Numbers, Step, ascend, attention_gradient, main


def assert_is_slope(gradient: Gradient, at: Numbers) -> None:
    """Compare a gradient with differences, direction by direction."""
    _, slope = gradient(at)
    for number in range(len(at)):
        step = np.zeros_like(at)
        step[number] = 1e-2
        difference = (gradient(at + step)[0] - gradient(at - step)[0]) / 2e-2
        assert slope[number] == pytest.approx(difference, abs=2e-3)


def steps_of(random: np.random.Generator) -> list[Step]:
    """Return steps with none, one and several occurrences, right ones among some of them."""
    found: list[Step] = []
    for size in (0, 1, 3, 5):
        rows = random.random((size, len(OF_OCCURRENCE))).astype(np.float32)
        none = random.random(len(OF_NONE)).astype(np.float32)
        found.append(Step(rows, none, random.random(size) < 0.5))
    last = found[-1]
    return [*found, Step(last.rows, last.none, np.zeros(5, np.bool_))]


def test_the_lookups_gradient_is_the_slope_of_its_likelihood():
    random = np.random.default_rng(3)
    size = len(OF_OCCURRENCE) + len(OF_NONE)
    assert_is_slope(attention_gradient(steps_of(random)), random.normal(size=size) / 4)


def test_the_mixtures_gradient_is_the_slope_of_its_likelihood():
    random = np.random.default_rng(5)
    seen = [
        Evidence(
            ids=tuple(range(size)),
            weights=random.random(size),
            model=random.random(size),
            features=random.normal(size=len(FEATURES)),
            gold=gold,
            model_of_gold=0.2,
        )
        for size, gold in ((1, 0), (3, 1), (2, 7), (4, 3))
    ]
    at = random.normal(size=len(FEATURES) + 1) / 4
    assert_is_slope(fit.mixture_gradient(seen), at)


def test_the_ascent_finds_the_top():
    top = np.array([1.0, -2.0, 0.5])
    found, likelihood = ascend(lambda at: (-((at - top) ** 2).sum(), 2 * (top - at)), 0 * top, 250)
    assert found == pytest.approx(top, abs=0.01)
    assert likelihood == pytest.approx(0, abs=0.01)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for the package, with a repository to fit on beside it."""
    code = tmp_path / "code"
    code.mkdir()
    for name in ("a", "b"):
        functions = (f"def {name}{n}(self):\n    return self.{name}_{n}\n\n" for n in range(12))
        (code / f"{name}.py").write_text("".join(functions))
    for folder in ("lookup", "engine"):
        (tmp_path / "dsc" / folder).mkdir(parents=True)
    (tmp_path / "dsc" / "engine" / "mixtures.json").write_text('{"another": 1}')
    monkeypatch.setattr(fit, "_HOME", tmp_path / "dsc")
    monkeypatch.setattr(fit, "PACKAGES", (str(code),))
    monkeypatch.setattr(fit, "UNSEEN_PACKAGES", (str(code),))
    monkeypatch.setattr(fit, "_HOLES_OF_MIXTURE", 2)
    monkeypatch.setattr(fit, "_ROUNDS", 20)
    return tmp_path / "dsc"


def test_the_lookups_weights_have_every_name_and_follow_from_the_seed(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["--lookup"]) == 0
    first = (home / "lookup" / "weights.json").read_text()
    weights = json.loads(first)
    assert tuple(weights["occurrence"]) == OF_OCCURRENCE
    assert tuple(weights["none"]) == OF_NONE
    assert "mean log likelihood -" in capsys.readouterr().out
    assert main(["--lookup"]) == 0
    assert (home / "lookup" / "weights.json").read_text() == first
    assert main(["--lookup", "--seed", "8"]) == 0
    assert (home / "lookup" / "weights.json").read_text() != first


def test_the_mixture_is_fitted_with_the_starter_and_leaves_other_families_alone(home: Path):
    assert main(["--mixture"]) == 0
    mixtures = json.loads((home / "engine" / "mixtures.json").read_text())
    assert mixtures["another"] == 1
    assert tuple(mixtures["dsc-starter"]["share"]) == FEATURES
    assert not (home / "lookup" / "weights.json").exists()


def test_a_package_that_is_not_there_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(fit, "PACKAGES", ("no_such_package",))
    assert main(["--lookup"]) == 1
    assert "no_such_package is not a file, a folder or an installed" in capsys.readouterr().err
    assert not list(home.rglob("weights.json"))
