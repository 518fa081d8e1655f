"""What runs on CUDA, on tensors that are only said to be there: shapes and types of real models.

Nothing is computed, so this needs no GPU, only a torch that was built for one. What no capture
allows is refused: reading a value, or touching a tensor of the host.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from dsc_lsp.engine.config import parse_config
from dsc_lsp.engine.graphs import SHORTEST, WIDEST, GraphSteps
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import DenseProjection, LayerWeights, Llama, Place, Weights
from dsc_lsp.engine.split_attention import parts_of
from dsc_lsp.engine.steps import causal_mask, read_out
from dsc_lsp.models import SHAPES
from tests.recorded_graphs import WAITS, RecordedGraphs

GPU = torch.device("cuda", 0)
BF16 = torch.bfloat16
NAMES = [name for name in SHAPES if name != "tiny"]

pytestmark = pytest.mark.skipif(
    not torch.backends.cuda.is_built(), reason="this torch knows no CUDA tensors"
)


@pytest.fixture(autouse=True)
def _nothing_is_computed() -> Iterator[None]:
    with FakeTensorMode():
        yield


@pytest.mark.parametrize("is_split", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_can_be_captured(name: str, *, is_split: bool) -> None:
    model = model_of(name)
    cache = KVCache(model.config, 2064, device=GPU, dtype=BF16)
    steps = GraphSteps(model, cache, RecordedGraphs())
    for width in (1, WIDEST):
        for length in (SHORTEST, cache.rows):
            assert parts_of(length, model.config.kv_heads) > 1
            with OnTheDevice():
                steps._step(width, length, is_split=is_split)


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_is_read_without_the_host(name: str) -> None:
    model = model_of(name)
    cache = KVCache(model.config, 2064, device=GPU, dtype=BF16)
    numbers = torch.arange(cache.capacity, device=GPU)
    ids = torch.zeros(256, dtype=torch.int64, device=GPU)
    with OnTheDevice():
        positions = numbers[1001:1257]
        mask = causal_mask(positions, numbers[:1257], BF16)
        states = model.forward(ids, Place(positions, positions, 1257, mask), cache)
        logits, said = read_out(model, states[-1:])
    assert logits.shape == (1, model.config.vocabulary)
    assert said.shape == (2, 1)


def test_what_touches_the_host_is_refused() -> None:
    on_gpu, on_host = torch.zeros(3, device=GPU), torch.zeros(3)
    for work in (
        lambda: on_gpu.copy_(on_host),
        on_gpu.cpu,
        on_gpu.nonzero,
        lambda: bool(on_gpu[0] > 0),
        lambda: torch.tensor([1, 2], device=GPU),
    ):
        with OnTheDevice(), pytest.raises((RuntimeError, AssertionError)):
            work()


class OnTheDevice(TorchDispatchMode):
    """Refuses what waits for the device or touches a tensor that is not there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert not WAITS & set(func.tags), func
        result = func(*args, **(kwargs or {}))
        # Fused attention tells the seed of its dropout on the host; there is none to be told.
        told = result[:2] if "_attention" in str(func) and isinstance(result, tuple) else result
        for leaf in pytree.tree_leaves((args, kwargs, told)):
            assert not isinstance(leaf, torch.Tensor) or leaf.device == GPU, func
        return result


def model_of(name: str) -> Llama:
    """Two layers of a shape: all are alike."""
    config = replace(parse_config(SHAPES[name].config()), layers=2)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.empty((rows, columns), device=GPU, dtype=BF16)

    query, key = config.heads * config.head_dim, config.kv_heads * config.head_dim
    norm = torch.empty(config.hidden, device=GPU, dtype=BF16)
    layer = LayerWeights(
        attention_norm=norm,
        qkv=DenseProjection(matrix(query + 2 * key, config.hidden)),
        attention_out=DenseProjection(matrix(config.hidden, query)),
        mlp_norm=norm,
        gate_up=DenseProjection(matrix(2 * config.intermediate, config.hidden)),
        down=DenseProjection(matrix(config.hidden, config.intermediate)),
    )
    head = DenseProjection(matrix(config.vocabulary, config.hidden))
    embedding = matrix(config.vocabulary, config.hidden)
    return Llama(config, Weights(embedding, (layer,) * config.layers, norm, head))
