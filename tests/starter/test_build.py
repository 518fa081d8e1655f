"""A whole build in small: it leaves a checkpoint that loads, and resumes."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from dsc_lsp import models
from dsc_lsp.starter import build, evaluation, rows, training, vocabulary


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that holds the work and the output of a smoke build."""
    path = tmp_path_factory.mktemp("starter")
    assert build.main(arguments(path)) == 0
    return path


def arguments(path: Path, *more: str) -> list[str]:
    places = ["--output", str(path / "dsc-starter"), "--work", str(path / "work")]
    return ["--preset", "smoke", *places, *more]


def test_the_checkpoint_is_complete_and_loads(directory: Path):
    checkpoint = directory / "dsc-starter"
    names = {file.name for file in checkpoint.iterdir()}
    assert names == {"README.md", "config.json", "model.safetensors", "tokenizer.json"}
    assert models.family_of(str(checkpoint)) == models.STARTER
    model = LlamaForCausalLM.from_pretrained(checkpoint)
    assert model.dtype == torch.bfloat16
    tokenizer = vocabulary.load(checkpoint / "tokenizer.json")
    assert model.config.vocab_size == tokenizer.get_vocab_size()
    ids = tokenizer.encode("def f(x):\n", add_special_tokens=False).ids
    assert model(torch.tensor([ids])).logits.isfinite().all()


def test_the_exported_weights_are_the_trained_ones(directory: Path):
    state = torch.load(directory / "work" / "training.pt", weights_only=True)["model"]
    model = evaluation.load_model(directory / "dsc-starter")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[name].to(torch.bfloat16).float()), name


def test_the_model_card_tells_what_was_measured(directory: Path):
    card = (directory / "dsc-starter" / "README.md").read_text(encoding="utf-8")
    assert "$" not in card.split("## Quality")[0]
    assert "| packaging " in card
    assert "cattrs" in card
    assert str(directory) not in card


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


def test_bad_arguments_are_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        build.main(["--preset", "smoke", "--seconds", "-1"])
    assert stopped.value.code == 2
    assert "--seconds must be positive" in capsys.readouterr().err


def test_training_goes_on_where_it_was_interrupted(directory: Path, tmp_path: Path):
    encoder = vocabulary.Encoder(vocabulary.load(directory / "work" / "tokenizer.json"))
    texts = build.read_texts(directory / "work" / "training.jsonl", encoder)
    files = rows.collection(texts, [()] * len(texts))
    shape = training.ModelShape(hidden=32, layers=1, heads=1, intermediate=32)
    budget = training.Budget(
        steps=6,
        seconds=1e9,
        rows=2,
        row_tokens=64,
        long_row_tokens=64,
        threads=1,
        matrix_rate=0.02,
        other_rate=4e-3,
    )

    def run(name: str, *, interrupt_at: int | None) -> LlamaForCausalLM:
        model = training.create_model(shape, encoder, seed=0)

        def on_probe(progress: training.Progress) -> None:
            if progress.step == interrupt_at:
                raise KeyboardInterrupt

        training.train(
            model,
            files,
            encoder,
            dataclasses.replace(budget, save_seconds=-1.0, probe_seconds=-1.0),
            0,
            checkpoint=tmp_path / name,
            report=lambda _: None,
            on_probe=on_probe,
        )
        return model

    with pytest.raises(KeyboardInterrupt):
        run("interrupted.pt", interrupt_at=3)
    resumed = run("interrupted.pt", interrupt_at=None)
    straight = run("straight.pt", interrupt_at=None)
    for name, tensor in straight.state_dict().items():
        torch.testing.assert_close(tensor, resumed.state_dict()[name], msg=name)


def test_the_schedule_follows_whichever_of_steps_and_seconds_is_further():
    budget = training.Budget(
        steps=1000,
        seconds=100.0,
        rows=1,
        row_tokens=8,
        long_row_tokens=8,
        threads=1,
        matrix_rate=0.01,
        other_rate=0.01,
        warm_up_share=0.01,
    )
    assert training.learning_rate(budget, training.Progress(step=0)) == pytest.approx(0.1)
    assert training.learning_rate(budget, training.Progress(step=5)) == pytest.approx(0.4975)
    assert training.learning_rate(budget, training.Progress(step=500)) == 0.5
    assert training.learning_rate(budget, training.Progress(step=500, seconds=80.0)) < 0.21
    assert training.learning_rate(budget, training.Progress(step=999)) < 0.02


def test_muon_makes_matrices_nearly_orthogonal():
    torch.manual_seed(0)
    matrices = torch.randn(3, 24, 48)
    values = torch.linalg.svdvals(training.orthogonal(matrices))
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_recipes_are_written_as_plain_values(directory: Path):
    recipe = json.loads((directory / "work" / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["selection"]["packages"] == sorted(recipe["selection"]["packages"])
