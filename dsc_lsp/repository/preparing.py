"""Files become contents of an index, by several processes at once where there are many."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from dsc_lsp.repository.contents import Contents, contents_of
from dsc_lsp.repository.files import read
from dsc_lsp.repository.paths import FileState

Prepared: TypeAlias = list[tuple[FileState, Contents | None]]
"""Files with their contents; one that holds no code has none."""

_BATCH = 32
_WORTH_A_PROCESS = 400
_MOST_PROCESSES = 3
_AHEAD = 3
"""Batches for each process that are under way while others are written."""


def prepared(root: Path, states: Sequence[FileState], *, at_once: bool) -> Iterator[Prepared]:
    """Yield the contents of files below ``root``, some at a time, in their order.

    ``at_once`` is whether several processes may do it; they end with this one, whatever ends it.
    """
    batches = _batches(states)
    processes = min(os.cpu_count() or 1, _MOST_PROCESSES, len(states) // _WORTH_A_PROCESS)
    if at_once and processes > 1:
        yield from _by_processes(root, batches, processes)
    # What is left, if one of them has died.
    for batch in batches:
        yield _prepare(root, batch)


def _by_processes(
    root: Path, batches: Iterator[list[FileState]], processes: int
) -> Iterator[Prepared]:
    # Not forked: this process has threads.
    spawning = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, spawning, initializer=_end_with_parent)
    under_way: deque[tuple[list[FileState], Future[Prepared]]] = deque()
    try:
        while True:
            for batch in islice(batches, processes * _AHEAD - len(under_way)):
                under_way.append((batch, pool.submit(_prepare, root, batch)))
            if not under_way:
                return
            yield under_way[0][1].result()
            under_way.popleft()
    except BrokenProcessPool:
        for batch, _ in under_way:
            yield _prepare(root, batch)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _prepare(root: Path, states: Sequence[FileState]) -> Prepared:
    result: Prepared = []
    for state in states:
        text = read(root, state.path)
        result.append((state, None if text is None else contents_of(state.path, text)))
    return result


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "begun by one"

    def wait() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def _batches(states: Sequence[FileState]) -> Iterator[list[FileState]]:
    rest = iter(states)
    while batch := list(islice(rest, _BATCH)):
        yield batch
