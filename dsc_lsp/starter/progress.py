"""How far a step is and how long it will still take, told about every ten seconds.

Lines instead of a bar: builds run for hours into files, where a bar is one endless line.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Report = Callable[[str], None]

SECONDS = 10.0  # between two reports
_STATE = "{desc}: {n_fmt} of {total_fmt}, {elapsed}, {remaining} left"

T = TypeVar("T")
R = TypeVar("R")


def watched(items: Iterable[T], total: int, label: str, report: Report) -> Iterator[T]:
    """Yield the items and tell of every ten seconds how many of about ``total`` are done."""
    started = shown = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - shown >= SECONDS:
            shown = now
            report(state(label, done, total, now - started))
        yield item


def state(label: str, done: int, total: int, seconds: float, *, begun: int = 0) -> str:
    """Say how many of ``total`` are done, and how long the rest takes.

    ``seconds`` were needed for those since the first ``begun``, of which there is at least one.
    """
    return tqdm.format_meter(
        min(done, total), total, seconds, initial=begun, prefix=label, bar_format=_STATE
    )


def waited_for(work: Callable[[], R], expected: float, label: str, report: Report) -> R:
    """Return what ``work`` returns, which tells nothing of its progress itself.

    It runs on another thread, so that the main thread hears signals; ``expected`` are the
    seconds that it takes by experience.
    """
    results: list[R] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    started = time.monotonic()
    thread = threading.Thread(target=run, name=label, daemon=True)
    thread.start()
    while thread.join(SECONDS) or thread.is_alive():
        seconds = time.monotonic() - started
        left = tqdm.format_interval(max(expected - seconds, 1.0))
        report(f"{label}: {tqdm.format_interval(seconds)}, about {left} left")
    if errors:
        raise errors[0]
    return results[0]
