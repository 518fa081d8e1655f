"""A whole build in small: it leaves a checkpoint that loads, and resumes."""

import dataclasses
import importlib
import json
import re
import resource
import shutil
import sys
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from dsc_lsp import models
from dsc_lsp.starter import (
    build,
    card,
    compare,
    corpus,
    evaluation,
    examples,
    export,
    rows,
    steps,
    vocabulary,
)
from dsc_lsp.starter.files import read_json
from dsc_lsp.starter.presets import PRESETS, Preset
from tests.starter import forked
from tests.starter.smoke import CORPUS, arguments


def test_the_checkpoint_is_complete_and_loads(directory: Path):
    checkpoint = directory / "dsc-starter"
    names = {file.name for file in checkpoint.iterdir()}
    weights, results = "model.safetensors", "results.json"
    assert names == {"README.md", "config.json", weights, "tokenizer.json", results}
    assert models.family_of(str(checkpoint)) == models.STARTER
    model = LlamaForCausalLM.from_pretrained(checkpoint)
    assert model.dtype == torch.bfloat16
    tokenizer = vocabulary.load(checkpoint / "tokenizer.json")
    assert model.config.vocab_size == tokenizer.get_vocab_size()
    ids = tokenizer.encode("def f(x):\n", add_special_tokens=False).ids
    assert model(torch.tensor([ids])).logits.isfinite().all()


def test_the_exported_weights_are_the_trained_ones(directory: Path):
    state = torch.load(directory / "work" / "training.pt", weights_only=True)["model"]
    model = export.load(directory / "dsc-starter")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[name].to(torch.bfloat16).float()), name


def test_the_model_card_tells_what_was_measured(directory: Path):
    card = (directory / "dsc-starter" / "README.md").read_text(encoding="utf-8")
    assert "$" not in card.split("## Quality")[0]
    assert "| packaging " in card
    assert "cattrs" in card
    assert str(directory) not in card


def test_the_card_is_made_of_results_that_are_kept_beside_it(directory: Path, tmp_path: Path):
    """A card that was written anew had lost the table of what is served."""
    shutil.copytree(directory / "dsc-starter", tmp_path / "dsc-starter")
    written = (tmp_path / "dsc-starter" / "README.md").read_text(encoding="utf-8")
    for way in ("lookup alone", "this model alone", "left to right", "lookup and this model"):
        assert way in written
    assert "2 holes of held-out packages (cattrs;" in written
    (tmp_path / "dsc-starter" / "README.md").unlink()
    assert card.main([str(tmp_path / "dsc-starter")]) == 0
    assert (tmp_path / "dsc-starter" / "README.md").read_text(encoding="utf-8") == written


def test_the_card_that_ships_is_made_of_the_results_that_ship():
    shipped = models.STARTER_CHECKPOINT
    written = (shipped / "README.md").read_text(encoding="utf-8")
    assert card.model_card(read_json(shipped / card.RESULTS)) == written


def test_the_readme_tells_what_the_results_that_ship_tell():
    results = read_json(models.STARTER_CHECKPOINT / card.RESULTS)
    trained, served = results["training"], results["served"]
    alone, both = (served["packages"]["ways"][way] for way in ("model alone", "lookup and model"))
    lone = served["human_eval"]["ways"]["lookup and model"]["exact_match"]
    of_alone, of_both = (way["groups"]["python, rest of line"] for way in (alone, both))
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for said in (
        f"{trained['parameters'] / 1e6:.1f} million parameters",
        f"trained for {trained['seconds'] / 60:.0f} minutes",
        f"it completes {of_alone['exact_match']:.0f} % of held-out rests of lines exactly",
        f"the package around them {of_both['exact_match']:.0f} %",
        f"({of_both['exact_match_unseen']:.0f} % of lines it has never seen)",
        f"right in {lone:.0f} % of HumanEval's lines",
    ):
        assert said in readme


