"""Products of few rows with a matrix on a CPU: the same numbers however the matrix is kept."""

import numpy as np
import pytest
import torch

from dsc_lsp.engine import products


def weight(out: int = 96, wide: int = 24, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    """Return a matrix as a checkpoint of a type holds it, in float32; a row of it is tiny."""
    generator = torch.Generator().manual_seed(1)
    values = torch.randn((out, wide), generator=generator) * 0.05
    values[0] *= 1e-5
    return values.to(dtype).float()


def states(rows: int, wide: int = 24) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((rows, wide)).astype(np.float32)


def times(product: products.Product, numbers: np.ndarray, out: int = 96) -> np.ndarray:
    into = torch.full((len(numbers), out), float("nan"), dtype=torch.from_numpy(numbers).dtype)
    product.into(numbers, into)
    return into.numpy()


def half(matrix: torch.Tensor) -> products.Product:
    product = products.in_halves(matrix)
    if product is None:
        pytest.skip("this torch or this processor has no product with float16 weights")
    return product


@pytest.mark.parametrize("rows", [1, 2, 5, 16])
def test_both_ways_of_keeping_a_matrix_give_the_product(rows: int) -> None:
    matrix, numbers = weight(), states(rows)
    exact = numbers.astype(np.float64) @ matrix.numpy().astype(np.float64).T
    for product in (half(matrix), products.in_blocks(matrix)):
        assert times(product, numbers) == pytest.approx(exact, rel=1e-5, abs=1e-6)


def test_the_smallest_weights_of_a_checkpoint_are_kept_in_half_the_bits() -> None:
    """Without the scale they would be below the smallest number of float16."""
    matrix, numbers = weight(), states(1)
    assert not torch.equal(matrix.half().float(), matrix)
    exact = numbers.astype(np.float64) @ matrix[0].numpy().astype(np.float64)
    assert times(half(matrix), numbers)[0, 0] == pytest.approx(exact[0], rel=1e-4)


@pytest.mark.parametrize(
    "matrix",
    [weight(dtype=torch.float32), weight().double(), torch.full((96, 24), float("nan"))],
    ids=["more digits", "float64", "not numbers"],
)
def test_a_matrix_that_would_lose_something_is_kept_as_it_is(matrix: torch.Tensor) -> None:
    assert products.in_halves(matrix) is None
    numbers = states(3).astype(matrix.numpy().dtype)
    exact = numbers @ matrix.numpy().T
    assert times(products.product_with(matrix), numbers) == pytest.approx(
        exact, rel=1e-4, abs=1e-6, nan_ok=True
    )


@pytest.mark.parametrize("factor", [0.0, 2.0**-60, 2.0**60])
def test_a_matrix_of_any_size_is_kept_in_half_the_bits(factor: float) -> None:
    matrix, numbers = weight() * factor, states(2)
    exact = numbers @ matrix.numpy().T
    product = half(matrix)
    assert times(product, numbers) == pytest.approx(exact, rel=1e-4, abs=1e-6 * factor)
    assert 2 * product.nbytes == products.in_blocks(matrix).nbytes == matrix.nbytes


def test_a_torch_without_the_product_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "fbgemm_pack_gemm_matrix_fp16")
    assert products.in_halves(weight()) is None
    exact = states(2) @ weight().numpy().T
    assert times(products.product_with(weight()), states(2)) == pytest.approx(
        exact, rel=1e-4, abs=1e-6
    )


def test_a_row_in_blocks_does_not_depend_on_those_beside_it() -> None:
    """So drafts, which stand beside it, cannot tip a choice."""
    product, numbers = products.in_blocks(weight()), states(5)
    alone = [times(product, numbers[row : row + 1])[0] for row in range(5)]
    assert np.array_equal(times(product, numbers), np.stack(alone))
