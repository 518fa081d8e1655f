"""A smaller model of the same family that guesses what the large one writes, token by token."""

import logging
from collections.abc import Callable, Sequence

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import Effort
from dsc_lsp.engine.decode import prefill
from dsc_lsp.engine.devices import is_out_of_memory
from dsc_lsp.engine.graphs import steps_over
from dsc_lsp.engine.kv_cache import KVCache
from dsc_lsp.engine.llama import Llama
from dsc_lsp.engine.room import give_back
from dsc_lsp.engine.steps import Rows, Steps

_log = logging.getLogger(__name__)


class DraftModel:
    """A model with the keys and values of what it has read; engine thread only.

    Where memory runs out it gives up its own and guesses nothing from then on: answers do not
    need it.
    """

    def __init__(self, model: Llama, tokens: int, quantization: str = "none") -> None:
        """Make room for so many tokens.

        Raises:
            RuntimeError, MemoryError: there is none.
        """
        self.weight_bytes = model.weight_bytes
        self._device = model.device
        cache = KVCache(model.config, tokens, device=model.device, dtype=model.dtype)
        self._steps: Steps | None = steps_over(model, cache, quantization)

    @property
    def is_there(self) -> bool:
        """Whether it still guesses."""
        return self._steps is not None

    def guess(
        self,
        ids: Sequence[int],
        most: int,
        chosen: Callable[[Rows, Sequence[int]], int],
        cancel: CancelToken,
    ) -> Sequence[int]:
        """Return what may follow ``ids``, at most so many tokens.

        ``chosen`` takes a token from the first of some rows, after the tokens guessed before it.

        Raises:
            Cancelled: while it read.
        """
        try:
            return self._guess(ids, most, chosen, cancel)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Not in the handler: the error's traceback holds tensors.
        self.leave()
        return ()

    def leave(self) -> None:
        """Give the memory back and guess nothing from now on."""
        _log.warning("the draft model is given up, to save memory")
        self._steps = None
        give_back(self._device)

    def _guess(
        self,
        ids: Sequence[int],
        most: int,
        chosen: Callable[[Rows, Sequence[int]], int],
        cancel: CancelToken,
    ) -> Sequence[int]:
        steps = self._steps
        if steps is None or len(ids) + most - 1 > steps.cache.capacity:
            return ()
        steps.cache.crop(min(steps.cache.common_prefix(ids), len(ids) - 1))
        rows = prefill(steps, ids, cancel, Effort())
        said = list[int]()
        while True:
            said.append(chosen(rows, said))
            if len(said) >= most:
                return said
            cancel.check()
            rows = steps.run(said[-1:], 1)