def test_somewhat_more_than_half_of_the_tokens_are_fill_in_the_middle(directory: Path):
    """As the card says; it had said two thirds, which is how often it is tried."""
    assert "Somewhat more than half of the tokens are in examples of fill-in" in card.model_card(
        read_json(models.STARTER_CHECKPOINT / card.RESULTS)
    )
    encoder = vocabulary.Encoder(vocabulary.load(directory / "work" / "tokenizer.json"))
    files = corpus.read_files(directory / "work" / "training.jsonl.xz")
    texts = steps.encode(files, encoder, lambda _: None)
    collection = rows.collection(texts, [()] * len(texts))
    sizes = {True: 0, False: 0}
    for seed in range(100):
        tokens, _ = rows.random_row(collection, encoder, 513, examples.seeded(seed))
        for example in np.split(tokens, np.flatnonzero(tokens == encoder.begin_of_text)):
            sizes[encoder.fim_end in example] += len(example)
    assert 0.5 < sizes[True] / (sizes[True] + sizes[False]) < 0.65


def test_bits_in_the_results_that_ship_are_the_models_alone():
    """With the lookup they had been 0.77 beside 1.13: of the same model and the same prompts."""
    for measured in read_json(models.STARTER_CHECKPOINT / card.RESULTS)["served"].values():
        alone, both = (measured["ways"][way] for way in ("model alone", "lookup and model"))
        pairs = [
            (alone, both),
            *((alone["groups"][name], both["groups"][name]) for name in both["groups"]),
        ]
        for one, other in pairs:
            assert one["bits_per_byte"] == pytest.approx(other["bits_per_byte"], rel=1e-4)


def test_the_card_names_the_version_that_each_of_its_columns_was_measured_at():
    results = read_json(models.STARTER_CHECKPOINT / card.RESULTS)
    results["served"]["packages"]["revision"] = "commit one"
    results["served"]["human_eval"]["revision"] = "commit two"
    assert "single lines (commit two), each a lone file" in card.model_card(results)
    results["served"]["human_eval"]["revision"] = "commit one"
    assert "single lines, each a lone file" in card.model_card(results)


def test_a_card_without_results_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        card.main([str(tmp_path)])
    assert stopped.value.code == 1
    assert "results.json" in capsys.readouterr().err


def test_what_was_measured_of_a_model_goes_when_another_is_trained(
    directory: Path, tmp_path: Path
):
    shutil.copytree(directory / "work", tmp_path / "work")
    (tmp_path / "work" / "training.json").unlink()
    assert build.main(arguments(tmp_path, "--until", "training")) == 0
    left = {file.name for file in (tmp_path / "work").iterdir()}
    assert not left & {"evaluation.json", "packages.json", "packages.jsonl"}


def test_a_finished_build_only_exports_again(directory: Path, capsys: pytest.CaptureFixture[str]):
    assert build.main(arguments(directory)) == 0
    output = capsys.readouterr().out
    assert "exported" in output
    assert "step" not in output
    assert "corpus" not in output


def test_another_seed_needs_another_work_directory(
    directory: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as stopped:
        build.main(arguments(directory, "--seed", "7"))
    assert stopped.value.code == 1
    assert "another --work" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--seconds", "-1"], "--seconds: must be positive"),
        (["--rows", "0"], "--rows: must be 1 or more"),
        (["--steps", "0"], "--steps: must be 1 or more"),
        (["--threads", "some"], "--threads: must be 1 or more"),
        (["--seconds", "long"], "--seconds: must be positive"),
        (["--human-eval", "no/such/file"], "--human-eval: no/such/file is no file"),
        (["--output", "model"], "--output: call it dsc-starter, or dsc-starter and more"),
    ],
)
def test_bad_arguments_are_refused(
    capsys: pytest.CaptureFixture[str], given: list[str], reason: str
):
    with pytest.raises(SystemExit) as stopped:
        build.main(["--preset", "smoke", *given])
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err


