"""Weights stored as int8 with a scale for each row: half the size of bfloat16.

A matrix ``name`` is stored as int8 beside ``name.scale`` in float32, one scale for each of its
rows; whatever has no scale is stored as it is. Such weights are expanded when they are loaded,
so nothing else knows of them.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

_SCALE = ".scale"
_LARGEST = 127


def compress(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return matrices as int8 with their scales, and all else in bfloat16."""
    stored: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if weight.dim() != 2:
            stored[name] = weight.to(torch.bfloat16).contiguous()
            continue
        full = weight.float()
        scale = full.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / _LARGEST
        stored[name] = (full / scale).round().to(torch.int8).contiguous()
        stored[name + _SCALE] = scale.squeeze(1).contiguous()
    return stored


def expand(stored: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the weights in ``dtype``; what was not compressed is only converted."""
    return {
        name: (
            (weight.float() * stored[name + _SCALE].float()[:, None]).to(dtype)
            if name + _SCALE in stored
            else weight.to(dtype)
        )
        for name, weight in stored.items()
        if not (name.endswith(_SCALE) and name.removesuffix(_SCALE) in stored)
    }


def read_weights(directory: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    """Read all safetensors files of a checkpoint directory, expanded.

    Raises:
        OSError, safetensors.SafetensorError: a file cannot be read.
    """
    from safetensors.torch import load_file

    stored: dict[str, Tensor] = {}
    for file in sorted(directory.glob("*.safetensors")):
        stored |= load_file(file)
    return expand(stored, dtype)
