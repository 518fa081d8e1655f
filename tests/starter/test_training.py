"""Training: it can be interrupted, follows its schedule, and stores weights in half the space."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from dsc_lsp.engine.config import read_config
from dsc_lsp.engine.weights import load_weights
from dsc_lsp.starter import examples, export, muon, rows, training, vocabulary
from dsc_lsp.starter.presets import PRESETS

CODE = "".join(f"def f{number}(x):\n    return x + {number}\n" for number in range(100))
SHAPE = training.ModelShape(hidden=32, layers=1, heads=1, intermediate=32)
BUDGET = training.Budget(
    steps=6,
    seconds=1e9,
    rows=2,
    micro_rows=2,
    row_tokens=64,
    long_row_tokens=64,
    matrix_rate=0.02,
    other_rate=4e-3,
)


@pytest.fixture(scope="module")
def encoder() -> vocabulary.Encoder:
    return vocabulary.Encoder(vocabulary.train([CODE] * 3, 300))


@pytest.fixture(scope="module")
def files(encoder: vocabulary.Encoder) -> rows.Collection:
    return rows.collection([examples.source_text("p/a.py", CODE, encoder)], [()])


def trained(
    files: rows.Collection,
    encoder: vocabulary.Encoder,
    checkpoint: Path,
    budget: training.Budget = BUDGET,
    *,
    interrupt_at: int | None = None,
    told: list[str] | None = None,
) -> LlamaForCausalLM:
    model = training.create_model(SHAPE, encoder, seed=0)

    def on_probe(progress: training.Progress) -> None:
        if progress.step == interrupt_at:
            raise KeyboardInterrupt

    training.train(
        model,
        files,
        encoder,
        dataclasses.replace(budget, save_seconds=-1.0, probe_seconds=-1.0),
        0,
        checkpoint=checkpoint,
        report=[].append if told is None else told.append,
        on_probe=on_probe,
    )
    return model


def test_training_goes_on_where_it_was_interrupted(
    files: rows.Collection, encoder: vocabulary.Encoder, tmp_path: Path
):
    with pytest.raises(KeyboardInterrupt):
        trained(files, encoder, tmp_path / "interrupted.pt", interrupt_at=3)
    resumed = trained(files, encoder, tmp_path / "interrupted.pt")
    straight = trained(files, encoder, tmp_path / "straight.pt")
    for name, tensor in straight.state_dict().items():
        torch.testing.assert_close(tensor, resumed.state_dict()[name], msg=name)


def test_how_long_it_still_takes_is_told_by_time(
    files: rows.Collection, encoder: vocabulary.Encoder, tmp_path: Path
):
    often = dataclasses.replace(BUDGET, report_seconds=-1.0)
    told: list[str] = []
    trained(files, encoder, tmp_path / "often.pt", often, told=told)
    assert [line.split()[1] for line in told] == ["1", "2", "3", "4", "5", "6", "6"]
    assert all(line.endswith(" left") for line in told)
    assert told[-1].endswith("100.0% done, 00:00 left")
    told.clear()
    trained(files, encoder, tmp_path / "seldom.pt", told=told)
    assert len(told) == 1


def test_parts_of_a_batch_add_up_to_the_whole(
    files: rows.Collection, encoder: vocabulary.Encoder, tmp_path: Path
):
    whole = trained(files, encoder, tmp_path / "whole.pt")
    parts = dataclasses.replace(BUDGET, micro_rows=1)
    for name, tensor in trained(files, encoder, tmp_path / "parts.pt", parts).state_dict().items():
        torch.testing.assert_close(tensor, whole.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_the_schedule_follows_whichever_of_steps_and_seconds_is_further():
    budget = dataclasses.replace(BUDGET, steps=1000, seconds=100.0)
    assert training.learning_rate(budget, training.Progress(step=0)) == pytest.approx(0.1)
    assert training.learning_rate(budget, training.Progress(step=5)) == pytest.approx(0.4975)
    assert training.learning_rate(budget, training.Progress(step=500)) == 0.5
    assert training.learning_rate(budget, training.Progress(step=500, seconds=80.0)) < 0.21
    assert training.learning_rate(budget, training.Progress(step=999)) < 0.02


def test_timing_leaves_the_model_alone_and_fits_the_time(
    files: rows.Collection, encoder: vocabulary.Encoder
):
    model = training.create_model(SHAPE, encoder, seed=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    counts = [
        training.affordable_steps(
            model,
            files,
            encoder,
            dataclasses.replace(BUDGET, seconds=seconds),
            report=lambda _: None,
            timed=3,
        )
        for seconds in (1.0, 1000.0)
    ]
    assert 1 <= counts[0] < counts[1]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_processor_without_bfloat16_is_not_asked_for_it(monkeypatch: pytest.MonkeyPatch):
    """Pretending to have it took thirteen times as long as float32."""
    supported = [False, True]
    library = SimpleNamespace(_is_mkldnn_bf16_supported=supported.pop)
    monkeypatch.setattr(torch.ops, "mkldnn", library)
    assert training.has_bfloat16("cuda")
    assert training.has_bfloat16("cpu")
    assert not training.has_bfloat16("cpu")


def test_muon_makes_matrices_nearly_orthogonal():
    torch.manual_seed(0)
    matrices = torch.randn(3, 24, 48)
    values = torch.linalg.svdvals(muon.orthogonal(matrices))
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_int8_storage_is_half_as_large_and_nearly_the_same(
    encoder: vocabulary.Encoder, tmp_path: Path
):
    model = training.create_model(SHAPE, encoder, seed=0).eval()
    for storage in ("bfloat16", "int8"):
        export.export(model, b"{}", tmp_path / storage, storage)
    sizes = {
        path.name: sum(file.stat().st_size for file in path.glob("*.safetensors"))
        for path in tmp_path.iterdir()
    }
    assert sizes["int8"] < 0.65 * sizes["bfloat16"]
    tokens = torch.arange(20)[None]
    logits = {path.name: export.load(path)(tokens).logits for path in tmp_path.iterdir()}
    difference = (logits["int8"] - logits["bfloat16"]).abs().mean()
    assert difference < 0.05 * logits["bfloat16"].abs().mean()


def test_the_engine_reads_both_storages(encoder: vocabulary.Encoder, tmp_path: Path):
    """The server's own loader and ours give the same weights."""
    model = training.create_model(SHAPE, encoder, seed=0).eval()
    for storage in ("bfloat16", "int8"):
        directory = tmp_path / storage
        export.export(model, b"{}", directory, storage)
        loaded = load_weights(
            directory,
            read_config(directory / "config.json"),
            device=torch.device("cpu"),
            dtype=torch.float32,
        )
        embedding = export.load(directory).get_input_embeddings().weight
        assert torch.equal(loaded.embedding, embedding)


