"""Texts in which is found what stands before a place: by bisection in sorted files, or by looking.

Every text has zeros at both ends and a zero behind each file, so that nothing is read past an end
and the start of a file is something that can match.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup.lexemes import Bytes, Places, boundaries

LONGEST = 64
"""Matches are told apart up to so many bytes."""

_KEY_BYTES = 24
_WORD_BYTES = 8
_SPACING = 64
"""The word before each so many-th place is kept, so that few places are touched in a search."""
_REMEMBERED = 8
_FEW = 48
"""So many places are worth no effort to find the best of them."""
_REACH = 4096
_SORTED_AT_ONCE = 200_000
_PAIRS = 1 << 16
NO_BYTE = b"\xff"
"""No text in UTF-8 holds it."""
Ordered: TypeAlias = npt.NDArray[np.int32]
Pairs: TypeAlias = npt.NDArray[np.uint16]
_LINE_BREAK = re.compile(r"\r\n?")


@dataclass(frozen=True)
class Padded:
    """A text with zeros at both ends, to be looked through."""

    data: bytes

    @cached_property
    def array(self) -> Bytes:
        """The bytes as an array."""
        return np.frombuffer(self.data, np.uint8)

    def scan(self, before: bytes, least: int, near: int, shortest: int = 1) -> list[int]:
        """Return the places with the longest matches, ascending, by looking at the whole text.

        At least so many, if there are, and hardly more than are told apart at no cost. Of those
        that agree equally far, or in many bytes, the nearest to a place on both sides of it; none
        amid a run of blanks. Of matches shorter than ``shortest`` some may be missing.
        """
        there, last = self.array, before[-1]
        agree = there[LONGEST - 1 : -LONGEST] == last
        if last in b" \t":
            agree &= there[LONGEST : 1 - LONGEST] != last
        # Two bytes at once leave few places to look at one by one.
        both = there[LONGEST - 2 : -LONGEST - 1] == before.rjust(2, NO_BYTE)[-2]
        both &= agree
        places = both.nonzero()[0]
        places += LONGEST
        missing = least - len(places)
        if missing > 0 and shortest <= 1:
            agree ^= both
            others = _nearest_true(agree, near - LONGEST, missing)
            return sorted([*places.tolist(), *[at + LONGEST for at in others]])
        most = max(least, _FEW)
        for distance in range(3, min(_KEY_BYTES, len(before)) + 1):
            if len(places) <= (most if distance > shortest else least):
                return places.tolist()
            agree = there[places - distance] == before[-distance]
            longer = places[agree]
            missing = least - len(longer)
            if missing > 0 and distance > shortest:
                others = _nearest(places[~agree], near, missing)
                return sorted([*longer.tolist(), *others])
            places = longer
        return places.tolist() if len(places) <= most else _nearest(places, near, least)


def _nearest(places: Places, near: int, most: int) -> list[int]:
    """Return the places nearest to one, at most so many on each side of it; places ascend."""
    at = int(places.searchsorted(near))
    return places[max(0, at - most) : at + most].tolist()


def _nearest_true(holds: npt.NDArray[np.bool_], near: int, most: int) -> list[int]:
    """Return the places nearest to one for which something holds, as above."""
    for reach in (_REACH, near + len(holds)):
        start = max(0, near - reach)
        places = holds[start : near + reach].nonzero()[0] + start
        above = int(places.searchsorted(near))
        # Enough are mostly found without a look at the whole text.
        if min(above, len(places) - above) >= most:
            break
    return _nearest(places, near, most)


@dataclass(frozen=True)
class Text(Padded):
    """Files one behind the other; ``starts`` says where each of ``paths`` begins in ``data``.

    ``folders`` has a number for the folder of each; the same for files of one folder.
    """

    paths: tuple[str, ...]
    starts: tuple[int, ...]
    folders: "array[int]"

    @staticmethod
    def of(files: Mapping[str, bytes]) -> "Text":
        """Join files, in which no byte is zero."""
        joining = Joining()
        for path, data in files.items():
            joining.add(path, data)
        return joining.text()

    @property
    def size(self) -> int:
        """How many bytes the files have together."""
        return len(self.data) - len(self.paths) - 2 * LONGEST + 1

    def file(self, number: int) -> bytes:
        """Return the text of a file."""
        start = self.starts[number]
        return self.data[start : self.data.index(0, start)]


class Joining:
    """Files that are put one behind the other, as they come."""

    def __init__(self) -> None:
        # Joined at the end: that gives up the interpreter's lock (bpo-36051), and to have a text
        # grow is to copy it with the lock in hand, 8 ms for what a segment takes.
        self._pieces = [bytes(LONGEST - 1)]
        self._end = LONGEST - 1
        self._paths: list[str] = []
        self._starts: list[int] = []

    def add(self, path: str, data: bytes) -> int:
        """Put a file, in which no byte is zero, behind the others; return where it begins."""
        start = self._end + 1
        self._pieces += (b"\0", data)
        self._end = start + len(data)
        self._paths.append(path)
        self._starts.append(start)
        return start

    def text(self) -> Text:
        """Return all of them, after which no more may come."""
        self._pieces.append(bytes(LONGEST))
        data = b"".join(self._pieces)
        self._pieces.clear()
        folders = array("q", map(folder_number, self._paths))
        return Text(data, tuple(self._paths), tuple(self._starts), folders)


@dataclass(frozen=True)
class Segment:
    """A text with the places where lexemes begin, sorted by what stands before them.

    The order is that of the bytes read backwards from the place, so that places with a long
    common text before them are neighbours.
    """

    text: Text
    places: Ordered
    words: "array[int]"

    @staticmethod
    def of(text: Text) -> "Segment":
        """Sort the places of a text; costs some 0.1 s a megabyte."""
        ordered = _sorted(text.data)
        words = array("Q", _words(text.data)[ordered[::_SPACING] - _WORD_BYTES].tobytes())
        return Segment(text, ordered, words)

    def nearest(self, before: bytes, most: int) -> list[int]:
        """Return at most ``most`` places, those with the longest text in common before them.

        Of more than that which agree in many bytes, an even sample.
        """
        numbers, key_of = self._numbers, self._key
        key = before[: -_KEY_BYTES - 1 : -1]
        low, last = self._range(before[-_KEY_BYTES:])
        high = low
        if len(key) == _KEY_BYTES and low < last and key_of(numbers[low]) == key:
            if low + most < last and key_of(numbers[low + most]) == key:
                high = bisect_right(numbers, key, low + most, last, key=key_of)
                others, steps = high - 1 - low, max(1, most - 1)
                return [numbers[low + at * others // steps] for at in range(most)]
            high = bisect_right(numbers, key, low, min(low + most, last), key=key_of)
        rest = (most - (high - low)) // 2
        return numbers[max(0, low - rest) : high + rest].tolist()

    @cached_property
    def _range(self) -> Callable[[bytes], tuple[int, int]]:
        """Where places with a text before them begin, and where at the latest they end.

        The last few are remembered: of a word half written, what stands before it was just
        looked for.
        """
        words, numbers, key_of = self.words, self._numbers, self._key

        @lru_cache(_REMEMBERED)
        def found(before: bytes) -> tuple[int, int]:
            word = int.from_bytes(before[-_WORD_BYTES:].rjust(_WORD_BYTES, b"\0"), "little")
            first = beyond = bisect_left(words, word)
            if first < len(words) and words[first] == word:
                beyond = bisect_right(words, word, first)
            last = min(beyond * _SPACING, len(numbers))
            begin = max(0, first - 1) * _SPACING
            return bisect_left(numbers, before[::-1], begin, last, key=key_of), last

        return found

    @cached_property
    def _numbers(self) -> "memoryview[int]":
        """The places as numbers of Python, which takes half the time that NumPy's take."""
        return memoryview(self.places.data)

    @cached_property
    def _key(self) -> Callable[[int], bytes]:
        """What tells the bytes before a place, read backwards, a hundred times a question."""
        data, beyond = self.text.data, _KEY_BYTES + 1
        return lambda place: data[place - 1 : place - beyond : -1]


