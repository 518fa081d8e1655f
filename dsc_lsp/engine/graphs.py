"""A step of decoding as one CUDA graph, for each length of the cache and each width.

Launching the thousand kernels of a token one by one takes longer than a GPU needs to compute
them; a graph launches all of them at once. It is fixed in its shapes and addresses: so the cache
is looked at in buckets of lengths, ids and positions stand in buffers that never move, and a mask
that is made in the graph from the positions hides what stands behind them.
"""

import gc
import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

import torch

from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import Llama, Place
from dsc_lsp.engine.numpy_steps import NumPySteps, suits_numpy
from dsc_lsp.engine.pace import Pace
from dsc_lsp.engine.split_attention import HIDDEN, parts_of
from dsc_lsp.engine.steps import EagerSteps, Rows, Steps, causal_mask, read_out

WIDEST = 5
"""Tokens of the widest graph: the last one and a draft of four. More are read eagerly."""

SHORTEST = 512
"""Tokens of the shortest bucket; each other is twice as long as the one before."""

_ATTENTIONS = {"whole": False, "split": True}
_TIMED = 10

_log = logging.getLogger(__name__)


class Graphs(Protocol):
    """What captures work into graphs on a device."""

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return what does the work again on the same tensors, at whatever they hold by then.

        The work itself may be run any number of times meanwhile.

        Raises:
            RuntimeError: it cannot be captured.
        """
        ...

    def wait(self) -> None:
        """Return when all that was begun on the device is done."""
        ...


class CudaGraphs:
    """Graphs that share one pool of memory, because only one runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Run the work once, so that libraries make what they need, and capture it."""
        graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            work()
            self._stream.synchronize()
            # Not torch.cuda.graph: it empties the allocator's cache and collects garbage.
            with _no_garbage_collection():
                graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
                try:
                    work()
                finally:
                    graph.capture_end()
        return graph.replay

    def wait(self) -> None:
        """Wait for the current stream; other threads of Python go on meanwhile."""
        torch.cuda.current_stream(self._device).synchronize()


class GraphSteps:
    """Runs few tokens as graphs, captured when they are first needed, and more of them eagerly.

    Where capturing fails everything runs eagerly from then on. Which attention is faster on the
    device, whole or split, ``prepare`` finds out with a stopwatch. Engine thread only.
    """

    def __init__(self, model: Llama, cache: KVCache, graphs: Graphs) -> None:
        self.cache = cache
        self._model = model
        self._graphs: Graphs | None = graphs
        self._eager = EagerSteps(model, cache)
        self._replays: dict[tuple[int, int], Callable[[], None]] = {}
        device, pinned = model.device, model.device.type == "cuda"
        self._numbers = torch.arange(cache.rows, device=device)
        self._is_split = False
        self.token_ms: dict[str, float] = {}
        """Milliseconds of a token over the whole length with either attention, once prepared."""
        # Ids, then positions; and the likeliest ids, then their log likelihoods: one copy each.
        self._given = torch.zeros(2 * WIDEST, dtype=torch.int64, device=device)
        self._said = torch.zeros(2 * WIDEST, dtype=torch.float32, device=device)
        self._host_given = torch.zeros(2 * WIDEST, dtype=torch.int64, pin_memory=pinned)
        self._host_said = torch.zeros(2 * WIDEST, dtype=torch.float32, pin_memory=pinned)
        vocabulary = model.config.vocabulary
        self._logits = torch.zeros((WIDEST, vocabulary), dtype=model.dtype, device=device)

    @property
    def pace(self) -> Pace:
        """How many tokens of a prompt are read in one run, eagerly."""
        return self._eager.pace

    @property
    def captured(self) -> frozenset[tuple[int, int]]:
        """The widths and lengths for which there is a graph."""
        return frozenset(self._replays)

    def prepare(self) -> None:
        """Capture all widths at the whole length, where most prompts end; the cache is empty."""
        assert not self.cache.ids, "the first row is written"
        if self._graphs is not None:
            self._is_split = self._is_faster_split(self._graphs)
        for width in range(1, WIDEST + 1):
            if self._graphs is not None:
                self._replay(self._graphs, width, self.cache.rows)

    @torch.inference_mode()
    def run(self, ids: Sequence[int], rows: int) -> Rows:
        """Read tokens and return what follows the last ``rows`` of them."""
        start, width = len(self.cache.ids), len(ids)
        graphs = self._graphs
        if width > WIDEST or graphs is None:
            return self._eager.run(ids, rows)
        assert start + width <= self.cache.capacity, "the caller looks at the capacity"
        self._host_given[: 2 * width] = torch.tensor([*ids, *range(start, start + width)])
        self._given[: 2 * width].copy_(self._host_given[: 2 * width], non_blocking=True)
        replay = self._replay(graphs, width, bucket_of(start + width, self.cache.rows))
        if replay is None:
            return self._eager.run(ids, rows)
        replay()
        self._host_said[: 2 * width].copy_(self._said[: 2 * width], non_blocking=True)
        graphs.wait()
        said = self._host_said.tolist()
        self.cache.extend(ids)
        best, logprobs = said[width - rows : width], said[2 * width - rows : 2 * width]
        return Rows(self._logits[width - rows : width], tuple(map(int, best)), tuple(logprobs))

    def _replay(self, graphs: Graphs, width: int, length: int) -> Callable[[], None] | None:
        """Return the graph for a width and length, or ``None`` if it cannot be had."""
        replay = self._replays.get((width, length))
        if replay is not None:
            return replay
        try:
            replay = graphs.capture(lambda: self._step(width, length, is_split=self._is_split))
        except RuntimeError as error:
            _log.warning(
                "no CUDA graphs (%s); each operation is launched by itself from now on",
                type(error).__name__,
            )
            self._graphs = None
            self._replays.clear()
            return None
        self._replays[width, length] = replay
        return replay

    @torch.inference_mode()
    def _is_faster_split(self, graphs: Graphs) -> bool:
        """Time a token both ways; false also where split attention is not there or not right."""
        said = dict[str, torch.Tensor]()
        try:
            for name, is_split in _ATTENTIONS.items():
                work = partial(self._step, 1, self.cache.rows, is_split=is_split)
                self.token_ms[name] = _least_ms(graphs, graphs.capture(work))
                said[name] = self._logits[0].float().cpu()
        except RuntimeError as error:  # of which NotImplementedError is one
            _log.info("split attention is not used (%s)", type(error).__name__)
            return False
        is_right = torch.allclose(said["split"], said["whole"], rtol=0.05, atol=0.05)
        _log.info("a token with either attention: %s ms, alike: %s", self.token_ms, is_right)
        return is_right and self.token_ms["split"] < self.token_ms["whole"]

    @torch.inference_mode()
    def _step(self, width: int, length: int, *, is_split: bool) -> None:
        """Compute from the given ids and positions what is said, between tensors that stay."""
        ids, positions = self._given[: 2 * width].view(2, width).unbind()
        mask = causal_mask(positions, self._numbers[:length], self._model.dtype, HIDDEN)
        parts = parts_of(length, self._model.config.kv_heads) if is_split else 1
        place = Place(positions, positions, length, mask, parts)
        states = self._model.forward(ids, place, self.cache)
        logits, readout = read_out(self._model, states)
        self._logits[:width].copy_(logits)
        self._said[: 2 * width].view(2, width).copy_(readout)


@contextmanager
def _no_garbage_collection() -> Generator[None]:
    """Collect none meanwhile: graphs in the garbage would be destroyed, which spoils a capture."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _least_ms(graphs: Graphs, replay: Callable[[], None]) -> float:
    """Return the least milliseconds of some replays."""
    times = list[float]()
    for _ in range(_TIMED):
        began = time.perf_counter()
        replay()
        graphs.wait()
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


def bucket_of(length: int, capacity: int) -> int:
    """Return the length of the bucket in which so many tokens are looked at."""
    return min(capacity, max(SHORTEST, 1 << (length - 1).bit_length()))


def steps_over(model: Llama, cache: KVCache, quantization: str) -> Steps:
    """Return the fastest steps that a device and a way of storing matrices allow."""
    if suits_numpy(model) and quantization == "none":
        return NumPySteps(model, cache)
    # LLM.int8() asks the host whether there are outliers, which no graph can.
    if model.device.type != "cuda" or quantization == "int8":
        return EagerSteps(model, cache)
    steps = GraphSteps(model, cache, CudaGraphs(model.device))
    steps.prepare()
    return steps
