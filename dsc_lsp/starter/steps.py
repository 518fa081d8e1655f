"""The steps of a build, each of which leaves its result in the work directory.

A step whose result is there is not done again, so an interrupted build goes on where it stopped.
"""

import dataclasses
import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsc_lsp.starter import corpus, served
from dsc_lsp.starter.files import read_json, write_json, write_whole
from dsc_lsp.starter.presets import Preset
from dsc_lsp.starter.progress import Report, waited_for, watched

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

    from dsc_lsp.starter import examples, rows, training
    from dsc_lsp.starter.evaluation import Quality, TestHole
    from dsc_lsp.starter.sources import SourceFile
    from dsc_lsp.starter.vocabulary import Encoder

STEPS = ("corpus", "tokenizer", "training", "evaluation", "card")
"""What ``--until`` can stop after."""

_MEASURED = ("evaluation.json", "packages.json", "human_eval.json")
_KEPT = ("packages.jsonl", "human_eval.jsonl")

# Of a preset, what may be another one when a build goes on.
_NO_RECIPE = frozenset(
    {"seconds", "threads", "timed_steps", "served_packages", "served_holes", "human_eval_holes"}
)

_GATE_SHARE = 0.2  # of the budget, after which a run has to be promising
_TOKENIZER_SECONDS = 0.8  # for each megabyte of the corpus, by experience


@dataclass(frozen=True, slots=True)
class Run:
    """One build: what, from and to where, where its state is, and who is told of its progress.

    ``human_eval`` is the file of HumanEval's single lines, if it is to be measured on them, too.
    """

    preset: Preset
    places: corpus.Places
    output: Path
    work: Path
    seed: int
    report: Report
    until: str = STEPS[-1]
    human_eval: Path | None = None


class BuildError(Exception):
    """A build that cannot go on; the message is for the user."""


def build(run: Run) -> None:
    """Do the steps that are not done yet and leave the checkpoint in ``run.output``.

    Raises:
        BuildError: there is nothing to train on, the work directory is another build's, there
            is no such device, or the run is hopeless.
        OSError: a file cannot be written.
    """
    try:
        run.work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(f"--work: {run.work} cannot be made: {error.strerror}") from None
    _claim(run)
    for step, do in zip(STEPS, (_corpus, _tokenizer, _training, _evaluation, _card), strict=True):
        do(run)
        if step == run.until:
            return


def encode(
    files: "Sequence[SourceFile]", encoder: "Encoder", report: Report
) -> "list[examples.SourceText]":
    """Split files into lines and encode them."""
    from dsc_lsp.starter import examples

    return [
        examples.source_text(file.path, file.text, encoder)
        for file in watched(files, len(files), "encoding files", report)
    ]


def hopeless(quality: "Quality", gate: float) -> str | None:
    """Say why it is no use to train on, ``None`` if it is."""
    gain = quality.loss_wrong - quality.loss
    if gain >= gate:
        return None
    return (
        f"the right prompt makes the text to write only {gain:.2f} nats a token more likely than"
        f" another one, less than the {gate} that a run should have reached by now"
    )


def _claim(run: Run) -> None:
    """Refuse a work directory that holds another build's results."""
    described = {"seed": run.seed} | dataclasses.asdict(run.preset)
    recipe = _recipe(json.loads(json.dumps(described, default=sorted)))
    marker = run.work / "recipe.json"
    # Earlier versions wrote down more.
    there = _recipe(read_json(marker)) if marker.exists() else recipe
    if there != recipe:
        names = sorted(there.keys() | recipe.keys())
        others = [name for name in names if there.get(name) != recipe.get(name)]
        raise BuildError(
            f"{run.work} holds a build of another recipe, which differs in {', '.join(others)}:"
            " choose another --work"
        )
    write_json(marker, recipe)


def _recipe(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name not in _NO_RECIPE}


def _corpus(run: Run) -> None:
    if (run.work / "corpus.json").exists():
        return
    for directory in (*run.places.site_packages, *run.places.node_modules):
        if not directory.is_dir():
            raise BuildError(f"{directory} is no directory: install packages there first")
    gathered = corpus.gather(run.preset.selection, run.places, run.seed, run.report)
    if not gathered.training or not gathered.held_out:
        raise BuildError(
            "too few packages with a permissive license are installed beside this one"
        )
    corpus.write_files(run.work / "training.jsonl.xz", gathered.training, run.report)
    corpus.write_files(run.work / "held_out.jsonl.xz", gathered.held_out, run.report)
    write_json(run.work / "corpus.json", corpus.summary(gathered))
    size = sum(len(file.text) for file in gathered.training)
    run.report(f"corpus: {len(gathered.training)} files, {size / 1e6:.1f} MB")