def plain(text: str) -> bytes:
    """Return a text in UTF-8, with ``\\n`` for every line break and without zeros."""
    if "\r" in text:
        text = _LINE_BREAK.sub("\n", text)
    return text.replace("\0", " ").encode("utf-8", "replace")


def folder_number(path: str) -> int:
    """Return a number for the folder that a path or URI is in."""
    return hash(path.rpartition("/")[0])


def _words(data: bytes) -> npt.NDArray[np.uint64]:
    """Return the eight bytes from each place on as a number, the last byte its highest digit."""
    return np.ndarray((len(data) - _WORD_BYTES + 1,), "<u8", data, strides=(1,))


def _pairs(data: bytes) -> Pairs:
    """Return the two bytes from each place on as a number, the last byte its higher digit."""
    return np.ndarray((len(data) - 1,), "<u2", data, strides=(1,))


def _sorted(data: bytes) -> Ordered:
    """Sort the places where lexemes begin by the bytes before them, the nearest first.

    They are put apart by two bytes, and by two more where these are very common; some of these
    pairs are sorted at a time. That takes little memory at once, and less time than all together.
    """
    pairs, words = _pairs(data), _words(data)
    # Looked for twice, which takes less time than to keep them takes memory.
    ordered, ends = _by_pair(lambda: boundaries(np.frombuffer(data, np.uint8)), pairs, 2)
    _sort_pairs(ordered, ends, pairs, words, 2)
    return ordered


def _by_pair(
    pieces: Callable[[], Iterable[Places | Ordered]], pairs: Pairs, distance: int
) -> tuple[Ordered, Places]:
    """Return places by the two bytes so far before them, and where those of each pair end."""
    ends = np.zeros(_PAIRS, np.int64)
    for places in pieces():
        ends += np.bincount(pairs[places - distance], minlength=_PAIRS)
    ends, free = ends.cumsum(), ends.cumsum() - ends
    ordered = np.empty(ends[-1], np.int32)
    for places in pieces():
        of_each = pairs[places - distance]
        order = of_each.argsort(kind="stable")
        counts = np.bincount(of_each, minlength=_PAIRS)
        first = free - (counts.cumsum() - counts)
        ordered[first[of_each[order]] + np.arange(len(places))] = places[order]
        free += counts
    return ordered, ends


def _sort_pairs(
    places: Ordered, ends: Places, pairs: Pairs, words: npt.NDArray[np.uint64], seen: int
) -> None:
    """Sort places in place that are put apart by so many bytes, of which each last pair ends."""
    start = 0
    while start < len(places):
        stop = int(ends[int(ends.searchsorted(start + _SORTED_AT_ONCE, "right")) - 1])
        if stop > start:
            group = places[start:stop]
            keys = [words[group - at] for at in range(_KEY_BYTES, 0, -_WORD_BYTES)]
            group[:] = group[np.lexsort(keys)]
        else:
            stop = int(ends[ends.searchsorted(start, "right")])
            if seen < _KEY_BYTES:
                group = places[start:stop]
                pieces = [
                    group[at : at + _SORTED_AT_ONCE]
                    for at in range(0, len(group), _SORTED_AT_ONCE)
                ]
                group[:], ends_of = _by_pair(lambda pieces=pieces: pieces, pairs, seen + 2)
                _sort_pairs(group, ends_of, pairs, words, seen + 2)
        start = stop
