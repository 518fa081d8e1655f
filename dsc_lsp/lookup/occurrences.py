"""Where, elsewhere, stands what stands before the cursor."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup.lexemes import IS_WORD, Places, word_before
from dsc_lsp.lookup.segment import LONGEST, Padded, Segment, Text, folder_number, plain

_OF_A_TEXT = 16
"""So many places of either side of the cursor's own file are looked at, and of all others."""
_AT_LEAST = 3
"""Of the others so many each at least, more by their share of all text: what is common in a large
repository would else be heard several times over."""
_WORDS = 4
"""So many times as many are looked at for a word half written, most of which go on otherwise."""
_MOST = 16
_SCANNED = 128 * 1024
"""So many code points of the cursor's own file are looked through on either side."""
_NEAR_BYTES = 8_000
"""So much on either side is near: its lines and words are known, and what stands before."""
_ONE_FILE = (0,)
_LONGEST_BITS = 8 * LONGEST

_GAP = 512
"""So many zeros part what stands above from what stands below: further than lines are read."""

_PLACES = 4096
"""More than are looked at for one question."""

BEFORE, AFTER, FOLDER, ELSEWHERE, GONE = range(5)
"""How near an occurrence is: in the same file above or below, in a file beside it, or further."""
_ELSEWHERE, _GONE = np.int8(ELSEWHERE), np.int8(GONE + 1)
Nearness: TypeAlias = npt.NDArray[np.int8]


class Occurrence(NamedTuple):
    """A place before which stands what stands before the cursor.

    ``data`` is the text that it is in, ``length`` how many bytes agree (``LONGEST`` at most).
    """

    data: bytes
    place: int
    length: int
    nearness: int


class Source(NamedTuple):
    """A text to look in, sorted or not, and which of its files are as they were."""

    text: Text
    segment: Segment | None
    live: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sources:
    """Texts to look in, their files numbered through; ``first_files`` says from where on each."""

    each: tuple[Source, ...]
    first_files: tuple[int, ...]
    size: int
    folders: Places
    far: Nearness

    def beside(self, one: Source) -> "Sources":
        """Return these texts and one more."""
        return Sources(
            (*self.each, one),
            (*self.first_files, len(self.far)),
            self.size + len(one.text.data),
            np.concatenate((self.folders, one.text.folders)),
            np.concatenate((self.far, np.where(one.live, _ELSEWHERE, _GONE))),
        )

    def nearness(self, folder: int, own: int) -> Nearness:
        """Return how near each file is to one, by its folder and number.

        At least ``GONE`` for what is gone, and for the one itself.
        """
        near = self.far - (self.folders == folder)
        if own >= 0:
            near[own] = GONE
        return near


NO_SOURCES = Sources((), (), 0, np.empty(0, np.int64), np.empty(0, np.int8))
"""Nothing to look in yet."""


@dataclass(frozen=True)
class Surroundings:
    """The text around a cursor.

    ``number`` is that of the cursor's own file among ``Sources``, -1 if it is not there, ``size``
    its length. ``before`` and ``after`` are what is near, ``before`` with a zero where a file
    begins. ``text`` is as much of a large file as is looked through; what stands above ends at
    ``ends``, and what stands below begins at ``begins``, behind zeros.
    """

    path: str
    number: int
    size: int
    before: bytes
    after: bytes
    text: Padded
    ends: int
    begins: int

    @staticmethod
    def of(path: str, number: int, before: str, after: str) -> "Surroundings":
        """Cut what is near and what is looked through from the two halves of a file."""
        above, below = plain(before[-_SCANNED:]), plain(after[:_SCANNED])
        ends = LONGEST + len(above)
        return Surroundings(
            path,
            number,
            len(before) + len(after),
            (b"\0" + above)[-_NEAR_BYTES:],
            below[:_NEAR_BYTES],
            Padded(b"".join((bytes(LONGEST), above, bytes(_GAP), below, bytes(LONGEST)))),
            ends,
            ends + _GAP,
        )


class Search:
    """Looks in texts for what stands before one cursor, and on as more is generated there."""

    def __init__(self, around: Surroundings, sources: Sources) -> None:
        self._around = around
        # What stands on the cursor's line would be said over and over.
        self._last_above = around.text.data.rfind(b"\n", 0, around.ends) + 1
        self._last_below = len(around.text.data) - LONGEST - 1
        near = sources.nearness(folder_number(around.path), around.number)
        self._nearness = near.tobytes() + bytes((BEFORE, AFTER))
        self._looked_in = [
            (one, max(_AT_LEAST, _OF_A_TEXT * len(one.text.data) // sources.size), first_file)
            for one, first_file in zip(sources.each, sources.first_files, strict=True)
        ]

    def occurrences(self, generated: bytes) -> list[Occurrence]:
        """Return the places with the longest matches, the best and nearest first.

        Within a word, what was written of it must match from its first letter.
        """
        before = (self._around.before[-LONGEST:] + generated)[-LONGEST:]
        started = word_before(before)
        least = len(started)
        # No text holds the byte that stands for what is not there.
        wanted = int.from_bytes(before.rjust(LONGEST, b"\xff"), "little")
        number = int.from_bytes
        found: list[tuple[int, int, bytes, int, Sequence[int], int]] = []
        for data, places, starts, first_file in self._places(before, started):
            for place in places:
                # The last byte is the highest digit: as far as all agree there are zeros.
                differs = number(data[place - LONGEST : place], "little") ^ wanted
                length = (_LONGEST_BITS - differs.bit_length()) >> 3
                if length > least or (
                    0 < least == length < LONGEST and not IS_WORD[data[place - 1 - least]]
                ):
                    found.append((length, len(found), data, place, starts, first_file))
        found.sort(reverse=True)
        best: list[Occurrence] = []
        for length, _, data, place, starts, first_file in found:
            if len(best) >= _MOST and length < best[-1].length:
                break
            nearness = self._nearness[first_file + bisect_right(starts, place) - 1]
            if nearness < GONE:
                best.append(Occurrence(data, place, length, nearness))
        best.sort(key=_worth, reverse=True)
        return best[:_MOST]

    def _places(
        self, before: bytes, started: bytes
    ) -> Iterator[tuple[bytes, list[int], Sequence[int], int]]:
        """Yield texts, places in them, where their files start and the number of the first.

        Of equal places those that are worth more come later.
        """
        text, own = self._around.text, len(self._nearness)
        found = text.scan(before, _OF_A_TEXT, self._around.ends)
        yield text.data, [at for at in found if at <= self._last_above], _ONE_FILE, own - 2
        first, last = self._around.begins, self._last_below
        yield text.data, [at for at in reversed(found) if first <= at <= last], _ONE_FILE, own - 1
        for source, most, first_file in self._looked_in:
            places = _places_in(source, before, started, most)
            yield source.text.data, places, source.text.starts, first_file


def _worth(one: Occurrence) -> int:
    return one.length * GONE - one.nearness


def _places_in(source: Source, before: bytes, started: bytes, most: int) -> list[int]:
    data = source.text.data
    if source.segment is None:
        return [place for place in source.text.scan(before, most, len(data)) if data[place]]
    places = source.segment.nearest(before, most)
    if not started:
        return places
    # The places at which lexemes begin know nothing of the middles of words.
    begun = source.segment.nearest(before[: -len(started)], _WORDS * most)
    length = len(started)
    places = [at for at in places if data.startswith(started, at - length)]
    return list({*places, *[at + length for at in begun if data.startswith(started, at)]})