def _tokenizer(run: Run) -> None:
    from dsc_lsp.starter import vocabulary

    path = run.work / "tokenizer.json"
    if path.exists():
        return
    texts = [file.text for file in corpus.read_files(run.work / "training.jsonl.xz")]
    tokenizer = waited_for(
        lambda: vocabulary.train(texts, run.preset.vocabulary_size),
        _TOKENIZER_SECONDS * sum(map(len, texts)) / 1e6,
        "learning tokens",
        run.report,
    )
    write_whole(path, tokenizer.to_str(pretty=True).encode())
    run.report(f"tokenizer: {tokenizer.get_vocab_size()} tokens")


def _encoder(run: Run) -> "Encoder":
    from dsc_lsp.starter import vocabulary

    return vocabulary.Encoder(vocabulary.load(run.work / "tokenizer.json"))


def _training(run: Run) -> None:
    """Train and export; what was trained elsewhere is there as an exported checkpoint."""
    from dsc_lsp.starter import training

    preset, checkpoint = run.preset, run.work / "training.pt"
    done = (run.work / "training.json").exists()
    if done and not checkpoint.exists():
        if not (run.output / "config.json").exists():
            raise BuildError(
                f"{run.work} says that the model is trained, but it is neither in {checkpoint} nor"
                f" in {run.output}: put it there, or remove training.json to train again"
            )
        run.report(f"trained elsewhere: taking {run.output}")
        return
    _check_device(preset.device)
    encoder = _encoder(run)
    shape = training.ModelShape(preset.hidden, preset.layers, preset.heads, preset.intermediate)
    model = training.create_model(shape, encoder, run.seed)
    if done:
        training.load_weights(model, checkpoint)
    else:
        _train(run, model, encoder, checkpoint)
    _export(run, model)
    run.report(f"exported to {run.output}")


def _train(run: Run, model: "LlamaForCausalLM", encoder: "Encoder", checkpoint: Path) -> None:
    from dsc_lsp.starter import evaluation, imports, rows, training

    preset = run.preset
    files = corpus.read_files(run.work / "training.jsonl.xz")
    texts = encode(files, encoder, run.report)
    held_out = _held_out(run, encoder)
    holes = _holes(run, encoder, files, held_out, count=preset.probe_holes, seed=run.seed)
    corpus_tokens = sum(len(text.tokens) for text in texts)
    run.report(f"training on {corpus_tokens / 1e6:.1f}M tokens")
    collection = rows.collection(texts, imports.imported_files(files))
    budget = _budget(run, model, collection, encoder)

    def probe(progress: "training.Progress") -> None:
        quality, _ = evaluation.measure(
            model,
            encoder,
            holes,
            held_out,
            windows=preset.windows // 3,
            row_tokens=preset.row_tokens,
            report=run.report,
        )
        run.report(f"probe at step {progress.step}: {evaluation.describe(quality)}")
        reason = hopeless(quality, preset.gate)
        if progress.share(budget) >= _GATE_SHARE and reason:
            raise BuildError(f"training was stopped: {reason}")
        _export(run, model)

    progress = training.train(
        model,
        collection,
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
        "machine": _machine(budget),
        "revision": _revision(),
    }
    for stale in (*_MEASURED, *_KEPT):  # of a model that was trained here before
        (run.work / stale).unlink(missing_ok=True)
    write_json(run.work / "training.json", result)


def _budget(
    run: Run, model: "LlamaForCausalLM", files: "rows.Collection", encoder: "Encoder"
) -> "training.Budget":
    """Return the budget; where steps are to be timed, their number is fixed once and kept."""
    from dsc_lsp.starter import training

    preset, fixed = run.preset, run.work / "steps.json"
    budget = training.Budget(
        steps=preset.steps or 1_000_000,
        seconds=preset.seconds,
        rows=preset.rows,
        micro_rows=preset.micro_rows,
        row_tokens=preset.row_tokens,
        long_row_tokens=preset.long_row_tokens,
        matrix_rate=preset.matrix_rate,
        other_rate=preset.other_rate,
        device=preset.device,
        threads=preset.threads,
        bfloat16=preset.bfloat16 and training.has_bfloat16(preset.device),
        probe_seconds=preset.probe_seconds,
    )
    if preset.bfloat16 and not budget.bfloat16:
        run.report("this processor has no bfloat16: computing in float32")
    if preset.steps is not None:
        return budget
    if not fixed.exists():
        steps = training.affordable_steps(
            model, files, encoder, budget, report=run.report, timed=preset.timed_steps
        )
        tokens = steps * preset.rows * preset.row_tokens
        run.report(f"timed: {steps} steps, {tokens / 1e6:.0f}M tokens fit into the time")
        write_json(fixed, steps)
    return replace(budget, steps=read_json(fixed))


