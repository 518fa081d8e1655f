"""Muon, an optimizer for the matrices of a network (https://kellerjordan.github.io/posts/muon/)."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Muon:
    """Momentum whose update is made orthogonal by a Newton-Schulz iteration.

    Matrices of one shape are stacked, which is much faster on a CPU than one at a time.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        precision: torch.dtype = torch.float32,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        self._groups: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for matrix in matrices:
            self._groups.setdefault(tuple(matrix.shape), []).append(matrix)
        self._momenta = {
            shape: torch.zeros(len(group), *shape, device=group[0].device)
            for shape, group in self._groups.items()
        }
        self._precision = precision
        self._momentum = momentum
        self._weight_decay = weight_decay

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change every matrix with learning rate ``rate``."""
        for (height, width), group in self._groups.items():
            gradients = torch.stack([_gradient(matrix) for matrix in group])
            momenta = self._momenta[height, width]
            momenta.lerp_(gradients, 1 - self._momentum)
            nesterov = gradients.lerp_(momenta, self._momentum)
            updates = orthogonal(nesterov.to(self._precision)).to(nesterov.dtype)
            scale = -rate * max(1.0, height / width) ** 0.5
            for matrix, update in zip(group, updates, strict=True):
                matrix.mul_(1 - rate * self._weight_decay).add_(update, alpha=scale)

    def state_dict(self) -> dict[str, Any]:
        """Return the momenta, to be stored."""
        return {"momenta": self._momenta}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over stored momenta."""
        for shape, momenta in state["momenta"].items():
            self._momenta[shape].copy_(momenta)


def orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Return nearly the nearest matrices with equal singular values; shape (n, rows, columns)."""
    tall = matrices.shape[1] > matrices.shape[2]
    current = matrices.mT if tall else matrices
    current = current / (current.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        square = current @ current.mT
        mixed = -4.7750 * square + 2.0315 * (square @ square)
        current = 3.4445 * current + mixed @ current
    return current.mT if tall else current


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
