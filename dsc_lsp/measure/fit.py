"""Fit the lookup and its mixture with a small model: ``python -m dsc_lsp.measure.fit``.

Two fits by maximum likelihood, on holes of packages that are neither tested on nor, for the
mixture, trained on. The lookup's weights come first and stand in ``lookup/weights.json``; what
the mixture needs is gathered with the model and stands in ``engine/mixtures.json``. After new
weights of the starter only the mixture must be fitted: ``--mixture``.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

import dsc_lsp
from dsc_lsp.completion import prompt_at
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import EngineError, GenerationRequest
from dsc_lsp.engine.interpolation import FEATURES, LEAST, Evidence
from dsc_lsp.engine.local import LocalEngine
from dsc_lsp.lookup import Asked
from dsc_lsp.lookup.lexemes import lexeme_at
from dsc_lsp.lookup.prediction import Prediction
from dsc_lsp.lookup.scoring import OF_NONE, OF_OCCURRENCE
from dsc_lsp.measure.holes import DatasetError, Hole, read_holes, read_repository
from dsc_lsp.settings import Settings

PACKAGES = ("typer", "rich", "anyio", "networkx", "hypothesis", "fsspec", "markdown_it", "httpx2")
"""What the lookup is fitted on; all of them come with ``.[dev]`` and what it pulls in."""
UNSEEN_PACKAGES = ("httpx2", "httpcore2")
"""What the mixture is fitted on: code that the starter has not been trained on."""

_HOLES = 100
_HOLES_OF_MIXTURE = 150
_LONGEST_GOLD = 100
_ROUNDS = 250
_RATE = 0.08
_DECAY = 1e-4
_HOME = Path(dsc_lsp.__file__).parent

Numbers = npt.NDArray[np.float64]
Gradient = Callable[[Numbers], tuple[float, Numbers]]
"""From parameters to the mean log likelihood and its gradient."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and write the parameters; 1 if a package or the model is missing."""
    parser = argparse.ArgumentParser(prog="python -m dsc_lsp.measure.fit")
    parser.add_argument("--lookup", action="store_true", help="fit only the lookup's weights")
    parser.add_argument("--mixture", action="store_true", help="fit only the starter's mixture")
    parser.add_argument("--seed", type=int, default=7, help="cuts the holes")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.lookup or not chosen.mixture:
            _fit_lookup(chosen.seed)
        if chosen.mixture or not chosen.lookup:
            _fit_mixture(chosen.seed)
    except (DatasetError, EngineError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class Step:
    """What the lookup saw before one lexeme: features, and which occurrences were right.

    ``none`` are the features of all occurrences together.
    """

    rows: npt.NDArray[np.float32]
    none: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]


def attention_gradient(steps: Sequence[Step]) -> Gradient:
    """Return the likelihood of steps, by the weights of an occurrence and then those of none."""
    rows = np.concatenate([step.rows for step in steps])
    right = np.concatenate([step.right for step in steps])
    everything = np.stack([step.none for step in steps])
    sizes = [len(step.rows) for step in steps]
    of_step = np.repeat(np.arange(len(steps)), sizes)
    known = np.bincount(of_step, right, len(steps)) > 0

    def gradient(parameters: Numbers) -> tuple[float, Numbers]:
        weights = parameters[: len(OF_OCCURRENCE)].astype(np.float32)
        of_none = parameters[len(OF_OCCURRENCE) :].astype(np.float32)
        scores, none = np.exp(rows @ weights), np.exp(everything @ of_none)
        total = np.bincount(of_step, scores, len(steps)) + none
        mass = np.bincount(of_step, scores * right, len(steps))
        target = np.where(known, mass, none)
        pull = scores * (right / np.where(known, mass, np.inf)[of_step] - 1 / total[of_step])
        slope = (rows.T @ pull, everything.T @ (~known - none / total))
        return float(np.log(target / total).mean()), np.concatenate(slope) / len(steps)

    return gradient


def mixture_gradient(seen: Sequence[Evidence]) -> Gradient:
    """Return the likelihood of the tokens seen, by the share's parameters and the opinion."""
    features = np.stack([one.features for one in seen])
    model_of_gold = np.array([one.model_of_gold for one in seen])
    weights = np.concatenate([one.weights for one in seen])
    opinions = np.log(np.concatenate([one.model for one in seen]) + LEAST)
    right = np.concatenate([[token == one.gold for token in one.ids] for one in seen])
    of_token = np.repeat(np.arange(len(seen)), [len(one.ids) for one in seen])

    def gradient(parameters: Numbers) -> tuple[float, Numbers]:
        share = 1 / (1 + np.exp(-np.clip(features @ parameters[:-1], -30, 30)))
        counted = weights * np.exp(parameters[-1] * opinions)
        total = np.bincount(of_token, counted, len(seen))
        said = np.bincount(of_token, counted * right, len(seen)) / total
        likelihood = share * said + (1 - share) * model_of_gold
        pull = (said - model_of_gold) / likelihood * share * (1 - share)
        excess = (
            opinions - (np.bincount(of_token, counted * opinions, len(seen)) / total)[of_token]
        )
        of_right = np.bincount(of_token, excess * right, len(seen))
        opinion = float((share * said / likelihood * of_right).mean())
        slope = np.append(features.T @ pull / len(seen), opinion)
        return float(np.log(likelihood).mean()), slope

    return gradient


