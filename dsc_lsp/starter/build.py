"""Build the starter model: ``python -m dsc_lsp.starter.build --preset {smoke,cpu}``.

The steps are corpus, tokenizer, training, export, evaluation and model card. Each leaves its
result in the work directory, and a step whose result is there is not done again, so that an
interrupted build goes on where it stopped. Everything follows from the seed, but for how far
training comes in its time and for the order in which threads add numbers.
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsc_lsp.models import STARTER_CHECKPOINT
from dsc_lsp.starter import corpus

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

    from dsc_lsp.starter import examples, training
    from dsc_lsp.starter.sources import SourceFile
    from dsc_lsp.starter.vocabulary import Encoder

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Preset:
    """Everything that a build depends on, but for the seed."""

    selection: corpus.Selection
    vocabulary_size: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    steps: int
    seconds: float
    rows: int
    row_tokens: int
    long_row_tokens: int
    probe_holes: int
    test_holes: int
    windows: int
    prompt_tokens: int
    threads: int
    matrix_rate: float
    other_rate: float
    bfloat16: bool


PRESETS = {
    "smoke": Preset(
        selection=corpus.Selection(
            share=0.5,
            packages=frozenset({"attrs", "packaging", "platformdirs", "pluggy", "cattrs"}),
            limit=200_000,
        ),
        vocabulary_size=1024,
        hidden=64,
        layers=2,
        heads=1,
        intermediate=128,
        steps=20,
        seconds=30.0,
        rows=4,
        row_tokens=256,
        long_row_tokens=512,
        probe_holes=4,
        test_holes=8,
        windows=4,
        prompt_tokens=256,
        threads=1,
        matrix_rate=0.02,
        other_rate=4e-3,
        bfloat16=False,
    ),
    "cpu": Preset(
        selection=corpus.Selection(limit=72_000_000),
        vocabulary_size=6144,
        hidden=192,
        layers=6,
        heads=3,
        intermediate=512,
        steps=9000,
        seconds=5280.0,
        rows=8,
        row_tokens=512,
        long_row_tokens=1024,
        probe_holes=100,
        test_holes=600,
        windows=150,
        prompt_tokens=480,
        threads=1,
        matrix_rate=0.01,
        other_rate=3e-3,
        bfloat16=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One build: what, from and to where, where its state is, and who is told of its progress."""

    preset: Preset
    places: corpus.Places
    output: Path
    work: Path
    seed: int
    report: Report