def test_large_weights_are_dealt_out_to_files(
    encoder: vocabulary.Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model = training.create_model(SHAPE, encoder, seed=0).eval()
    export.export(model, b"{}", tmp_path, "bfloat16")
    monkeypatch.setattr(export, "LARGEST_FILE", 10_000)
    export.export(model, b"{}", tmp_path, "bfloat16")
    names = sorted(file.name for file in tmp_path.glob("*.safetensors"))
    assert len(names) > 1
    assert "model.safetensors" not in names
    again = export.load(tmp_path).state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor.to(torch.bfloat16).float(), again[name]), name


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_every_presets_checkpoint_can_ship_and_be_carried(tmp_path: Path, name: str):
    preset = PRESETS[name]
    vocabulary_of_its_size: Any = SimpleNamespace(
        vocabulary_size=preset.vocabulary_size, begin_of_text=0, end_of_text=1
    )
    shape = training.ModelShape(preset.hidden, preset.layers, preset.heads, preset.intermediate)
    model = training.create_model(shape, vocabulary_of_its_size, seed=0)
    export.export(model, b"{}", tmp_path, preset.storage)
    sizes = [file.stat().st_size for file in tmp_path.glob("*.safetensors")]
    assert sum(sizes) <= 32_000_000
    assert max(sizes) <= 16 * 2**20
