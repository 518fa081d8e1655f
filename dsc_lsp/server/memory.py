"""A watch over the server's memory, so that it never takes the machine down with it."""

import asyncio
from collections.abc import Callable

import psutil

_POLL_SECONDS = 10.0
_SHARE_OF_MACHINE = 0.9
_BACK_AT = 0.9
_MEBIBYTE = 2**20


def memory_limit(megabytes: int) -> int:
    """Return the limit in bytes; 0 megabytes mean nine tenths of the machine's memory."""
    if megabytes:
        return megabytes * _MEBIBYTE
    return int(psutil.virtual_memory().total * _SHARE_OF_MACHINE)


def used_bytes() -> int:
    """Return how much of the machine's memory this process occupies."""
    return psutil.Process().memory_info().rss


async def watch_memory(
    limit_bytes: int,
    tell: Callable[[bool], None],
    used: Callable[[], int] = used_bytes,
    poll_seconds: float = _POLL_SECONDS,
) -> None:
    """Call ``tell(True)`` when the limit is exceeded, and ``tell(False)`` well below it again."""
    exceeded = False
    while True:
        now = used()
        if not exceeded and now > limit_bytes:
            exceeded = True
            tell(True)
        elif exceeded and now < limit_bytes * _BACK_AT:
            exceeded = False
            tell(False)
        await asyncio.sleep(poll_seconds)
