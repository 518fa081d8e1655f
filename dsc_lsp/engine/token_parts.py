"""Where the time of a token goes on a device: its products with matrices, and all operations."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dsc_lsp.engine.graphs import CudaGraphs, steps_over
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import Llama, Projection

_REPEATS = 20
_LARGEST = 15


@dataclass(frozen=True, slots=True)
class Part:
    """Products of one kind in all layers: the milliseconds of a token, and the bytes they read."""

    ms: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Operation:
    """A kernel, or on a CPU an operation: how often a token runs it, and its microseconds."""

    name: str
    times: float
    us: float


def products(model: Llama) -> dict[str, Part]:
    """Return what the products of a token cost, each kind by itself, as one graph if there are."""
    layers, config = model.weights.layers, model.config
    wide = config.heads * config.head_dim
    return {
        "qkv": _part(model, [layer.qkv for layer in layers], config.hidden),
        "attention out": _part(model, [layer.attention_out for layer in layers], wide),
        "gate and up": _part(model, [layer.gate_up for layer in layers], config.hidden),
        "down": _part(model, [layer.down for layer in layers], config.intermediate),
        "head": _part(model, [model.weights.head], config.hidden),
    }


@torch.inference_mode()
def _part(model: Llama, projections: Sequence[Projection], width: int) -> Part:
    states = torch.randn((1, width), device=model.device, dtype=model.dtype)

    def work() -> None:
        for projection in projections:
            projection(states)

    run, wait = _runner(model.device, work)
    times = list[float]()
    for _ in range(_REPEATS):
        began = time.perf_counter()
        run()
        wait()
        times.append((time.perf_counter() - began) * 1000)
    return Part(min(times), sum(projection.nbytes for projection in projections))


def _runner(
    device: torch.device, work: Callable[[], None]
) -> tuple[Callable[[], None], Callable[[], None]]:
    if device.type == "cuda":
        graphs = CudaGraphs(device)
        return graphs.capture(work), graphs.wait
    return work, lambda: None


def operations(model: Llama, tokens: int) -> list[Operation]:
    """Return what a token runs, near the end of a context of so many tokens; costliest first."""
    cache = KVCache(model.config, tokens, device=model.device, dtype=model.dtype)
    steps = steps_over(model, cache, "none")
    while len(cache.ids) + 2 * steps.pace.width < tokens:
        steps.run([0] * steps.pace.width, 1)
    before = len(cache.ids)
    steps.run([0], 1)  # captured, if there are graphs
    activities = torch.profiler.ProfilerActivity
    kind = activities.CUDA if model.device.type == "cuda" else activities.CPU
    with torch.profiler.profile(activities=[kind]) as profile:
        for _ in range(_REPEATS):
            cache.crop(before)
            steps.run([0], 1)
    events: Any = profile.key_averages()
    found = [
        Operation(
            event.key[:120],
            event.count / _REPEATS,
            (event.self_device_time_total or event.self_cpu_time_total) / _REPEATS,
        )
        for event in events
    ]
    return sorted(found, key=lambda one: -one.us)[:_LARGEST]
