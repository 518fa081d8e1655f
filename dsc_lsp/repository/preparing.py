"""Files are read and parsed for an index, by several processes at once where there are many."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias, TypeVar

from dsc_lsp.repository.contents import (
    Contents,
    contents_of,
    packed,
    structure_of,
    text_in,
    type_names,
)
from dsc_lsp.repository.files import read
from dsc_lsp.repository.paths import FileState
from dsc_lsp.repository.store import Store, Unparsed

Prepared: TypeAlias = list[tuple[FileState, Contents | None]]
"""Files with their contents; one that holds no code has none."""

Parsed: TypeAlias = list[tuple[int, bytes, str]]
"""The numbers of files with their structures as they are kept, and the names of their types."""

_T = TypeVar("_T")
_R = TypeVar("_R")

_BATCH = 32
_WORTH_A_PROCESS = 400
_MOST_PROCESSES = 3
_AHEAD = 3
"""Batches for each process that are under way while others are written."""


def prepared(root: Path, states: Sequence[FileState], *, at_once: bool) -> Iterator[Prepared]:
    """Yield the contents of files below ``root``, some at a time, in their order.

    ``at_once`` is whether several processes may do it; they end with this one, whatever ends it.
    """
    processes = _worthwhile(len(states)) if at_once else 1
    yield from _in_order(partial(_prepare, root), _batches(states), processes)


def parsed(store: Store, *, at_once: bool) -> Iterator[Parsed]:
    """Yield the structures of the files that have none, some at a time; as ``prepared``."""
    processes = _worthwhile(store.unparsed_count()) if at_once else 1
    yield from _in_order(_parse, _unparsed(store), processes)


def _worthwhile(files: int) -> int:
    return min(os.cpu_count() or 1, _MOST_PROCESSES, files // _WORTH_A_PROCESS)


def _in_order(
    call: Callable[[Sequence[_T]], _R], batches: Iterator[Sequence[_T]], processes: int
) -> Iterator[_R]:
    """Yield what a call makes of each batch."""
    if processes > 1:
        yield from _by_processes(call, batches, processes)
    # What is left, if one of them has died.
    yield from map(call, batches)


def _by_processes(
    call: Callable[[Sequence[_T]], _R], batches: Iterator[Sequence[_T]], processes: int
) -> Iterator[_R]:
    # Not forked: this process has threads.
    spawning = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, spawning, initializer=_end_with_parent)
    under_way: deque[tuple[Sequence[_T], Future[_R]]] = deque()
    try:
        while True:
            for batch in islice(batches, processes * _AHEAD - len(under_way)):
                under_way.append((batch, pool.submit(call, batch)))
            if not under_way:
                return
            yield under_way[0][1].result()
            under_way.popleft()
    except BrokenProcessPool:
        for batch, _ in under_way:
            yield call(batch)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _prepare(root: Path, states: Sequence[FileState]) -> Prepared:
    texts = ((state, read(root, state.path)) for state in states)
    return [(state, None if text is None else contents_of(text)) for state, text in texts]


def _parse(files: Sequence[Unparsed]) -> Parsed:
    structures = ((file, structure_of(path, text_in(text))) for file, path, text in files)
    return [(file, packed(one), type_names(one.outline)) for file, one in structures]


def _unparsed(store: Store) -> Iterator[list[Unparsed]]:
    last = 0
    while files := store.unparsed(last, _BATCH):
        last = files[-1].file
        yield files


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
