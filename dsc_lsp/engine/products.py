"""Few rows times a matrix, on a CPU: most of what a token of a small model costs.

Reading the matrix takes the time, not computing with it, so it is kept in 16 bits wherever that
loses nothing, as with a checkpoint in bfloat16 (docs/log.md). States stay in 32 bits.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

Numbers: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix of ``nbytes`` bytes, and what multiplies states by its transpose.

    ``into`` writes the product with states of shape (rows, in) into a tensor of shape (rows, out).
    """

    into: Callable[[Numbers, torch.Tensor], object]
    nbytes: int


_COLUMNS = 32
"""Matrices of 32 bits are stored in blocks of about so many columns, each of which stands
together: a block stays in the nearest cache while each row goes through it. OpenBLAS would pack
what is not small, reading it twice, and jumps from row to row in main memory."""
_LARGEST_EXPONENT = 15
"""Of a weight once the matrix is enlarged by a power of two, which changes no digit: float16 has
more digits than bfloat16, but only down to 6e-8 and up to 65,504."""
_LOST = 2.0**-36
"""What may be lost of any weight, as a share of the largest: float32's sums lose 2**-25 of it."""


def product_with(weight: torch.Tensor) -> Product:
    """Return the product with the transpose of a matrix, shape (out, in), that is copied."""
    return in_halves(weight) or in_blocks(weight)


def in_halves(weight: torch.Tensor) -> Product | None:
    """Return the product with a matrix kept in float16; ``None`` where that is not the same one.

    Also where torch has no such product: it is FBGEMM's, for x86 with AVX2.
    """
    largest = float(weight.abs().max())
    scale = 2.0 ** (_LARGEST_EXPONENT - math.frexp(largest)[1])
    enlarged = weight * scale
    lost = (enlarged.half().float() - enlarged).abs().max()
    if weight.dtype != torch.float32 or not lost <= _LOST * scale * largest:
        return None
    try:
        # Deprecated in favour of operators that take three times as long to be called;
        # pyproject.toml holds torch to versions that have these.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            packed = torch.fbgemm_pack_gemm_matrix_fp16(enlarged)
            times = torch.fbgemm_linear_fp16_weight_fp32_activation
            out, wide = weight.shape
            times(torch.zeros(1, wide), packed, None, torch.empty(1, out))
    except (AttributeError, RuntimeError, TypeError):
        return None
    reduced = np.float32(1 / scale)

    def multiply(states: Numbers, into: torch.Tensor) -> None:
        times(torch.from_numpy(states * reduced), packed, None, into)

    return Product(multiply, 2 * weight.numel())


def in_blocks(weight: torch.Tensor) -> Product:
    """Return the product with a matrix kept as it is, in blocks of columns."""
    matrix: Numbers = weight.t().numpy()
    wide, out = matrix.shape
    columns = max(width for width in range(1, _COLUMNS + 1) if out % width == 0)
    blocks = np.ascontiguousarray(matrix.reshape(wide, -1, columns).swapaxes(0, 1))[:, None]

    def multiply(states: Numbers, into: torch.Tensor) -> None:
        # A vector at a time: (1, in) @ (in, columns) for each block and row.
        by_block = states[:, None] @ blocks
        into.numpy()[:] = by_block.swapaxes(0, 1).reshape(len(states), out)

    return Product(multiply, blocks.nbytes)
