"""The index: files come and go, and at a cursor it is asked what followed elsewhere."""

import ctypes
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress
from typing import TypeVar

from dsc_lsp.lookup.occurrences import ELSEWHERE, GONE, Source, Sources, Surroundings
from dsc_lsp.lookup.prediction import Prediction
from dsc_lsp.lookup.segment import Joining, Segment, Text, plain

_FRESH_BYTES = 16 * 1024
"""Changed texts of no more bytes than this are looked through at each question; more are sorted.

The one that changed last does not count: it would be sorted again at each key, and is mostly the
one that is asked about, which is looked through anyway.
"""
_PAUSE_SECONDS = 0.05
"""So long after a change its sorting begins: the question that follows a key would wait for it."""
_SEGMENT_BYTES = 64 * 1024 * 1024
_TINY_BYTES = 2 * 1024 * 1024
"""So much is sorted in 0.2 s."""
_MUCH_BYTES = 16 * 1024 * 1024
"""To join and sort so much takes memory that is worth giving back."""
_MERGED_AT_ONCE = 3
_Version = TypeVar("_Version")


@dataclass(eq=False)
class _Sorted:
    """A segment, and of each of its files whether it is as it was when it was sorted.

    As in ``Source``: ``ELSEWHERE`` if it is, else ``GONE``.
    """

    segment: Segment
    nearness: bytearray

    @property
    def size(self) -> int:
        return self.segment.text.size

    @property
    def is_small(self) -> bool:
        return self.size < _SEGMENT_BYTES // 2

    @property
    def is_stale(self) -> bool:
        return 2 * self.nearness.count(ELSEWHERE) < len(self.nearness)


