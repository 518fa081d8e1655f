"""The engine on a GPU, in one command: ``python -m dsc_lsp.measure.gpu [--output gpu.json]``.

Needs nothing from the network, and of what this package depends on only torch, transformers,
tokenizers, safetensors, numpy, psutil, tqdm and threadpoolctl: weights are random, of
DeepSeek-Coder's real shapes. First it compares graphs and our forward with what they stand for.
Then, for each shape, it types a trace that ships, with drafts and without: the milliseconds from
a key to sixteen new tokens, and decoding against what the memory allows, measured on the spot;
takes a token apart; and gives some of the same prompts to transformers' ``generate``.

Each part is written to the output and printed when it is done, and a run that is cut off goes on
there; so each shape can be a run of its own (``--shape``), and the table tells of all. A part
that fails is noted with its reason, the others are measured, and the next run tries it again.
"""

import argparse
import gc
import importlib.metadata
import itertools
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsc_lsp.cancel import CancelToken
from dsc_lsp.document import Position
from dsc_lsp.engine.base import Engine, EngineError, GenerationRequest, Prompt, Tokenizer
from dsc_lsp.measure.percentiles import percentiles
from dsc_lsp.measure.traces import Edit, Trace, shipped
from dsc_lsp.models import DEEPSEEK_CODER_BASE, SHAPES
from dsc_lsp.prompt import Prompts, Terms
from dsc_lsp.settings import Settings

if TYPE_CHECKING:
    from dsc_lsp.engine.local import LocalEngine

# The one that the goals are about first.
_REAL = ("deepseek-coder-6.7b", "deepseek-coder-1.3b", "deepseek-coder-33b")
_WARM_UP_KEYS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured: so many keys, a quarter without drafts, fewer with ``generate``."""

    device: str = "auto"
    shapes: tuple[str, ...] = _REAL
    prompt_tokens: int = 2048
    new_tokens: int = 16
    keys: int = 200
    baseline_prompts: int = 10

    @property
    def settings(self) -> Settings:
        """The settings of every engine."""
        return Settings(
            device=self.device,
            context_tokens=self.prompt_tokens + self.new_tokens,
            max_new_tokens=self.new_tokens,
        )


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the trace: the length of the prompt after it, and what the answer cost."""

    prompt_tokens: int
    total_ms: float
    first_token_ms: float
    prefilled: int
    decode_ms: float
    steps: int
    tokens: int


def measure(plan: Plan, output: Path, say: Callable[[str], None] = lambda _text: None) -> Any:
    """Return the results as JSON, those of earlier runs with the same numbers included.

    Raises:
        EngineError: the device is not there.
    """
    results = _read(output, plan)
    parts, failed = results["parts"], results["failed"]
    for name, work in _parts(plan):
        if name in parts:
            say(f"{name}: done before")
            continue
        say(f"{name} …")
        failed.pop(name, None)
        begun = time.perf_counter()
        try:
            parts[name] = work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other parts are measured
            failed[name] = f"{type(error).__name__}: {error}"
            say(f"{name} failed: {failed[name]}")
        else:
            told = {key: one for key, one in parts[name].items() if key not in _RAW}
            say(f"{name}, {time.perf_counter() - begun:.0f} s: {json.dumps(told)}")
        output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        _give_back(plan)
    return results


def table(results: Any) -> str:
    """Return the results as Markdown."""
    parts = results["parts"]
    lines = [results["machine"], ""]
    lines += ["| compared | equal | largest gap of logits |", "|---|---|---|"]
    lines += [
        f"| {one['name']} | {one['equal']} of {one['compared']} | {one['largest_gap']:.1e} |"
        for one in parts.get("correctness", {"proofs": ()})["proofs"]
    ]
    names = [name for name in SHAPES if any(part.startswith(name) for part in parts)]
    lines += ["", "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    told = [
        {key: one for of in _OF_A_SHAPE for key, one in parts.get(name + of, {}).items()}
        for name in names
    ]
    for text, cell in _ROWS.items():
        lines.append(f"| {text} | " + " | ".join(_cell(cell, one) for one in told) + " |")
    lines += [f"\n{name} failed: {reason}" for name, reason in results["failed"].items()]
    return "\n".join(lines)


def _cell(cell: Callable[[Any], str], told: Any) -> str:
    try:
        return cell(told)
    except KeyError:  # That part has not been measured.
        return "–"


_TYPED, _TAKEN_APART, _GENERATE = "", ", a token taken apart", ", generate"
_OF_A_SHAPE = (_TYPED, _TAKEN_APART, _GENERATE)
_RAW = {"keys", "operations"}

