"""The engine on a GPU, in one command: ``python -m dsc_lsp.measure.gpu [--output gpu.json]``.

Needs nothing from the network: weights are random, of DeepSeek-Coder's real shapes. First it
compares graphs and our forward with what they stand for, then it types a trace that ships with
each shape: the milliseconds from a key to sixteen new tokens, against transformers' ``generate``
for the same prompts, and decoding against what the memory allows, measured on the spot.

Each part is written to the output when it is done, and a run that is cut off goes on there; so
each shape can be a run of its own (``--shape``), and the table tells of all. A part that fails is
noted with its reason, the others are measured, and the next run tries it again.
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
from typing import Any

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import terms_at
from dsc_lsp.document import Position
from dsc_lsp.engine.base import Engine, EngineError, GenerationRequest, Prompt
from dsc_lsp.measure.bench import percentiles
from dsc_lsp.measure.traces import Edit, Trace, shipped
from dsc_lsp.models import SHAPES
from dsc_lsp.prompt import Prompts
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings

_REAL = ("deepseek-coder-1.3b", "deepseek-coder-6.7b", "deepseek-coder-33b")
_WARM_UP_KEYS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured: so many keys of the trace, and prompts for ``generate``."""

    device: str = "auto"
    shapes: tuple[str, ...] = _REAL
    prompt_tokens: int = 2048
    new_tokens: int = 16
    keys: int = 200
    baseline_prompts: int = 10


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the trace: the prompt after it, and what the answer cost."""

    prompt: Prompt
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
        try:
            parts[name] = work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other parts are measured
            failed[name] = f"{type(error).__name__}: {error}"
            say(f"{name} failed: {failed[name]}")
        output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def table(results: Any) -> str:
    """Return the results as Markdown."""
    lines = [results["machine"], ""]
    lines += ["| compared | equal | largest gap of logits |", "|---|---|---|"]
    lines += [
        f"| {one['name']} | {one['equal']} of {one['compared']} | {one['largest_gap']:.1e} |"
        for one in results["parts"].get("correctness", ())
    ]
    names = [name for name in SHAPES if name in results["parts"]]
    lines += ["", "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for text, cell in _ROWS.items():
        cells = [cell(results["parts"][name]) for name in names]
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    lines += [f"\n{name} failed: {reason}" for name, reason in results["failed"].items()]
    return "\n".join(lines)


_ROWS: dict[str, Callable[[Any], str]] = {
    "prompt, tokens (median)": lambda one: f"{one['prompt_tokens_median']:.0f}",
    "new tokens (median)": lambda one: f"{one['new_tokens_median']:.0f}",
    "read at a key, tokens (median)": lambda one: f"{one['prefilled_tokens_median']:.0f}",
    "key to answer, ms p50": lambda one: f"{one['keystroke_ms']['p50']:.1f}",
    "key to answer, ms p95": lambda one: f"{one['keystroke_ms']['p95']:.1f}",
    "key to first token, ms p50": lambda one: f"{one['first_token_ms']['p50']:.1f}",
    "`generate`, ms p50": lambda one: f"{one['generate_keystroke_ms']['p50']:.1f}",
    "`generate` / ours": lambda one: f"{one['ratio_to_generate']:.1f}",
    "runs of the model a key (mean; fewer than tokens where drafts hold)": lambda one: (
        f"{one['steps_mean']:.1f}"
    ),
    "decode, ms a step": lambda one: f"{one['decode_step_ms']:.2f}",
    "a token's graph, ms with whole / split attention": lambda one: (
        " / ".join(f"{ms:.2f}" for ms in one["token_ms"].values()) or "–"
    ),
    "memory, GB/s (a copy)": lambda one: f"{one['bandwidth'] / 1e9:.0f}",
    "decode, share of the roofline": lambda one: f"{100 * one['roofline_share']:.0f} %",
    "peak memory, GiB": lambda one: f"{one['peak_bytes'] / 2**30:.1f}",
    "opening, s": lambda one: f"{one['open_seconds']:.0f}",
}


def _parts(plan: Plan) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "correctness", lambda: _correctness(plan)
    for shape in plan.shapes:
        yield shape, lambda shape=shape: _shape(shape, plan)


def _correctness(plan: Plan) -> Any:
    from dsc_lsp.engine.proof import proofs

    return [asdict(proof) for proof in proofs(plan.device)]


def _shape(shape: str, plan: Plan) -> Any:
    from dsc_lsp.engine.devices import forget_peak, peak_bytes
    from dsc_lsp.engine.roofline import copy_bandwidth
    from dsc_lsp.engine.room import give_back
    from dsc_lsp.engine.shapes import open_shape

    settings = Settings(
        device=plan.device,
        context_tokens=plan.prompt_tokens + plan.new_tokens,
        max_new_tokens=plan.new_tokens,
    )
    begun = time.perf_counter()
    engine = open_shape(shape, settings)
    open_seconds = time.perf_counter() - begun
    device = engine.device
    forget_peak(device)
    keys = list(_type(settings, engine, plan))[_WARM_UP_KEYS:]
    peak, per_position = peak_bytes(device), engine.bytes_per_position
    weights, token_ms = engine.weight_bytes, engine.token_ms
    engine.close()
    del engine
    gc.collect()
    give_back(device)
    steps = sum(key.steps for key in keys)
    step_ms = sum(key.decode_ms for key in keys) / max(1, steps)
    context = statistics.median(len(key.prompt.ids) for key in keys) + plan.new_tokens / 2
    bandwidth = copy_bandwidth(device)
    ours = percentiles(key.total_ms for key in keys)
    generate = percentiles(_generate_ms(shape, settings, keys, plan))
    return {
        "keys": len(keys),
        "prompt_tokens_median": statistics.median(len(key.prompt.ids) for key in keys),
        "new_tokens_median": statistics.median(key.tokens for key in keys),
        "prefilled_tokens_median": statistics.median(key.prefilled for key in keys),
        "keystroke_ms": asdict(ours),
        "first_token_ms": asdict(percentiles(key.first_token_ms for key in keys)),
        "generate_keystroke_ms": asdict(generate),
        "ratio_to_generate": generate.p50 / ours.p50,
        "steps_mean": steps / len(keys),
        "decode_step_ms": step_ms,
        "token_ms": token_ms,
        "bandwidth": bandwidth,
        "roofline_share": (weights + per_position * context) / bandwidth / (step_ms / 1000),
        "peak_bytes": peak,
        "open_seconds": open_seconds,
    }


def _type(settings: Settings, engine: Engine, plan: Plan) -> Iterator[Key]:
    """Type the trace, waiting at each key for all the new tokens, whatever they say."""
    trace = _long_enough(plan.prompt_tokens)
    repository, prompts = Repository(), Prompts()
    repository.update(trace.document())
    for cursor in itertools.islice(trace.cursors(), plan.keys + _WARM_UP_KEYS):
        begun = time.perf_counter()
        repository.update(cursor.document)
        prompt = prompts.at(cursor, terms_at(cursor, settings, engine, repository))
        request = GenerationRequest(prompt, plan.new_tokens)
        generation = engine.generate(request, CancelToken())
        next(generation.tokens, None)
        first_token_ms = (time.perf_counter() - begun) * 1000
        tokens = 1 + sum(1 for _ in generation.tokens)
        yield Key(
            prompt,
            (time.perf_counter() - begun) * 1000,
            first_token_ms,
            generation.prompt_tokens - generation.reused_tokens,
            generation.effort.decode_ms,
            generation.effort.steps,
            tokens,
        )


def _generate_ms(
    shape: str, settings: Settings, keys: Sequence[Key], plan: Plan
) -> Iterator[float]:
    """Give ``generate`` some of the same prompts, evenly spread, after one to warm it up."""
    from dsc_lsp.engine.reference import open_reference

    engine = open_reference(settings, shape=shape)
    chosen = keys[:: max(1, len(keys) // plan.baseline_prompts)][: plan.baseline_prompts]
    for number, key in enumerate([keys[0], *chosen]):
        begun = time.perf_counter()
        for _ in engine.generate(GenerationRequest(key.prompt, key.tokens), CancelToken()).tokens:
            pass
        if number:
            yield (time.perf_counter() - begun) * 1000
    engine.close()


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
