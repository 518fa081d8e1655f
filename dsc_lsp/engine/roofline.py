"""How fast a device can read its memory: the bound on decoding one token at a time."""

import time
from typing import Protocol, runtime_checkable

import torch

_BYTES = {"cuda": 4 * 2**30, "xpu": 2 * 2**30, "mps": 2**30, "cpu": 2**28}
_REPEATS = 5


@runtime_checkable
class Resident(Protocol):
    """A model in the memory of a device of this machine."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that each token reads."""
        ...

    @property
    def bytes_per_position(self) -> int:
        """The bytes of keys and values that a token in the context has."""
        ...


def copy_bandwidth(device: torch.device) -> float:
    """Return bytes per second, read and written together, of the fastest of some large copies.

    On a CPU as many threads copy as compute. Each token of one sequence reads all weights and
    the keys and values of its context once, so that this bounds tokens per second from above,
    unless everything fits a cache.
    """
    size = _BYTES.get(device.type, 2**28)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = min(_copy_seconds(source, target) for _ in range(_REPEATS))
    return 2 * size / seconds


def _copy_seconds(source: torch.Tensor, target: torch.Tensor) -> float:
    _finish(source.device)
    start = time.perf_counter()
    target.copy_(source)
    _finish(source.device)
    return time.perf_counter() - start


def _finish(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