def test_what_ships_is_replaced_on_request_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``--preset smoke`` by itself left a model of 20 steps in the place of the one that ships."""
    runs: list[steps.Run] = []
    monkeypatch.setattr(build, "build", runs.append)
    shipped = str(models.STARTER_CHECKPOINT)
    work = ["--preset", "smoke", "--work", str(tmp_path)]
    assert build.main(work) == build.main([*work, "--output", shipped]) == 0
    assert [run.output for run in runs] == [tmp_path / "dsc-starter", models.STARTER_CHECKPOINT]


def chosen(monkeypatch: pytest.MonkeyPatch, *given: str) -> Preset:
    """Return the preset that a command line asks for."""
    runs: list[steps.Run] = []
    monkeypatch.setattr(build, "build", runs.append)
    assert build.main(given) == 0
    return runs[0].preset


def test_steps_and_threads_are_those_of_the_preset_or_given(monkeypatch: pytest.MonkeyPatch):
    preset = PRESETS["cpu"]
    assert chosen(monkeypatch, "--preset", "cpu") == preset
    given = chosen(monkeypatch, "--preset", "cpu", "--steps", "4400", "--threads", "2")
    assert given == dataclasses.replace(preset, steps=4400, threads=2)
    fixed = chosen(monkeypatch, "--preset", "gpu", "--steps", "900")
    assert fixed.steps == 900


def test_other_steps_are_another_recipe(directory: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        build.main(arguments(directory, "--steps", "21", "--until", "corpus"))
    assert stopped.value.code == 1
    assert (
        "another recipe, which differs in steps: choose another --work" in capsys.readouterr().err
    )
    assert build.main(arguments(directory, "--steps", "20", "--until", "corpus")) == 0


def test_threads_and_time_are_no_part_of_a_recipe(tmp_path: Path):
    """A build that was begun on one thread goes on with two, and so does one whose recipe said."""
    (tmp_path / "corpus.json").write_text("{}")  # nothing is gathered
    marker = tmp_path / "recipe.json"

    def begin(preset: Preset) -> None:
        output, silent = tmp_path / "dsc-starter", lambda _: None
        steps.build(steps.Run(preset, corpus.Places(), output, tmp_path, 0, silent, "corpus"))

    preset = dataclasses.replace(PRESETS["cpu"], steps=4400)
    begin(preset)
    recipe = read_json(marker)
    assert not {"threads", "seconds"} & recipe.keys()
    marker.write_text(json.dumps({**recipe, "threads": 2}))  # as versions before wrote it
    begin(dataclasses.replace(preset, threads=3, seconds=200_000.0))
    assert read_json(marker) == recipe
    with pytest.raises(steps.BuildError, match="another recipe"):
        begin(PRESETS["cpu"])


def test_the_threads_that_are_asked_for_compute_and_are_told(directory: Path, tmp_path: Path):
    work = tmp_path / "work"
    work.mkdir()
    for name in ("recipe.json", *CORPUS):
        shutil.copy(directory / "work" / name, work)
    before = torch.get_num_threads()
    try:
        assert build.main(arguments(tmp_path, "--threads", "2", "--until", "training")) == 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert read_json(work / "training.json")["machine"].endswith("CPU, 2 threads")
    assert read_json(directory / "work" / "training.json")["machine"].endswith("CPU, 1 thread")


def test_recipes_are_written_as_plain_values(directory: Path):
    recipe = json.loads((directory / "work" / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["selection"]["packages"] == sorted(recipe["selection"]["packages"])


@pytest.mark.parametrize("step", ["corpus", "tokenizer", "training"])
def test_a_build_stopped_after_a_step_goes_on(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], step: str
):
    """What an interruption leaves: the results of the steps before, and pieces of the next."""
    results = {
        "corpus": ("corpus.json", "training.jsonl.xz", "held_out.jsonl.xz"),
        "tokenizer": ("tokenizer.json",),
        "training": ("training.json", "training.pt"),
    }
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(directory / "work" / "recipe.json", work)
    for done, names in results.items():
        if done == step:
            break
        for name in names:
            shutil.copy(directory / "work" / name, work)
    (work / results[step][0]).with_name(results[step][-1] + ".new").write_bytes(b"half a fi")
    assert build.main(arguments(tmp_path, "--until", step)) == 0
    assert all((work / name).exists() for name in results[step])
    if step != "training":
        for name in results[step]:
            assert (work / name).read_bytes() == (directory / "work" / name).read_bytes(), name
    output = capsys.readouterr().out
    assert ("corpus:" in output) == (step == "corpus")


def test_training_elsewhere_comes_home(directory: Path, tmp_path: Path):
    """The way of the GPU preset: corpus and tokenizer go there, checkpoint and figures back."""
    timed = dataclasses.replace(
        PRESETS["smoke"],
        steps=None,
        seconds=0.5,
        rows=2,
        micro_rows=1,
        row_tokens=128,
        long_row_tokens=256,
        test_holes=2,
        windows=1,
        storage="int8",
    )
    here, there = tmp_path / "here", tmp_path / "there"

    def run(place: Path, until: str) -> None:
        output, messages = place / "dsc-starter", lambda _: None
        steps.build(steps.Run(timed, corpus.Places(), output, place, 0, messages, until))

    here.mkdir()
    for name in CORPUS:
        shutil.copy(directory / "work" / name, here)
    run(here, "tokenizer")
    carried = [file for file in here.iterdir() if file.is_file()]
    there.mkdir()
    for file in carried:
        shutil.copy(file, there)
    run(there, "training")
    fixed = json.loads((there / "steps.json").read_text())
    trained = json.loads((there / "training.json").read_text())
    assert 0 < trained["step"] <= fixed
    shutil.copy(there / "training.json", here)
    with pytest.raises(steps.BuildError, match="put it there"):
        run(here, "card")
    shutil.copytree(there / "dsc-starter", here / "dsc-starter")
    shutil.copy(directory / "work" / "packages.json", here)  # how it is served: seconds
    run(here, "card")
    assert not (here / "training.pt").exists()
    assert "stored as int8" in (here / "dsc-starter" / "README.md").read_text(encoding="utf-8")


def test_training_needs_no_more_than_pytorch_and_transformers_bring():
    """The GPU's machine has those two and no network; the recipe did not even start there."""
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    own = {re.split(r"[<>=]", line)[0] for line in declared["project"]["dependencies"]}
    there = {"torch", "transformers", "tokenizers", "safetensors", "numpy", "huggingface-hub"}
    brought = {"httpx2", "filelock", "tqdm", "psutil"}  # by these two
    missing = {name.replace("-", "_") for name in own - there - brought}
    assert {"pygls", "platformdirs"} < missing
    ended = forked.run(import_recipe_without, missing)
    assert ended.returncode == 0, ended.stderr


