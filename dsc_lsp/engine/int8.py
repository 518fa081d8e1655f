"""Weights stored as int8 with a scale for each row: half the size of bfloat16.

A matrix ``name`` is stored as int8 beside ``name.scale``, one scale for each of its rows;
whatever has no scale is stored as it is. Such weights are expanded when they are read, so
nothing else knows of them.
"""

from collections.abc import Callable, Container, Mapping

import torch
from torch import Tensor

_LARGEST = 127


def compress(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return matrices as int8 with their scales in float32, and all else in bfloat16."""
    stored: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if weight.dim() != 2:
            stored[name] = weight.to(torch.bfloat16)
            continue
        full = weight.float()
        scale = full.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / _LARGEST
        stored[name] = (full / scale).round().to(torch.int8)
        stored[scale_name(name)] = scale.squeeze(1)
    return stored


def scale_name(name: str) -> str:
    """Return the name of a matrix's scales."""
    return f"{name}.scale"


def read(name: str, names: Container[str], stored: Callable[[str], Tensor]) -> Tensor:
    """Return a weight, expanded to float32 if there are scales for it among ``names``."""
    scale = scale_name(name)
    if scale not in names:
        return stored(name)
    return stored(name).float() * stored(scale).float()[:, None]
