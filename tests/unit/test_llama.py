"""The lean forward computes what transformers computes, for every shape that it accepts."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.config import parse_config, read_config
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import Llama
from dsc_lsp.engine.steps import EagerSteps
from dsc_lsp.engine.weights import WeightsMismatch, random_weights
from dsc_lsp.models import SHAPES
from tests.checkpoints import load_model, one_thread

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
}
SCALED = {"rope_type": "linear", "factor": 4.0, "rope_theta": 100_000.0}
VARIANTS = {
    "as many keys as queries": {},
    "grouped queries": {"num_key_value_heads": 2},
    "one key for all": {"num_key_value_heads": 1},
    "tied embeddings": {"tie_word_embeddings": True},
    "scaled positions": {"rope_parameters": SCALED},
    "heads wider than hidden": {"head_dim": 16, "num_key_value_heads": 2},
    "another epsilon": {"rms_norm_eps": 1e-3},
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS)
def test_logits_are_those_of_transformers_however_the_text_is_cut(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    torch.manual_seed(7)
    reference = LlamaForCausalLM(LlamaConfig(**{**SMALL, **change})).double().eval()
    # In several files, as large checkpoints come.
    reference.save_pretrained(tmp_path, max_shard_size="30KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    ids = [random.Random(3).randrange(97) for _ in range(60)]
    with torch.inference_mode():
        wanted = reference(torch.tensor([ids])).logits[0]
    model = opened(tmp_path)
    for cuts in ([60], [1] * 60, [7, 1, 5, 40, 2, 5]):
        steps = EagerSteps(model, KVCache(model.config, 64, device=CPU, dtype=torch.float64))
        said = list[torch.Tensor]()
        for cut in cuts:
            done = len(steps.cache.ids)
            rows = steps.run(ids[done : done + cut], cut)
            assert rows.best == tuple(wanted[done : done + cut].argmax(-1).tolist())
            said.append(rows.logits)
        # transformers normalizes in float32 whatever the type of the model.
        assert torch.allclose(torch.cat(said), wanted, atol=2e-4, rtol=1e-4)


def test_old_names_in_the_config_are_understood(tmp_path: Path) -> None:
    LlamaForCausalLM(LlamaConfig(**SMALL, rope_parameters=SCALED)).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    new = read_config(path)
    config = json.loads(path.read_text())
    del config["rope_parameters"], config["head_dim"], config["num_key_value_heads"]
    config |= {"rope_scaling": {"type": "linear", "factor": 4.0}, "rope_theta": 100_000}
    path.write_text(json.dumps(config))
    assert read_config(path) == new
    assert (new.rope_factor, new.rope_theta, new.kv_heads) == (4.0, 100_000.0, 4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0}, "rope_parameters": None}, "yarn"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"num_hidden_layers": None}, "TypeError"),
        ({"hidden_size": "large"}, "ValueError"),
        ({"num_attention_heads": 0, "head_dim": None}, "ZeroDivisionError"),
    ],
)
def test_what_is_not_computed_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**LlamaConfig(**SMALL).to_dict(), **change}))
    with pytest.raises(EngineError, match=named) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


def test_weights_of_another_shape_are_named(tmp_path: Path) -> None:
    LlamaForCausalLM(LlamaConfig(**SMALL)).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace('"intermediate_size": 48', '"intermediate_size": 64'))
    with pytest.raises(WeightsMismatch) as caught:
        opened(tmp_path)
    assert len(caught.value.names) == 9
    assert caught.value.names[0] == "model.layers.0.mlp.gate_proj.weight"


@pytest.mark.parametrize("size", ["1.3b", "6.7b", "33b"])
def test_deepseek_coders_shapes_have_the_parameters_of_their_names(size: str) -> None:
    config = parse_config(SHAPES[f"deepseek-coder-{size}"].config())
    assert config.parameters == pytest.approx(float(size[:-1]) * 1e9, rel=0.04)
    assert config.rope_factor == 4


def test_random_weights_have_the_shape_without_a_checkpoint() -> None:
    config = parse_config(SHAPES["tiny"].config())
    model = Llama(config, random_weights(config, device=CPU, dtype=torch.bfloat16))
    steps = EagerSteps(model, KVCache(config, 64, device=CPU, dtype=model.dtype))
    rows = steps.run([1, 2, 3], 2)
    assert rows.logits.shape == (2, 32_256)
    assert all(0 <= token < 32_256 for token in rows.best)


def opened(directory: Path) -> Llama:
    return load_model(directory, torch.float64)
