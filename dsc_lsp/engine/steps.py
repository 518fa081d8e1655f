"""One run of the model over new tokens: eagerly here, from captured graphs in ``graphs``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from dsc_lsp.engine.choice import Numbers
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import Llama, Place
from dsc_lsp.engine.pace import Pace


@dataclass(frozen=True, slots=True)
class Rows:
    """What a model says after tokens, one row each.

    ``logits`` has shape (rows, vocabulary) and holds until the next run; ``best`` are the
    likeliest tokens with their natural log likelihoods, empty where that is left to who reads a
    row.
    """

    logits: torch.Tensor
    best: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()

    def likeliest(self) -> tuple[int, ...]:
        """Return the likeliest token of each row, whoever has looked for it."""
        return self.best or tuple(self.logits.argmax(dim=-1).tolist())

    def row(self, index: int) -> Numbers:
        """Return the logits of a row in main memory, in float32 at least."""
        row = self.logits[index]
        return (row.float() if row.itemsize < 4 else row).cpu().numpy()


class Steps(Protocol):
    """Runs a model over tokens that follow those its cache stands for; engine thread only."""

    @property
    def cache(self) -> KVCache:
        """The cache that the steps read and fill."""
        ...

    @property
    def pace(self) -> Pace:
        """How many tokens of a prompt are read in one run."""
        ...

    def run(self, ids: Sequence[int], rows: int) -> Rows:
        """Read ``ids``, at least one; returns what follows the last ``rows`` of them.

        The cache stands for them, too, when this returns, and not if it raises.
        """
        ...


class EagerSteps:
    """Runs each operation by itself, on any device."""

    def __init__(self, model: Llama, cache: KVCache) -> None:
        self._model = model
        self.cache = cache
        self.pace = Pace()
        self._numbers = torch.arange(cache.capacity, device=model.device)

    def run(self, ids: Sequence[int], rows: int) -> Rows:
        """Read tokens and return what follows the last ``rows`` of them."""
        start = len(self.cache.ids)
        end = start + len(ids)
        positions = self._numbers[start:end]
        mask = None
        if len(ids) > 1:
            mask = causal_mask(positions, self._numbers[:end], self._model.dtype)
        tokens = torch.tensor(ids, device=self._model.device)
        place = Place(positions, positions, end, mask)
        states = self._model.forward(tokens, place, self.cache)
        logits, readout = read_out(self._model, states[len(ids) - rows :])
        best, logprobs = readout.tolist()
        self.cache.extend(ids)
        return Rows(logits, tuple(map(int, best)), tuple(logprobs))


@torch.inference_mode()
def causal_mask(
    positions: torch.Tensor,
    columns: torch.Tensor,
    dtype: torch.dtype,
    hidden: float = float("-inf"),
) -> torch.Tensor:
    """Return what to add to the scores so that no token sees what stands behind it.

    Shape (tokens, columns), 0 or ``hidden``.
    """
    mask = torch.zeros(
        (positions.shape[0], columns.shape[0]), device=positions.device, dtype=dtype
    )
    return mask.masked_fill_(columns > positions.unsqueeze(1), hidden)


@torch.inference_mode()
def read_out(model: Llama, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits, and the likeliest ids over their log likelihoods: float32, shape (2, rows).

    In one tensor, so that one copy brings both to the host; float32 holds every id exactly.
    """
    logits = model.logits(states)
    likelihoods, best = torch.log_softmax(logits.float(), dim=-1).max(dim=-1)
    return logits, torch.stack((best.float(), likelihoods))
