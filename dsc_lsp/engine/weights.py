"""Weights of a checkpoint or of random numbers, laid out for the lean forward.

Every matrix is allocated once, on its device and in its type, and filled from the memory-mapped
file piece by piece, so that a model never occupies memory twice.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import safe_open

from dsc_lsp.engine import int8
from dsc_lsp.engine.config import ModelConfig
from dsc_lsp.engine.llama import DenseProjection, LayerWeights, Projection, Weights

Read: TypeAlias = Callable[[str, tuple[int, ...]], torch.Tensor]
"""From a weight's name and the shape it must have to its numbers, anywhere, in any type."""

Store: TypeAlias = Callable[[torch.Tensor], Projection]
"""From a matrix of shape (out, in) on the device to the form it is multiplied in."""


class WeightsMismatch(Exception):
    """Weights are missing or have another shape than config.json says; ``names`` says which."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"{len(names)} weights, such as {names[0]}")
        self.names = tuple(names)


def load_weights(
    directory: Path,
    config: ModelConfig,
    *,
    device: torch.device,
    dtype: torch.dtype,
    store: Store = DenseProjection,
) -> Weights:
    """Read the safetensors files of a checkpoint; int8 with scales is expanded.

    Raises:
        WeightsMismatch: they are not those of ``shape``.
        torch.OutOfMemoryError: they do not fit.
    """
    with ExitStack() as files:
        places: dict[str, Any] = {}
        for path in sorted(directory.glob("*.safetensors")):
            file: Any = files.enter_context(safe_open(path, framework="pt", device="cpu"))
            places.update(dict.fromkeys(file.keys(), file))
        wanted = dict(_names(config))
        wrong = [name for name, size in wanted.items() if not _fits(places.get(name), name, size)]
        if wrong:
            raise WeightsMismatch(wrong)

        def read(name: str, _size: tuple[int, ...]) -> torch.Tensor:
            return int8.read(name, places, lambda stored: places[stored].get_tensor(stored))

        return _lay_out(config, read, device, dtype, store)


def random_weights(
    config: ModelConfig,
    *,
    device: torch.device,
    dtype: torch.dtype,
    seed: int = 0,
    store: Store = DenseProjection,
) -> Weights:
    """Return weights of random numbers: what a model of this shape costs, without the model."""
    generator = torch.Generator(device).manual_seed(seed)

    def read(name: str, size: tuple[int, ...]) -> torch.Tensor:
        if name.endswith("norm.weight"):
            return torch.ones(size, device=device, dtype=dtype)
        numbers = torch.empty(size, device=device, dtype=dtype)
        return numbers.normal_(std=0.02, generator=generator)

    return _lay_out(config, read, device, dtype, store)


def _lay_out(
    config: ModelConfig, read: Read, device: torch.device, dtype: torch.dtype, store: Store
) -> Weights:
    def matrix(*names: str) -> torch.Tensor:
        """Return matrices one above the other."""
        sizes = [wanted[name] for name in names]
        whole = _allocate(sum(size[0] for size in sizes), sizes[0][1], device, dtype)
        for part, name, size in zip(
            whole.split([size[0] for size in sizes]), names, sizes, strict=True
        ):
            part.copy_(read(name, size))
        return whole

    def vector(name: str) -> torch.Tensor:
        return read(name, wanted[name]).to(device, dtype, copy=True)

    wanted = dict(_names(config))
    embedding = torch.empty(wanted[_EMBEDDING], device=device, dtype=dtype)
    embedding.copy_(read(_EMBEDDING, wanted[_EMBEDDING]))
    layers = tuple(
        LayerWeights(
            attention_norm=vector(f"{prefix}input_layernorm.weight"),
            qkv=store(matrix(*(f"{prefix}self_attn.{part}_proj.weight" for part in "qkv"))),
            attention_out=store(matrix(f"{prefix}self_attn.o_proj.weight")),
            mlp_norm=vector(f"{prefix}post_attention_layernorm.weight"),
            gate_up=store(matrix(f"{prefix}mlp.gate_proj.weight", f"{prefix}mlp.up_proj.weight")),
            down=store(matrix(f"{prefix}mlp.down_proj.weight")),
        )
        for prefix in map(_layer_prefix, range(config.layers))
    )
    head = embedding if config.tied else matrix(_HEAD)
    return Weights(embedding, layers, vector(_NORM), DenseProjection(head))


def _allocate(rows: int, columns: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return an empty matrix of shape (rows, columns).

    A CPU multiplies one vector faster where the columns stand together (docs/log.md), a GPU where
    the rows do.
    """
    if device.type == "cpu":
        return torch.empty((columns, rows), device=device, dtype=dtype).t()
    return torch.empty((rows, columns), device=device, dtype=dtype)


_EMBEDDING = "model.embed_tokens.weight"
_NORM = "model.norm.weight"
_HEAD = "lm_head.weight"


def _layer_prefix(number: int) -> str:
    return f"model.layers.{number}."


def _names(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and shape of every weight."""
    yield _EMBEDDING, (config.vocabulary, config.hidden)
    yield _NORM, (config.hidden,)
    if not config.tied:
        yield _HEAD, (config.vocabulary, config.hidden)
    query, key = config.heads * config.head_dim, config.kv_heads * config.head_dim
    for prefix in map(_layer_prefix, range(config.layers)):
        yield f"{prefix}input_layernorm.weight", (config.hidden,)
        yield f"{prefix}post_attention_layernorm.weight", (config.hidden,)
        yield f"{prefix}self_attn.q_proj.weight", (query, config.hidden)
        yield f"{prefix}self_attn.k_proj.weight", (key, config.hidden)
        yield f"{prefix}self_attn.v_proj.weight", (key, config.hidden)
        yield f"{prefix}self_attn.o_proj.weight", (config.hidden, query)
        yield f"{prefix}mlp.gate_proj.weight", (config.intermediate, config.hidden)
        yield f"{prefix}mlp.up_proj.weight", (config.intermediate, config.hidden)
        yield f"{prefix}mlp.down_proj.weight", (config.hidden, config.intermediate)


def _fits(file: Any, name: str, size: tuple[int, ...]) -> bool:
    return file is not None and tuple(file.get_slice(name).get_shape()) == size