_ROWS: dict[str, Callable[[Any], str]] = {
    "prompt, tokens (median)": lambda one: f"{one['prompt_tokens_median']:.0f}",
    "new tokens (median)": lambda one: f"{one['new_tokens_median']:.0f}",
    "read at a key, tokens (median)": lambda one: f"{one['prefilled_tokens_median']:.0f}",
    "key to answer, ms p50": lambda one: f"{one['keystroke_ms']['p50']:.1f}",
    "key to answer, ms p95": lambda one: f"{one['keystroke_ms']['p95']:.1f}",
    "the same without drafts, p50": lambda one: f"{one['without_drafts_ms']['p50']:.1f}",
    "the same without drafts, p95": lambda one: f"{one['without_drafts_ms']['p95']:.1f}",
    "key to first token, ms p50": lambda one: f"{one['first_token_ms']['p50']:.1f}",
    "`generate`, ms p50": lambda one: f"{one['generate_keystroke_ms']['p50']:.1f}",
    "`generate` with cuDNN's attention, ms p50": lambda one: (
        f"{one['generate_cudnn_ms']['p50']:.1f}"
    ),
    "the faster of these / ours": lambda one: f"{_faster(one) / one['keystroke_ms']['p50']:.1f}",
    "the same without drafts": lambda one: f"{_faster(one) / one['without_drafts_ms']['p50']:.1f}",
    "runs of the model a key (mean; fewer than tokens where drafts hold)": lambda one: (
        f"{one['steps_mean']:.1f}"
    ),
    "decode without drafts, ms a token": lambda one: f"{one['decode_step_ms']:.2f}",
    "a token's graph, ms with whole / split attention": lambda one: (
        " / ".join(f"{ms:.2f}" for ms in one["token_ms"].values()) or "–"
    ),
    "of it products with matrices, ms": lambda one: (
        f"{sum(part['ms'] for part in one['products'].values()):.2f}"
    ),
    "these, share of the memory's bandwidth": lambda one: ", ".join(
        f"{name} {100 * part['bytes'] / one['bandwidth'] / part['ms'] * 1000:.0f} %"
        for name, part in one["products"].items()
    ),
    "memory, GB/s (a copy)": lambda one: f"{one['bandwidth'] / 1e9:.0f}",
    "decode, share of the roofline": lambda one: f"{100 * one['roofline_share']:.0f} %",
    "peak memory, GiB": lambda one: f"{one['peak_bytes'] / 2**30:.1f}",
    "opening, s": lambda one: f"{one['open_seconds']:.0f}",
}


def _faster(told: Any) -> float:
    return min(told["generate_keystroke_ms"]["p50"], told["generate_cudnn_ms"]["p50"])


def _parts(plan: Plan) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "correctness", lambda: _correctness(plan)
    for shape in plan.shapes:
        yield shape + _TYPED, lambda shape=shape: _typed(shape, plan)
        yield shape + _TAKEN_APART, lambda shape=shape: _taken_apart(shape, plan)
        yield shape + _GENERATE, lambda shape=shape: _generate(shape, plan)


def _correctness(plan: Plan) -> Any:
    from dsc_lsp.engine.proof import proofs

    return {"proofs": [asdict(proof) for proof in proofs(plan.device)]}