def import_recipe_without(missing: Iterable[str]) -> None:
    """Import what trains and exports where importing these fails."""
    sys.modules.update(dict.fromkeys(missing))
    for name in [name for name in sys.modules if name.partition(".")[0] == "dsc_lsp"]:
        del sys.modules[name]
    for name in ("build", "evaluation", "export", "rows", "training", "vocabulary"):
        importlib.import_module(f"dsc_lsp.starter.{name}")


def test_a_device_that_is_not_there_is_named(tmp_path: Path):
    preset = dataclasses.replace(PRESETS["smoke"], device="cuda")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    run = steps.Run(
        preset, corpus.Places(), tmp_path / "out", tmp_path / "work", 0, lambda _: None
    )
    with pytest.raises(steps.BuildError, match="no cuda device"):
        steps.build(run)


def test_a_directory_without_packages_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        build.main(arguments(tmp_path, "--site-packages", str(tmp_path / "nowhere")))
    assert "nowhere is no directory" in capsys.readouterr().err


def test_a_place_where_no_work_directory_can_be_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").write_text("no directory")
    for work in (tmp_path / "file", tmp_path / "file" / "work"):
        with pytest.raises(SystemExit) as stopped:
            build.main(["--preset", "smoke", "--work", str(work)])
        assert stopped.value.code == 1
        message = capsys.readouterr().err
        assert f"--work: {work} cannot be made" in message
        assert "kept" not in message


def test_a_full_disk_is_told_and_loses_nothing(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(directory / "work", tmp_path / "work")
    (tmp_path / "work" / "training.json").unlink()
    train = arguments(tmp_path, "--until", "training")
    before = (tmp_path / "work" / "training.pt").read_bytes()
    with files_of_at_most(10_000), pytest.raises(SystemExit) as stopped:
        build.main(train)
    assert stopped.value.code == 1
    assert "make room and repeat the same command" in capsys.readouterr().err
    assert (tmp_path / "work" / "training.pt").read_bytes() == before
    assert build.main(train) == 0


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let writes beyond a size fail, as they do on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_run_that_hardly_reads_its_prompt_is_hopeless(directory: Path):
    measured = json.loads((directory / "work" / "evaluation.json").read_text())["quality"]
    quality = evaluation.Quality(**measured | {"loss": 5.0, "loss_wrong": 5.2})
    assert "0.20 nats" in (steps.hopeless(quality, 0.5) or "")
    assert steps.hopeless(quality, 0.1) is None


def test_checkpoints_are_compared_on_the_same_holes(
    directory: Path, capsys: pytest.CaptureFixture[str]
):
    checkpoint = str(directory / "dsc-starter")
    work = ["--work", str(directory / "work"), "--holes", "3", "--windows", "1"]
    assert compare.main([checkpoint, checkpoint, *work]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 2
    assert rows[0] == rows[1]
    assert "| 3 |" in rows[0]
