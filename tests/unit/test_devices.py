"""Devices, types, quantization and what fits: what is not there is told with what is."""

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.engine import memory
from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.config import parse_config
from dsc_lsp.engine.devices import choose_device, choose_dtype, is_out_of_memory
from dsc_lsp.engine.memory import Precision, fitting_context, weight_bytes, what_fits
from dsc_lsp.engine.opening import residence_of
from dsc_lsp.engine.quantization import store_in
from dsc_lsp.engine.weights import random_weights
from dsc_lsp.models import SHAPES

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SIZES = ("1.3b", "6.7b", "33b")
BF16 = Precision(2)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two CUDA devices, as far as choosing one goes."""
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_how: CUDA)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)


def without_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_how: None)


def test_without_an_accelerator_it_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    without_accelerator(monkeypatch)
    assert choose_device("auto") == choose_device("cpu") == CPU


@pytest.mark.parametrize("wanted", ["cuda", "cuda:3", "xpu", "mps", "meta"])
def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    without_accelerator(monkeypatch)
    with pytest.raises(EngineError) as caught:
        choose_device(wanted)
    assert f"The device {wanted} is not there" in str(caught.value)
    assert "sees cpu only. Set `dsc.device` to one of them, or to auto" in str(caught.value)


def test_who_has_no_torch_for_the_device_is_told_where_to_get_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_accelerator(monkeypatch)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    with pytest.raises(EngineError, match=r"built without cuda: https://pytorch\.org"):
        choose_device("cuda")
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    with pytest.raises(EngineError, match=r"or to auto\.$"):
        choose_device("cuda")


@pytest.mark.usefixtures("two_gpus")
def test_the_accelerator_is_taken_and_others_are_named() -> None:
    assert choose_device("auto") == choose_device("cuda") == CUDA
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(EngineError, match="sees cpu, cuda, cuda:1"):
        choose_device("cuda:2")


@pytest.mark.usefixtures("two_gpus")
def test_on_cuda_no_attention_makes_a_plan_for_each_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (9, 0))
    before = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)
    try:
        residence_of(device="cpu", dtype="auto", quantization="none")
        assert torch.backends.cuda.cudnn_sdp_enabled()
        residence_of(device="auto", dtype="auto", quantization="none")
        assert not torch.backends.cuda.cudnn_sdp_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


@pytest.mark.parametrize("wanted", ["", "abacus", "cuda:", "cuda:x", "gpu"])
def test_what_is_no_device(wanted: str) -> None:
    with pytest.raises(EngineError, match=r"is not a device\. Set `dsc\.device` to auto"):
        choose_device(wanted)


@pytest.mark.parametrize(
    ("device", "capability", "expected"),
    [
        pytest.param("cuda", (9, 0), torch.bfloat16, id="Hopper"),
        pytest.param("cuda", (8, 0), torch.bfloat16, id="Ampere"),
        pytest.param("cuda", (7, 5), torch.float16, id="Turing"),
        pytest.param("xpu", None, torch.bfloat16, id="xpu"),
        pytest.param("mps", None, torch.float16, id="mps"),
        pytest.param("cpu", None, torch.float32, id="cpu"),
    ],
)
def test_the_type_that_fits_the_device(
    monkeypatch: pytest.MonkeyPatch, device: str, capability: Any, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    assert choose_dtype(torch.device(device), "auto") is expected


@pytest.mark.parametrize("wanted", ["bfloat16", "float16", "float32"])
def test_the_type_that_the_user_wants(wanted: str) -> None:
    assert choose_dtype(CPU, wanted) is getattr(torch, wanted)


def test_a_type_that_the_device_cannot_compute_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_tensors: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("'addmm_impl' not implemented for 'Half'")

    monkeypatch.setattr(torch, "addmm", refuse)
    with pytest.raises(EngineError, match=r"does not compute in float16\. Set `dsc\.dtype` to"):
        choose_dtype(CPU, "float16")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
    ],
)
def test_running_out_of_memory_is_told_from_other_failures(
    error: RuntimeError, *, expected: bool
) -> None:
    assert is_out_of_memory(error) is expected


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_quantization_needs_cuda(quantization: str) -> None:
    with pytest.raises(EngineError, match=r"needs a CUDA device.*`dsc\.quantization` to none"):
        residence_of(device="cpu", dtype="auto", quantization=quantization)


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_quantization_needs_the_extra(monkeypatch: pytest.MonkeyPatch, quantization: str) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(EngineError, match=r"pip install 'dsc-lsp\[quantization\]'"):
        store_in(quantization, CUDA)


def test_a_library_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_name: str) -> Any:
        raise OSError("libcudart.so.13: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(EngineError, match=r"bitsandbytes does not start \(OSError\)"):
        store_in("nf4", CUDA)


def halves() -> Any:
    """A stand-in for bitsandbytes that keeps matrices as they are, in the calls that we make."""

    def quantize_4bit(matrix: torch.Tensor, **how: Any) -> tuple[torch.Tensor, Any]:
        assert matrix.is_contiguous()
        assert how["quant_type"] == "nf4"
        return matrix.reshape(-1, 1), SimpleNamespace(shape=matrix.shape, absmax=matrix[:, 0])

    def matmul_4bit(states: torch.Tensor, packed: torch.Tensor, *, quant_state: Any) -> Any:
        return states @ packed.t().view(quant_state.shape).t()

    def int8_vectorwise_quant(matrix: torch.Tensor) -> Any:
        assert matrix.dtype is torch.float16
        return matrix, matrix[:, 0], None

    def matmul(states: torch.Tensor, matrix: torch.Tensor, *, state: Any) -> torch.Tensor:
        assert state.threshold == 6
        assert not state.is_training
        return states.half() @ matrix.t()

    functional = SimpleNamespace(
        quantize_4bit=quantize_4bit, int8_vectorwise_quant=int8_vectorwise_quant
    )
    return SimpleNamespace(
        functional=functional,
        matmul_4bit=matmul_4bit,
        matmul=matmul,
        MatmulLtState=SimpleNamespace,
    )


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_a_quantized_matrix_multiplies_as_the_library_does(
    monkeypatch: pytest.MonkeyPatch, quantization: str
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", halves())
    matrix, states = torch.randn(8, 64), torch.randn(3, 64)
    projection = store_in(quantization, CUDA)(matrix)
    torch.testing.assert_close(projection(states), states @ matrix.t(), atol=0.1, rtol=0.01)
    residual = torch.randn(3, 8)
    torch.testing.assert_close(
        projection.added_to(residual, states), residual + projection(states), atol=0, rtol=0
    )
    assert projection.nbytes > 0


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_a_quantized_matrix_with_the_library_itself(quantization: str) -> None:
    library = pytest.importorskip("bitsandbytes")
    assert library is not None
    matrix, states = torch.randn(128, 256), torch.randn(3, 256)
    projection = store_in(quantization, CUDA)(matrix)
    product = states @ matrix.t()
    error = (projection(states) - product).abs().mean() / product.abs().mean()
    assert error < {"int8": 0.03, "nf4": 0.2}[quantization]
    assert projection.nbytes < matrix.nbytes * {"int8": 0.3, "nf4": 0.2}[quantization]


def test_the_bytes_of_weights_are_those_that_are_there() -> None:
    config = parse_config(SHAPES["tiny"].config())
    weights = random_weights(config, device=CPU, dtype=torch.float32)
    per_token = config.parameters_per_token * 4
    assert weights.bytes_per_token == per_token
    assert weight_bytes(config, Precision(4)) == per_token + weights.embedding.nbytes


@pytest.mark.parametrize(
    ("size", "bf16", "int8", "nf4"),
    [("1.3b", 2.5, 1.4, 0.9), ("6.7b", 12.6, 6.5, 3.9), ("33b", 62.1, 31.5, 18.1)],
)
def test_sizes_of_deepseek_coder(size: str, bf16: float, int8: float, nf4: float) -> None:
    config = parse_config(SHAPES[f"deepseek-coder-{size}"].config())
    gibibytes = [
        weight_bytes(config, Precision(2, quantization)) / 2**30
        for quantization in ("none", "int8", "nf4")
    ]
    assert gibibytes == pytest.approx([bf16, int8, nf4], abs=0.06)


@given(
    size=st.sampled_from(SIZES),
    quantization=st.sampled_from(["none", "int8", "nf4"]),
    free=st.integers(0, 200 * 2**30),
)
def test_what_is_said_to_fit_fits(size: str, quantization: str, free: int) -> None:
    config = parse_config(SHAPES[f"deepseek-coder-{size}"].config())
    precision = Precision(2, quantization)
    tokens = fitting_context(config, precision, free)
    needed = weight_bytes(config, precision) + tokens * memory.bytes_per_position(
        config, precision
    )
    assert 0 <= tokens <= config.positions
    assert needed <= free or tokens == 0
    assert what_fits(config, precision, free).endswith(".")


def test_what_would_fit_is_told() -> None:
    config = parse_config(SHAPES["deepseek-coder-6.7b"].config())
    assert what_fits(config, BF16, 24 * 2**30).startswith(
        "What would fit: this model with `dsc.contextTokens` 16384"
    )
    small = what_fits(config, BF16, 8 * 2**30)
    assert "`dsc.quantization` nf4 (up to" in small
    assert "deepseek-coder-1.3b (up to 16384 tokens)" in small
    assert "33b" not in small
    assert what_fits(config, BF16, 2**29) == "No DeepSeek-Coder fits there; `starter` does."