class BuildError(Exception):
    """A build that cannot go on; the message is for the user."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser("python -m dsc_lsp.starter.build", description=__doc__)
    parser.add_argument("--preset", choices=sorted(PRESETS), required=True)
    parser.add_argument(
        "--output", type=Path, default=STARTER_CHECKPOINT, help="checkpoint directory"
    )
    parser.add_argument("--work", type=Path, help="caches and resumable state")
    parser.add_argument("--seed", type=int, default=0)
    for name, of_what in (("site-packages", "Python"), ("node-modules", "node")):
        parser.add_argument(
            f"--{name}",
            type=Path,
            action="append",
            default=[],
            metavar="DIRECTORY",
            help=f"take {of_what} packages from here, too; may be given more than once",
        )
    parser.add_argument("--seconds", type=float, help="training time, instead of the preset's")
    parsed = parser.parse_args(arguments)
    # Before torch is loaded. Threads that wait actively for each other, as is GNU OpenMP's
    # default, slow each other down tenfold as soon as another program wants the processor.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    preset = PRESETS[parsed.preset]
    if parsed.seconds is not None:
        if parsed.seconds <= 0:
            parser.error("--seconds must be positive")
        preset = replace(preset, seconds=parsed.seconds)
    places = corpus.Places(tuple(parsed.site_packages), tuple(parsed.node_modules))
    work: Path = parsed.work or default_work(parsed.preset)
    started = time.monotonic()

    def report(message: str) -> None:
        print(f"[{time.monotonic() - started:7.1f} s] {message}", flush=True)

    try:
        build(Run(preset, places, parsed.output, work, parsed.seed, report))
    except BuildError as error:
        parser.exit(1, f"{error}\n")
    except OSError as error:
        parser.exit(1, f"cannot write the build: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, f"interrupted; the same command goes on from {work}\n")
    return 0


def default_work(preset: str) -> Path:
    """Return the directory where builds of a preset keep their state."""
    import platformdirs

    return platformdirs.user_cache_path("dsc-lsp") / "starter" / preset


def build(run: Run) -> None:
    """Do all steps that are not done yet and leave the checkpoint in ``run.output``.

    Raises:
        BuildError: there is nothing to train on, or the work directory is another build's.
        OSError: a file cannot be written.
    """
    from dsc_lsp.starter import card

    run.work.mkdir(parents=True, exist_ok=True)
    _claim(run)
    _gather(run)
    encoder = _tokenizer(run)
    model = _train(run, encoder)
    export(model, run.work / "tokenizer.json", run.output)
    run.report(f"exported to {run.output}")
    _evaluate(run, encoder)
    text = card.model_card(run.work, run.seed)
    (run.output / "README.md").write_text(text, encoding="utf-8")
    run.report("wrote the model card")


def export(model: "LlamaForCausalLM", tokenizer: Path, output: Path) -> None:
    """Write a checkpoint directory in bfloat16; each file appears whole or not at all."""
    import torch
    from safetensors.torch import save_file

    temporary = output.with_name(output.name + ".new")
    temporary.mkdir(parents=True, exist_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().to(torch.bfloat16).contiguous().clone()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"  # tied to the embeddings
    }
    save_file(weights, temporary / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict() | {
        "architectures": ["LlamaForCausalLM"],
        "dtype": "bfloat16",
        "torch_dtype": "bfloat16",
    }
    config.pop("_attn_implementation_autoset", None)
    _write_json(temporary / "config.json", config)
    shutil.copyfile(tokenizer, temporary / "tokenizer.json")
    for file in sorted(temporary.iterdir()):
        file.chmod(0o644)
        file.replace(output / file.name)
    temporary.rmdir()


def _claim(run: Run) -> None:
    """Refuse a work directory that holds another build's results."""
    described = {"seed": run.seed} | dataclasses.asdict(run.preset)
    del described["seconds"]
    recipe = json.loads(json.dumps(described, default=sorted))
    marker = run.work / "recipe.json"
    if marker.exists() and json.loads(marker.read_text(encoding="utf-8")) != recipe:
        raise BuildError(f"{run.work} holds a build of another recipe: choose another --work")
    _write_json(marker, recipe)


def _gather(run: Run) -> None:
    if (run.work / "corpus.json").exists():
        return
    gathered = corpus.gather(run.preset.selection, run.places, run.seed, run.report)
    if not gathered.training or not gathered.held_out:
        raise BuildError(
            "too few packages with a permissive license are installed beside this one"
        )
    corpus.write_files(run.work / "training.jsonl", gathered.training)
    corpus.write_files(run.work / "held_out.jsonl", gathered.held_out)
    _write_json(run.work / "corpus.json", corpus.summary(gathered))
    size = sum(len(file.text) for file in gathered.training)
    run.report(f"corpus: {len(gathered.training)} files, {size / 1e6:.1f} MB")


def _tokenizer(run: Run) -> "Encoder":
    from dsc_lsp.starter import vocabulary

    path = run.work / "tokenizer.json"
    if not path.exists():
        texts = (file.text for file in corpus.read_files(run.work / "training.jsonl"))
        tokenizer = vocabulary.train(texts, run.preset.vocabulary_size)
        temporary = path.with_suffix(".new")
        tokenizer.save(str(temporary))
        temporary.replace(path)
        run.report(f"tokenizer: {tokenizer.get_vocab_size()} tokens")
    return vocabulary.Encoder(vocabulary.load(path))


