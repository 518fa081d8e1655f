"""``dsc-lsp bench``: how fast suggestions are while typing traces are replayed."""

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from dsc_lsp.cli.configuration import chosen_settings
from dsc_lsp.cli.usage import UsageError
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, EngineError
from dsc_lsp.measure import bench, overhead
from dsc_lsp.measure.bench import Comparison, Keystroke, Report
from dsc_lsp.measure.percentiles import Percentiles, percentiles
from dsc_lsp.measure.plot import PlotError, draw_latencies
from dsc_lsp.measure.traces import Trace, TraceError, read_trace, shipped
from dsc_lsp.settings import Settings

_Item = TypeVar("_Item")
_SERVER = (sys.executable, "-m", "dsc_lsp.cli.fixed_server")
_LONG_LINES = 10_000
_WHOLE, _ASKED = "whole_trace", "model_asked"
_OVERHEAD_KEYS = "total = sum(item.price * item.quantity for item in self.items)  # whole\n" * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to measure; ``None`` stands for the setting, or for the traces that ship."""

    traces: tuple[Path, ...]
    model: str | None
    device: str | None
    remote: str | None
    shape: str | None
    limit: int | None
    max_new_tokens: int | None
    context_tokens: int | None
    workspace: Path | None
    baseline: bool
    as_json: bool
    plot: Path | None


def run(options: Options) -> int:
    """Replay the traces and print what it cost; 1 if the model failed."""
    traces = _traces(options)
    if options.workspace is not None and not options.workspace.is_dir():
        raise UsageError(f"the workspace {options.workspace} is not a directory")
    settings = _settings(options)
    try:
        result = _measure(traces, settings, options)
    except EngineError as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 1
    print(json.dumps(_as_json(result)) if options.as_json else _table(result))
    if options.plot is not None:
        _plot(result, options.plot)
    return 0


def _settings(options: Options) -> Settings:
    settings = chosen_settings(model=options.model, device=options.device, remote=options.remote)
    return replace(
        settings,
        max_new_tokens=options.max_new_tokens or settings.max_new_tokens,
        context_tokens=options.context_tokens or settings.context_tokens,
    )


@dataclass(frozen=True, slots=True)
class _Result:
    model: str
    device: str
    keystrokes: Sequence[Keystroke]
    report: Report
    server_ms: Percentiles
    roofline_share: float | None
    device_megabytes: float | None
    generate_ms: Sequence[float]


def _measure(traces: Sequence[Trace], settings: Settings, options: Options) -> _Result:
    engine = _open(settings, options)
    edits = sum(len(trace.edits) for trace in traces)
    try:
        keys = bench.replay(traces, settings, engine, options.workspace)
        keystrokes = list(_with_bar(keys, edits, "key"))
        report = bench.summarize(keystrokes)
        share, device = _roofline(engine, report)
        device_megabytes = _device_megabytes(engine)
    finally:
        engine.close()
    return _Result(
        model=engine.name,
        device=device,
        keystrokes=keystrokes,
        report=report,
        server_ms=percentiles(asyncio.run(_overhead())),
        roofline_share=share,
        device_megabytes=device_megabytes,
        generate_ms=_generate_ms(keystrokes, settings, options) if options.baseline else (),
    )


def _open(settings: Settings, options: Options) -> Engine:
    if options.shape is None:
        return open_engine(settings, _silent)
    from dsc_lsp.engine.shapes import open_shape

    return open_shape(options.shape, settings)


def _roofline(engine: Engine, report: Report) -> tuple[float | None, str]:
    """Return the share of what the memory allows that decoding reached, and the device's name."""
    from dsc_lsp.engine.roofline import Resident, copy_bandwidth

    if not isinstance(engine, Resident):
        return None, "remote"
    per_second = report.decode_steps_per_second
    if per_second is None:
        return None, str(engine.device)
    context = report.prompt_tokens_median + report.new_tokens_median
    bytes_per_step = engine.weight_bytes + engine.bytes_per_position * context
    return per_second * bytes_per_step / copy_bandwidth(engine.device), str(engine.device)


def _device_megabytes(engine: Engine) -> float | None:
    """Return what the model has occupied of an accelerator at most."""
    from dsc_lsp.engine.devices import peak_bytes
    from dsc_lsp.engine.roofline import Resident

    if not isinstance(engine, Resident) or engine.device.type == "cpu":
        return None
    return peak_bytes(engine.device) / 2**20


def _generate_ms(
    keystrokes: Sequence[Keystroke], settings: Settings, options: Options
) -> list[float]:
    """Ask transformers' ``generate`` the same; the other engine has given its memory back."""
    from dsc_lsp.engine.reference import open_reference

    engine = open_reference(settings, shape=options.shape)
    answers = bench.answer_again(keystrokes, settings, engine)
    times = list(_with_bar(answers, len(keystrokes), "answer"))
    engine.close()
    return times


