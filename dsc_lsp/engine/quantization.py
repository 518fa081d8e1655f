"""Matrices in fewer bits, through bitsandbytes: the optional extra ``[quantization]``."""

import importlib
import logging
from typing import Any

import torch

from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.llama import DenseProjection
from dsc_lsp.engine.weights import Store

_OUTLIER = 6.0
"""Activations beyond this are multiplied in 16 bits (LLM.int8(), https://arxiv.org/abs/2208.07339)."""

_NF4_BLOCK = 64


def store_in(quantization: str, device: torch.device) -> Store:
    """Return how matrices are stored for ``none``, ``int8`` or ``nf4``.

    Raises:
        EngineError: the device or the installation cannot do it; the message names the remedy.
    """
    if quantization == "none":
        return DenseProjection
    if device.type != "cuda":
        raise EngineError(
            f"`dsc.quantization` {quantization} needs a CUDA device, and the model runs on"
            f" {device.type}. Set `dsc.quantization` to none."
        )
    try:
        library: Any = importlib.import_module("bitsandbytes")
    except ImportError:
        raise EngineError(
            f"`dsc.quantization` {quantization} needs bitsandbytes, which is not installed."
            " Run `pip install 'dsc-lsp[quantization]'` in the server's environment, or set"
            " `dsc.quantization` to none."
        ) from None
    except Exception as error:
        raise EngineError(
            f"bitsandbytes does not start ({type(error).__name__}). Install it again in the"
            " server's environment, or set `dsc.quantization` to none."
        ) from error
    # It says at every product that it computes in float16.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    if quantization == "int8":
        return lambda matrix: _Int8Projection(library, matrix)
    return lambda matrix: _Nf4Projection(library, matrix)


class _Nf4Projection:
    """A matrix in 4 bits: quantiles of the normal distribution, scaled in blocks of 64."""

    def __init__(self, library: Any, matrix: torch.Tensor) -> None:
        self._multiplied = library.matmul_4bit
        self._packed, self._state = library.functional.quantize_4bit(
            matrix.contiguous(),
            blocksize=_NF4_BLOCK,
            compress_statistics=False,
            quant_type="nf4",
        )
        self.nbytes = self._packed.nbytes + self._state.absmax.nbytes

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Return ``states`` times the matrix."""
        return self._multiplied(states, self._packed.t(), quant_state=self._state)

    def added_to(self, residual: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """Return the product added to ``residual``."""
        return self(states).add_(residual)


class _Int8Projection:
    """A matrix in 8 bits with a scale for each row; outliers among the states stay in 16 bits."""

    def __init__(self, library: Any, matrix: torch.Tensor) -> None:
        self._multiplied = library.matmul
        state = library.MatmulLtState()
        state.threshold = _OUTLIER
        state.has_fp16_weights = False
        state.is_training = False
        state.CB, state.SCB, _ = library.functional.int8_vectorwise_quant(matrix.half())
        self._state = state
        self.nbytes = state.CB.nbytes + state.SCB.nbytes

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Return ``states`` times the matrix."""
        return self._multiplied(states, self._state.CB, state=self._state).to(states.dtype)

    def added_to(self, residual: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """Return the product added to ``residual``."""
        return self(states).add_(residual)