def _train(run: Run, encoder: "Encoder") -> "LlamaForCausalLM":
    from dsc_lsp.starter import evaluation, imports, rows, training

    preset, checkpoint = run.preset, run.work / "training.pt"
    shape = training.ModelShape(preset.hidden, preset.layers, preset.heads, preset.intermediate)
    model = training.create_model(shape, encoder, run.seed)
    if (run.work / "training.json").exists():
        training.load_weights(model, checkpoint)
        return model
    files = corpus.read_files(run.work / "training.jsonl")
    texts = encode(files, encoder)
    held_out = read_texts(run.work / "held_out.jsonl", encoder)
    holes = evaluation.make_holes(
        held_out,
        evaluation.line_set(texts),
        encoder,
        count=preset.probe_holes,
        prompt_tokens=preset.row_tokens,
        seed=run.seed,
    )
    corpus_tokens = sum(len(text.tokens) for text in texts)
    run.report(f"training on {corpus_tokens / 1e6:.1f}M tokens")

    def probe(progress: "training.Progress") -> None:
        windows, row_tokens = preset.windows // 3, preset.row_tokens
        quality, _ = evaluation.measure(
            model, encoder, holes, held_out, windows=windows, row_tokens=row_tokens
        )
        run.report(f"probe at step {progress.step}: {evaluation.describe(quality)}")
        export(model, run.work / "tokenizer.json", run.output)

    budget = training.Budget(
        steps=preset.steps,
        seconds=preset.seconds,
        rows=preset.rows,
        row_tokens=preset.row_tokens,
        long_row_tokens=preset.long_row_tokens,
        threads=preset.threads,
        matrix_rate=preset.matrix_rate,
        other_rate=preset.other_rate,
        bfloat16=preset.bfloat16,
    )
    progress = training.train(
        model,
        rows.collection(texts, imports.imported_files(files)),
        encoder,
        budget,
        run.seed,
        checkpoint=checkpoint,
        report=run.report,
        on_probe=probe,
    )
    result = dataclasses.asdict(progress) | {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "corpus_tokens": corpus_tokens,
        "machine": f"{platform.machine()} CPU, {budget.threads} threads",
    }
    _write_json(run.work / "training.json", result)
    return model


def _evaluate(run: Run, encoder: "Encoder") -> None:
    """Measure what was exported, loaded as users load it."""
    if (run.work / "evaluation.json").exists():
        return
    from dsc_lsp.starter import evaluation

    preset = run.preset
    model = evaluation.load_model(run.output)
    held_out = read_texts(run.work / "held_out.jsonl", encoder)
    holes = evaluation.make_holes(
        held_out,
        evaluation.line_set(read_texts(run.work / "training.jsonl", encoder)),
        encoder,
        count=preset.test_holes,
        prompt_tokens=preset.prompt_tokens,
        seed=run.seed + 1,  # not the probe's holes: what was watched is not what is reported
    )
    quality, answers = evaluation.measure(
        model, encoder, holes, held_out, windows=preset.windows, row_tokens=preset.row_tokens
    )
    run.report(f"held-out: {evaluation.describe(quality)}")
    speed = evaluation.speed(model, encoder, preset.prompt_tokens)
    run.report(f"prefill {speed.prefill:.0f} ms, {speed.decode:.1f} ms a token")
    measured = {
        "quality": dataclasses.asdict(quality),
        "speed": dataclasses.asdict(speed),
        "answers": [evaluation.summary(answer) for answer in answers],
    }
    _write_json(run.work / "evaluation.json", measured)


def read_texts(path: Path, encoder: "Encoder") -> "list[examples.SourceText]":
    """Read stored files and encode them."""
    return encode(corpus.read_files(path), encoder)


def encode(files: "Iterable[SourceFile]", encoder: "Encoder") -> "list[examples.SourceText]":
    """Split files into lines and encode them."""
    from dsc_lsp.starter import examples

    return [examples.source_text(file.path, file.text, encoder) for file in files]


def _write_json(path: Path, value: Any) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