async def _overhead() -> list[float]:
    """Return the server's own milliseconds at each key in a long file."""
    trace = max(shipped(), key=lambda trace: len(trace.text))
    lines = trace.text.splitlines(keepends=True)
    text = "".join((lines * (1 + _LONG_LINES // len(lines)))[:_LONG_LINES])
    return await overhead.server_ms(_SERVER, text, _OVERHEAD_KEYS)


def _traces(options: Options) -> list[Trace]:
    try:
        traces = [read_trace(path) for path in options.traces] or shipped()
    except TraceError as error:
        raise UsageError(str(error)) from None
    if options.limit is None:
        return traces
    return [replace(trace, edits=trace.edits[: options.limit]) for trace in traces]


def _as_json(result: _Result) -> dict[str, Any]:
    answer: dict[str, Any] = {
        **asdict(result.report),
        "server_ms": asdict(result.server_ms),
        "roofline_share": result.roofline_share,
        "device_memory_megabytes": result.device_megabytes,
        "device": result.device,
        "model": result.model,
    }
    compared = _compared(result)
    if compared:
        answer["generate"] = {name: asdict(one) for name, one in compared.items()}
        answer["generate_keystroke_ms"] = asdict(compared[_WHOLE].other_ms)
        answer["ratio_to_generate"] = compared[_WHOLE].ratio_total
    return answer


def _compared(result: _Result) -> dict[str, Comparison]:
    """Return ``generate`` beside us over all keystrokes, and where the model was asked."""
    if not result.generate_ms:
        return {}
    ours = [key.total_ms for key in result.keystrokes]
    was_asked = [key.request is not None for key in result.keystrokes]
    return {
        _WHOLE: bench.compare(ours, result.generate_ms),
        _ASKED: bench.compare(
            list(compress(ours, was_asked)), list(compress(result.generate_ms, was_asked))
        ),
    }


def _table(result: _Result) -> str:
    report = result.report
    free = report.keystrokes - report.asked
    rows = {
        "keystroke, model asked": report.keystroke_ms,
        "  to the first token": report.first_token_ms,
        **{f"  {name}": stage for name, stage in report.stages_ms.items()},
        "keystroke, known": report.typed_along_ms,
        "keystroke, model not asked": report.not_asked_ms,
        "server without a model": result.server_ms,
    }
    title = (
        f"{result.model} on {result.device}: {report.keystrokes} keystrokes, the model was asked"
        f" at {report.asked}, {free} went along a known answer, {report.late} came late\n"
    )
    head = f"{'ms':24}{'p50':>9}{'p95':>9}{'p99':>9}"
    table = [_line(name, values) for name, values in rows.items() if values is not None]
    return "\n".join([title, head, *table, "", *_counts(result)])


def _counts(result: _Result) -> Iterator[str]:
    report = result.report
    for name, one in _compared(result).items():
        yield (
            f"generate, {name.replace('_', ' ')} ({one.keystrokes} keys): p50"
            f" {one.other_ms.p50:.1f} ms, ours {one.ours_ms.p50:.1f} ({one.ratio_p50:.1f} times"
            f" as fast); p95 {one.other_ms.p95:.1f}, ours {one.ours_ms.p95:.1f}"
            f" ({one.ratio_p95:.1f}); total {one.other_total_ms / 1000:.1f} s, ours"
            f" {one.ours_total_ms / 1000:.1f} ({one.ratio_total:.1f})"
        )
    yield (
        f"tokens, median: {report.prompt_tokens_median:.0f} in the prompt, of them"
        f" {report.reused_tokens_median:.0f} reused and {report.prefilled_tokens_median:.0f} read"
        f" (mean {report.prefilled_tokens_mean:.1f}, p95 {report.prefilled_tokens.p95:.0f},"
        f" p99 {report.prefilled_tokens.p99:.0f}); {report.new_tokens_median:.0f} new"
    )
    if report.contexts:
        yield f"other files shown: changed {report.contexts} times"
    yield f"drafts: {report.drafted} tokens guessed, {report.accepted} accepted"
    share = result.roofline_share
    yield (
        f"decode: {_number(report.decode_tokens_per_second)} tokens/s in"
        f" {_number(report.decode_steps_per_second)} steps/s,"
        f" {_number(None if share is None else 100 * share)} % of what the memory allows"
    )
    device = result.device_megabytes
    yield f"memory: {report.memory_megabytes:.0f} MB" + (
        "" if device is None else f", and {device:.0f} MB of the device"
    )


def _line(name: str, values: Percentiles) -> str:
    return f"{name:24}{values.p50:9.2f}{values.p95:9.2f}{values.p99:9.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _plot(result: _Result, path: Path) -> None:
    asked = [key.total_ms for key in result.keystrokes if key.request is not None]
    along = [key.total_ms for key in result.keystrokes if key.request is None]
    curves = {
        "model asked": asked,
        "typed along": along,
        "generate": result.generate_ms,
    }
    title = f"{result.model} on {result.device}"
    try:
        draw_latencies({name: ms for name, ms in curves.items() if ms}, title, path)
    except PlotError as error:
        raise UsageError(str(error)) from None


def _with_bar(items: Iterable[_Item], total: int, unit: str) -> Iterator[_Item]:
    return iter(tqdm(items, total=total, unit=unit, disable=not sys.stderr.isatty()))


def _silent(_message: str, _percent: int) -> None:
    """Report no progress of loading."""
