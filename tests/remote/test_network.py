"""The network's thread ends without leaving work behind."""

import asyncio
import gc
from concurrent.futures import CancelledError, Future

import pytest

from dsc_lsp.engine.remote.network import Network


def test_work_that_begins_while_the_last_things_are_done_is_given_up():
    network = Network()
    begun: list[Future[None]] = []

    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def goodbye() -> None:
        begun.append(network.start(for_ever()))

    network.close(goodbye)
    gc.collect()
    with pytest.raises(CancelledError):
        begun[0].result(5)
