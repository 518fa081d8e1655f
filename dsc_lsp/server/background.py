"""Work for the engine that nobody waits for: given up as soon as somebody does."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.engine.base import Engine, EngineError
from dsc_lsp.engine.worker import EngineWorker
from dsc_lsp.server.failures import place_of

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class Background:
    """What the engine does while it has nothing better to do; event loop only."""

    def __init__(self, worker: EngineWorker) -> None:
        self._worker = worker
        self._cancel = CancelToken()

    def give_way(self) -> None:
        """Give up whatever is under way: the engine is free at its next token."""
        self._cancel.cancel()
        self._cancel = CancelToken()

    async def run(
        self,
        work: Callable[[Engine, CancelToken], _T],
        then: Callable[[_T], Any],
    ) -> None:
        """Do some work and hand its result on, unless it is given up or fails."""
        cancel = self._cancel
        try:
            result = await self._worker.run(work, cancel)
        except (Cancelled, EngineError):
            return
        except Exception as error:  # noqa: BLE001 - nobody waits for it; who asks will be told
            _log.error("work in the background failed: %s", place_of(error))
            return
        then(result)