def _evaluation(run: Run) -> None:
    """Measure what was exported: by itself, and as it is served."""
    if not (run.work / "evaluation.json").exists():
        _evaluate(run)
    preset = run.preset
    lines = run.work / "lines.txt"
    if not lines.exists():
        files = corpus.read_files(run.work / "training.jsonl.xz")
        write_whole(lines, "\n".join(sorted(corpus.lines(files))).encode())
    packages = preset.served_packages
    _served(run, "packages", packages, limit=preset.served_holes, seen=lines)
    if run.human_eval is not None:
        _served(run, "human_eval", [str(run.human_eval)], limit=preset.human_eval_holes, seen=None)


def _served(
    run: Run, name: str, datasets: "Sequence[str]", *, limit: int, seen: Path | None
) -> None:
    path, kept = run.work / f"{name}.json", run.work / f"{name}.jsonl"
    if path.exists():
        return
    try:
        ways = served.measure(
            run.output,
            datasets,
            limit=limit,
            seed=run.seed,
            seen=seen,
            kept=kept,
            report=run.report,
        )
    except served.EvaluationError as error:
        raise BuildError(f"{error}; the same command goes on from {kept}") from None
    described = [Path(dataset).name for dataset in datasets]
    measured = {"datasets": described, "seed": run.seed, "revision": _revision(), "ways": ways}
    write_json(path, measured)
    exact = ways["lookup and model"]["exact_match"]
    run.report(f"as served, {', '.join(described)}: {exact:.1f} % exact with the lookup")


def _card(run: Run) -> None:
    """Put the results beside the checkpoint, and the card that is made of them."""
    from dsc_lsp.starter import card

    results = card.results(run.work)
    write_json(run.output / card.RESULTS, results)
    write_whole(run.output / "README.md", card.model_card(results).encode())
    run.report("wrote the model card")


def _evaluate(run: Run) -> None:
    from dsc_lsp.starter import evaluation, export

    preset, encoder = run.preset, _encoder(run)
    model = export.load(run.output)
    files = corpus.read_files(run.work / "training.jsonl.xz")
    held_out = _held_out(run, encoder)
    # Not the probe's holes: what was watched is not what is reported.
    holes = _holes(run, encoder, files, held_out, count=preset.test_holes, seed=run.seed + 1)
    quality, answers = evaluation.measure(
        model,
        encoder,
        holes,
        held_out,
        windows=preset.windows,
        row_tokens=preset.row_tokens,
        report=run.report,
    )
    run.report(f"held-out: {evaluation.describe(quality)}")
    speed = evaluation.speed(model, encoder, preset.prompt_tokens)
    run.report(f"prefill {speed.prefill:.0f} ms, {speed.decode:.1f} ms a token")
    measured = {
        "quality": dataclasses.asdict(quality),
        "speed": dataclasses.asdict(speed),
        "answers": [evaluation.summary(answer) for answer in answers],
    }
    write_json(run.work / "evaluation.json", measured)


def _held_out(run: Run, encoder: "Encoder") -> "list[examples.SourceText]":
    return encode(corpus.read_files(run.work / "held_out.jsonl.xz"), encoder, run.report)


def _holes(
    run: Run,
    encoder: "Encoder",
    files: "Sequence[SourceFile]",
    held_out: "list[examples.SourceText]",
    *,
    count: int,
    seed: int,
) -> "list[TestHole]":
    from dsc_lsp.starter import evaluation

    return evaluation.make_holes(
        held_out,
        corpus.lines(files),
        encoder,
        count=count,
        prompt_tokens=run.preset.prompt_tokens,
        seed=seed,
    )


def _export(run: Run, model: "LlamaForCausalLM") -> None:
    from dsc_lsp.starter import export

    tokenizer = (run.work / "tokenizer.json").read_bytes()
    export.export(model, tokenizer, run.output, run.preset.storage)


def _check_device(name: str) -> None:
    import torch

    if name != "cpu" and not torch.cuda.is_available():
        raise BuildError(f"PyTorch finds no {name} device here: use --preset cpu")


def _machine(budget: "training.Budget") -> str:
    if budget.device == "cpu":
        threads = "1 thread" if budget.threads == 1 else f"{budget.threads} threads"
        return f"{platform.machine()} CPU, {threads}"
    import torch

    return torch.cuda.get_device_name()


def _revision() -> str:
    """Return the commit of the recipe, as far as it can be known."""
    from dsc_lsp import __version__

    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git there is
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return f"version {__version__}"
    return f"commit {described.stdout.strip()}"
