"""The KV cache of an engine and the steps over it, in as much memory as there is."""

import logging
from collections.abc import Callable

import torch

from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.devices import available_bytes, describe, is_out_of_memory
from dsc_lsp.engine.graphs import steps_over
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import Llama
from dsc_lsp.engine.memory import LEAST_CONTEXT_TOKENS, Precision, weight_bytes, what_fits
from dsc_lsp.engine.steps import Steps

_log = logging.getLogger(__name__)


class Room:
    """A cache for ``tokens`` tokens, fewer where memory has run out; engine thread only.

    Tokens are halved down to a floor; the user is told the first time (``announce_to``).
    """

    def __init__(self, model: Llama, tokens: int, quantization: str = "none") -> None:
        self.tokens = tokens
        self._asked = tokens
        self._model = model
        self._precision = Precision(model.dtype.itemsize, quantization)
        self._steps: Steps | None = None
        self._note = ""
        self._tell: Callable[[str], None] | None = None
        self._open()

    @property
    def steps(self) -> Steps:
        """The steps; after a failure for want of memory it is tried again to make some.

        Raises:
            EngineError: there is still no memory.
        """
        return self._steps or self._open()

    @property
    def cache(self) -> KVCache:
        """The cache that the steps read and fill; raises as ``steps`` does."""
        return self.steps.cache

    def announce_to(self, tell: Callable[[str], None]) -> None:
        """Call ``tell`` once with words for the user when tokens are, or have been, halved."""
        self._tell = tell
        if self._note:
            tell(self._note)

    def shrink(self) -> None:
        """Make do with half the tokens because memory ran out; nothing is known afterwards.

        Must not be called while the failure is handled: its traceback holds tensors.

        Raises:
            EngineError: there are so few already that this is the end; what there is stays.
        """
        give_back(self._model.device)
        self._halve()
        self._steps = None
        give_back(self._model.device)
        self._open()

    def _open(self) -> Steps:
        """Make cache and steps, of half as many tokens as long as they do not fit."""
        while True:
            steps = self._made()
            if steps is not None:
                self._steps = steps
                return steps
            give_back(self._model.device)
            self._halve()

    def _made(self) -> Steps | None:
        model = self._model
        try:
            cache = KVCache(model.config, self.tokens, device=model.device, dtype=model.dtype)
            return steps_over(model, cache, self._precision.quantization)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _halve(self) -> None:
        device = self._model.device
        half = self.tokens // 2
        if half < LEAST_CONTEXT_TOKENS:
            raise EngineError(
                f"{describe(device)} ran out of memory with {self.tokens} tokens of context."
                f" {what_fits(self._model.config, self._precision, self._bytes())}"
                " Or close other programs that use it."
            )
        self.tokens = half
        _log.warning("out of memory; %d tokens of context from now on", half)
        if self._note:
            return
        self._note = (
            f"{describe(device)} has too little memory for `dsc.contextTokens` {self._asked}:"
            f" {half} or fewer are used until the server starts again. Set it lower, or"
            " close other programs that use it."
        )
        if self._tell is not None:
            self._tell(self._note)

    def _bytes(self) -> int:
        """Return what would be free without the model: what is free and what it occupies."""
        kept = 0 if self._steps is None else self._steps.cache.bytes
        weights = weight_bytes(self._model.config, self._precision)
        return available_bytes(self._model.device) + weights + kept


def give_back(device: torch.device) -> None:
    """Return memory that nothing occupies any longer to the device."""
    if device.type != "cpu":
        torch.accelerator.memory.empty_cache()