def ascend(gradient: Gradient, start: Numbers, rounds: int) -> tuple[Numbers, float]:
    """Return the parameters of greatest likelihood, by Adam with a slight pull to zero."""
    parameters, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    likelihood = 0.0
    for number in range(1, rounds + 1):
        likelihood, slope = gradient(parameters)
        slope = slope - _DECAY * parameters
        first = 0.9 * first + 0.1 * slope
        second = 0.99 * second + 0.01 * slope**2
        step = first / (1 - 0.9**number) / (np.sqrt(second / (1 - 0.99**number)) + 1e-8)
        parameters = parameters + _RATE * min(1.0, 3 * (1 - number / rounds)) * step
    return parameters, likelihood


def _fit_lookup(seed: int) -> None:
    steps = [step for package in PACKAGES for step in _lookup_steps(package, seed)]
    start = np.zeros(len(OF_OCCURRENCE) + len(OF_NONE))
    found, likelihood = ascend(attention_gradient(steps), start, _ROUNDS)
    known = np.mean([step.right.any() for step in steps])
    print(
        f"lookup: {len(steps)} lexemes, {known:.1%} of them found,"
        f" mean log likelihood {likelihood:.4f}"
    )
    occurrence, none = found[: len(OF_OCCURRENCE)], found[len(OF_OCCURRENCE) :]
    _write(
        _HOME / "lookup" / "weights.json",
        {
            "occurrence": _named(OF_OCCURRENCE, occurrence),
            "none": _named(OF_NONE, none),
        },
    )


def _lookup_steps(package: str, seed: int) -> Iterator[Step]:
    repository = read_repository(package)
    for hole in tqdm(read_holes(package, seed=seed, limit=_HOLES), package, disable=None):
        asked = repository.continuations(hole.cursor)
        prediction = asked.look() if isinstance(asked, Asked) else asked
        assert isinstance(prediction, Prediction), "the repository is searched in this process"
        gold, at = _gold(hole).encode(), 0
        while at < len(gold):
            seen = prediction.evidence(gold[:at].decode())
            lexeme = lexeme_at(gold, at)
            right = [one == lexeme or one == lexeme[:1] == b"\n" for one in seen.lexemes]
            rows = np.array(seen.scores, np.float32).reshape(-1, len(OF_OCCURRENCE))
            is_right = np.array([right[number] for number in seen.of_text], np.bool_)
            yield Step(rows, seen.none.astype(np.float32), is_right)
            at += len(lexeme)


def _fit_mixture(seed: int) -> None:
    settings = Settings(model="starter", device="cpu")
    engine = open_engine(settings, lambda _message, _percent: None)
    assert isinstance(engine, LocalEngine), "the starter runs in this process"
    seen = [one for package in UNSEEN_PACKAGES for one in _seen(package, seed, settings, engine)]
    start = np.array([0, 1, *[0] * (len(FEATURES) - 2), 0.3], np.float64)
    found, likelihood = ascend(mixture_gradient(seen), start, _ROUNDS)
    alone = np.mean([np.log(one.model_of_gold) for one in seen])
    print(
        f"mixture: {len(seen)} tokens, mean log likelihood {likelihood:.4f},"
        f" of the model alone {alone:.4f}"
    )
    path = _HOME / "engine" / "mixtures.json"
    mixtures = json.loads(path.read_text("utf-8"))
    mixtures[engine.family.name] = {
        "share": _named(FEATURES, found[:-1]),
        "opinion": round(float(found[-1]), 4),
    }
    _write(path, mixtures)


def _seen(package: str, seed: int, settings: Settings, engine: LocalEngine) -> Iterator[Evidence]:
    repository = read_repository(package)
    holes = read_holes(package, seed=seed, limit=_HOLES_OF_MIXTURE)
    for hole in tqdm(holes, package, disable=None):
        request = GenerationRequest(
            prompt_at(hole.cursor, settings, engine),
            max_new_tokens=0,
            continuations=repository.continuations(hole.cursor),
        )
        answer = engine.tokenizer.encode(_gold(hole))
        yield from (one for one in engine.observe(request, answer) if one is not None)


def _gold(hole: Hole) -> str:
    return hole.gold.replace("\r\n", "\n")[:_LONGEST_GOLD] + "\n"


def _named(names: Sequence[str], values: Numbers) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(names, values, strict=True)}


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"written: {path}")


if __name__ == "__main__":
    sys.exit(main())