class Index:
    """Texts by path, in which is found what followed the text before a cursor.

    A changed file is kept as it is and looked through; once there is much of that it is sorted
    into a segment, and small segments are sorted anew into a larger one. Any thread may use it:
    questions and changes never wait while another thread sorts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sorting = threading.Lock()
        self._fresh: dict[str, bytes] = {}
        self._fresh_without: tuple[str, Text] | None = None
        self._joining = Joining()
        self._waiting: dict[str, tuple[Joining, int]] = {}
        self._segments: tuple[_Sorted, ...] = ()
        self._home: dict[str, tuple[_Sorted, int]] = {}
        self._sources: tuple[Source, ...] | None = None
        self._sorter: threading.Timer | None = None

    def __len__(self) -> int:
        """How many files are known."""
        with self._lock:
            return len(self._fresh) + len(self._waiting) + len(self._home)

    def update(self, path: str, text: str) -> None:
        """Know this text of a file from now on; returns at once.

        Once in a while a thread sorts what has changed a little later, which takes some 50 ms.
        """
        data = plain(text)
        with self._lock:
            self._forget(path)
            self._fresh[path] = data
            if self._is_much and self._sorter is None:
                self._sorter = threading.Timer(_PAUSE_SECONDS, self._sort_much)
                self._sorter.name, self._sorter.daemon = "lookup", True
                self._sorter.start()

    def settle(self) -> None:
        """Wait until what has changed by now is sorted, as far as it is to be."""
        with self._lock:
            sorter = self._sorter
        if sorter is not None:
            sorter.join()

    def update_all(self, files: Iterable[tuple[str, str]]) -> None:
        """Know many files: some 5 s for 40 MB, so meant for a thread in the background.

        They take part in answers once all are sorted, or many megabytes of them.
        """
        size = total = 0
        for path, text in files:
            data = plain(text)
            with self._lock:
                self._forget(path)
                self._waiting[path] = self._joining, self._joining.add(path, data)
            size += len(data)
            total += len(data)
            if size > _SEGMENT_BYTES:
                self._sort_waiting()
                size = 0
        self._sort_waiting()
        if total > _MUCH_BYTES:
            _give_back()

    def remove(self, path: str) -> None:
        """Know a file no longer; one that was never known is no error."""
        with self._lock:
            self._forget(path)

    def at(self, path: str, before: str, after: str) -> Prediction:
        """Return what may follow at a cursor in a file, between these two texts.

        What the index knows of the file itself is left out: the two texts are newer.
        """
        with self._lock:
            sources = Sources(self._sorted_without(path), self._changed_without(path))
        return Prediction(Surroundings.of(path, before, after), sources)

    def _sorted_without(self, path: str) -> tuple[Source, ...]:
        """Return what is sorted, without one file."""
        every = self._sources
        if every is None:
            every = tuple(
                Source(one.segment, bytes(one.nearness), one.size) for one in self._segments
            )
            self._sources = every
        home = self._home.get(path)
        if home is None:
            return every
        own, number = self._segments.index(home[0]), home[1]
        return (*every[:own], every[own].without(number), *every[own + 1 :])

    def _changed_without(self, path: str) -> Text:
        """Return what has changed since it was sorted, without one file.

        Whoever types changes one file in the midst of questions there, so the others are kept.
        """
        if self._fresh_without is None or self._fresh_without[0] != path:
            others = {other: data for other, data in self._fresh.items() if other != path}
            self._fresh_without = path, Text.of(others)
        return self._fresh_without[1]

    def _forget(self, path: str) -> None:
        self._fresh.pop(path, None)
        if self._fresh_without is not None and self._fresh_without[0] != path:
            self._fresh_without = None
        self._waiting.pop(path, None)
        home = self._home.pop(path, None)
        if home is not None:
            home[0].nearness[home[1]] = GONE
            self._sources = None

    @property
    def _is_much(self) -> bool:
        """Whether more has changed than is worth looking through at each question."""
        others = list(self._fresh.values())[:-1]
        return sum(map(len, others)) > _FRESH_BYTES

    def _sort_much(self) -> None:
        while True:
            self._sort_fresh()
            with self._lock:
                if not self._is_much:
                    self._sorter = None
                    return

    def _sort_fresh(self) -> None:
        with self._sorting:
            with self._lock:
                batch = dict(list(self._fresh.items())[:-1])
            self._sort(Text.of(batch), self._fresh, list(batch.values()))

    def _sort_waiting(self) -> None:
        with self._sorting:
            with self._lock:
                joining, self._joining = self._joining, Joining()
            text = joining.text()
            if len(text.data) > _MUCH_BYTES:
                _give_back()
            self._sort(text, self._waiting, [(joining, start) for start in text.starts])

    def _sort(self, text: Text, unsorted: dict[str, _Version], versions: list[_Version]) -> None:
        """Make a segment of a text of ``_fresh`` or ``_waiting``, and merge small ones."""
        if not text.paths:
            return
        segment = Segment.of(text)
        with self._lock:
            current = [
                unsorted.get(path) == version
                for path, version in zip(text.paths, versions, strict=True)
            ]
            self._add(segment, current)
            for path in compress(text.paths, current):
                del unsorted[path]
            self._fresh_without = None
        self._merge()

    def _merge(self) -> None:
        """Sort small segments into one, when there are many, and drop what is no longer live."""
        stale = [one for one in self._segments if one.is_stale]
        small = [one for one in self._segments if one.is_small and one not in stale]
        merged = stale + _worth_merging(sorted(small, key=lambda one: one.size))
        if not merged:
            return
        with self._lock:
            homes = {
                path: home
                for one in merged
                for path in one.segment.text.paths
                if (home := self._home.get(path)) is not None and home[0] is one
            }
        joining = Joining()
        for path, (one, number) in homes.items():
            joining.add(path, one.segment.text.file(number))
        segment = Segment.of(joining.text()) if homes else None
        with self._lock:
            self._segments = tuple(one for one in self._segments if one not in merged)
            self._sources = None
            if segment is not None:
                self._add(segment, [self._home.get(path) is home for path, home in homes.items()])

    def _add(self, segment: Segment, current: Sequence[bool]) -> None:
        """Use a segment from now on, of its files only those that are current."""
        one = _Sorted(segment, bytearray(ELSEWHERE if is_live else GONE for is_live in current))
        self._segments = (*self._segments, one)
        self._sources = None
        for number, path in enumerate(segment.text.paths):
            if current[number]:
                self._home[path] = (one, number)


def _worth_merging(small: Sequence[_Sorted]) -> list[_Sorted]:
    """Return which of small segments, the smallest first, are to become one."""
    if len(small) >= _MERGED_AT_ONCE:
        return _of_like_size(small)
    # Each costs every question, however little is in it.
    tiny = [one for one in small if one.size < _TINY_BYTES]
    return tiny if len(tiny) > 1 else []


def _of_like_size(segments: Sequence[_Sorted]) -> list[_Sorted]:
    """Return the smallest segments, up to one that is larger than all of them together.

    So a large one is not sorted anew for every few small ones, and none becomes larger than those
    of many files at once, which is what sorting has memory for.
    """
    merged, size = list(segments[:2]), sum(one.size for one in segments[:2])
    for one in segments[2:]:
        if one.size > size or one.size + size > _SEGMENT_BYTES:
            break
        merged.append(one)
        size += one.size
    return merged


def _give_back() -> None:
    """Give the system back what was needed: glibc keeps it, nearly as much as the index."""
    with suppress(OSError, AttributeError, TypeError):  # another C library, or none to be asked
        ctypes.CDLL(None).malloc_trim(0)