def _typed(shape: str, plan: Plan) -> Any:
    from dsc_lsp.engine.devices import forget_peak, peak_bytes
    from dsc_lsp.engine.roofline import copy_bandwidth
    from dsc_lsp.engine.shapes import open_shape

    begun = time.perf_counter()
    engine = open_shape(shape, plan.settings)
    open_seconds = time.perf_counter() - begun
    forget_peak(engine.device)
    keys = _type(engine, plan, plan.keys)
    engine.drafts = False
    plain = _type(engine, plan, 1 + plan.keys // 4)
    peak = peak_bytes(engine.device)
    step_ms = sum(key.decode_ms for key in plain) / max(1, sum(key.steps for key in plain))
    prompt_tokens = statistics.median(key.prompt_tokens for key in keys)
    bandwidth = copy_bandwidth(engine.device)
    read = engine.weight_bytes + engine.bytes_per_position * (prompt_tokens + plan.new_tokens / 2)
    told = {
        "prompt_tokens_median": prompt_tokens,
        "new_tokens_median": statistics.median(key.tokens for key in keys),
        "prefilled_tokens_median": statistics.median(key.prefilled for key in keys),
        "keystroke_ms": asdict(percentiles(key.total_ms for key in keys)),
        "without_drafts_ms": asdict(percentiles(key.total_ms for key in plain)),
        "first_token_ms": asdict(percentiles(key.first_token_ms for key in keys)),
        "steps_mean": statistics.mean(key.steps for key in keys),
        "decode_step_ms": step_ms,
        "token_ms": engine.token_ms,
        "bandwidth": bandwidth,
        "roofline_share": read / bandwidth / (step_ms / 1000),
        "peak_bytes": peak,
        "open_seconds": open_seconds,
        "keys": [[asdict(key) for key in some] for some in (keys, plain)],
    }
    engine.close()
    return told


def _taken_apart(shape: str, plan: Plan) -> Any:
    from dsc_lsp.engine.shapes import random_model
    from dsc_lsp.engine.token_parts import operations, products

    model = random_model(shape, plan.settings)
    tokens = plan.settings.context_tokens
    return {
        "products": {name: asdict(part) for name, part in products(model).items()},
        "operations": [asdict(one) for one in operations(model, tokens)],
    }


def _type(engine: "LocalEngine", plan: Plan, keys: int) -> list[Key]:
    """Type the trace, waiting at each key for all the new tokens, whatever they say."""
    engine.forget()
    typed = itertools.islice(_prompts(engine.tokenizer, plan), _WARM_UP_KEYS + keys)
    return [_answered(engine, prompt, plan.new_tokens, begun) for prompt, begun in typed][
        _WARM_UP_KEYS:
    ]


def _answered(engine: Engine, prompt: Prompt, tokens: int, begun: float) -> Key:
    generation = engine.generate(GenerationRequest(prompt, tokens), CancelToken())
    written = sum(1 for _ in itertools.islice(generation.tokens, 1))
    first_token_ms = (time.perf_counter() - begun) * 1000
    written += sum(1 for _ in generation.tokens)
    effort = generation.effort
    return Key(
        len(prompt.ids),
        (time.perf_counter() - begun) * 1000,
        first_token_ms,
        generation.prompt_tokens - generation.reused_tokens,
        effort.decode_ms,
        effort.steps,
        written,
    )


def _prompts(tokenizer: Tokenizer, plan: Plan) -> Iterator[tuple[Prompt, float]]:
    """Yield the prompt after each key, and when the key was pressed."""
    terms, prompts = Terms(DEEPSEEK_CODER_BASE, tokenizer, plan.prompt_tokens), Prompts()
    cursors = _long_enough(plan.prompt_tokens).cursors()
    while True:
        begun = time.perf_counter()
        cursor = next(cursors, None)
        if cursor is None:
            return
        yield prompts.at(cursor, terms), begun


def _generate(shape: str, plan: Plan) -> Any:
    """Give ``generate`` some of the prompts, with the attentions we use and as torch comes."""
    from dsc_lsp.engine.devices import use_cuda
    from dsc_lsp.engine.reference import open_reference

    engine = open_reference(plan.settings, shape=shape)
    prompts = itertools.islice(_prompts(engine.tokenizer, plan), _WARM_UP_KEYS + plan.keys)
    typed = [prompt for prompt, _ in prompts][_WARM_UP_KEYS:]
    chosen = typed[:: max(1, len(typed) // plan.baseline_prompts)][: plan.baseline_prompts]
    told = dict[str, Any]()
    for name, with_cudnn in {"generate_keystroke_ms": False, "generate_cudnn_ms": True}.items():
        use_cuda(with_cudnn=with_cudnn)
        times = list[float]()
        for prompt in [typed[0], *chosen]:  # once to warm it up
            key = _answered(engine, prompt, plan.new_tokens, time.perf_counter())
            times.append(key.total_ms)
        told[name] = asdict(percentiles(times[1:]))
        told[f"{name}_each"] = times
    engine.close()
    return told


def _give_back(plan: Plan) -> None:
    """Return what a part has occupied, also where it failed."""
    from dsc_lsp.engine.devices import choose_device
    from dsc_lsp.engine.room import give_back

    gc.collect()
    give_back(choose_device(plan.device))


def _long_enough(tokens: int) -> Trace:
    """Return the longest trace that ships, below so much other code that the prompt is full."""
    traces = sorted(shipped(), key=lambda trace: len(trace.text))
    longest, others = traces[-1], traces[:-1]
    code = "".join(trace.text for trace in others)
    above = code * (1 + tokens * 8 // len(code))
    lines = above.count("\n")

    def lower(position: Position) -> Position:
        return Position(position.line + lines, position.column)

    edits = tuple(
        Edit(edit.ms, lower(edit.start), lower(edit.end), edit.text) for edit in longest.edits
    )
    return replace(longest, text=above + longest.text, edits=edits)


def _read(output: Path, plan: Plan) -> Any:
    """Return what an earlier run of the plan on such a machine has left, or the beginning."""
    from dsc_lsp.engine.devices import choose_device, describe

    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers")]
    numbers: Any = json.loads(json.dumps(asdict(plan)))
    del numbers["shapes"]  # Each has a part of its own.
    machine = [describe(choose_device(plan.device)), f"Python {platform.python_version()}"]
    fresh: Any = {
        "machine": ", ".join([*machine, *versions]),
        "plan": numbers,
        "parts": {},
        "failed": {},
    }
    try:
        before: Any = json.loads(output.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return fresh
    same = all(before.get(name) == fresh[name] for name in ("machine", "plan"))
    return before if same else fresh


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print one table; 1 and one line on stderr for what cannot be measured."""
    parser = argparse.ArgumentParser(description="The engine on a GPU, against what it could be.")
    usual = Plan()
    parser.add_argument("--device", default=usual.device)
    parser.add_argument("--shape", action="append", choices=tuple(SHAPES), help="(all three)")
    parser.add_argument("--keys", type=int, default=usual.keys)
    parser.add_argument("--prompt-tokens", type=int, default=usual.prompt_tokens)
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), metavar="FILE.json")
    chosen = parser.parse_args(arguments)
    plan = Plan(
        device=chosen.device,
        shapes=tuple(chosen.shape or _REAL),
        prompt_tokens=chosen.prompt_tokens,
        keys=chosen.keys,
    )
    try:
        results = measure(plan, chosen.output, lambda text: print(text, file=sys.stderr))
    except EngineError as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 1
    print(table(results))
    return 1 if results["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
