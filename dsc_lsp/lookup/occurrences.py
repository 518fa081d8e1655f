"""Where, elsewhere, stands what stands before the cursor."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

from dsc_lsp.lookup.lexemes import IS_WORD, word_before
from dsc_lsp.lookup.segment import LONGEST, NO_BYTE, Padded, Segment, Text, folder_number, plain

_OF_OWN = 16
"""So many places of either side of the cursor's own file are looked at, and of what changed."""
_OF_SORTED = 12
"""So many of what is sorted, each text by its share: what is common in a large repository would
else be heard several times over."""
_AT_LEAST = 3
_WORDS = 4
"""So many times as many are looked at for a word half written, most of which go on otherwise."""
_MOST = 16
_SCANNED = 128 * 1024
"""So many code points of the cursor's own file are looked through on either side."""
_NEAR_BYTES = 8_000
"""So much on either side is near: its lines and words are known, and what stands before."""
_ONE_FILE = (0,)
_NUMBER_BITS = 16
_NUMBERS = (1 << _NUMBER_BITS) - 1
"""More than are looked at for one question."""

_ENDS, _BETWEEN = bytes(LONGEST), bytes(512)
"""Zeros at the ends of what is looked through, and between what stands above and what stands
below: more than lines are read."""

BEFORE, AFTER, FOLDER, ELSEWHERE, GONE = range(5)
"""How near an occurrence is: in the same file above or below, in a file beside it, or further."""


class Occurrence(NamedTuple):
    """A place before which stands what stands before the cursor.

    ``data`` is the text that it is in, ``length`` how many bytes agree (``LONGEST`` at most).
    """

    data: bytes
    place: int
    length: int
    nearness: int


_Place: TypeAlias = tuple[bytes, int, Sequence[int], int]
"""A text, a place in it, where its files start and the number of the first."""


class Source(NamedTuple):
    """A sorted text to look in, and of each of its files whether it is as it was.

    ``far`` has ``ELSEWHERE`` for each that is, and ``GONE`` for the others.
    """

    segment: Segment
    far: bytes


@dataclass(frozen=True)
class Sources:
    """Texts to look in, their files numbered through; ``first_files`` says from where on each.

    ``far`` is as in each, ``folders`` their ``folder_number``. ``changed`` are those that have
    changed since they were sorted, which come last.
    """

    each: tuple[Source, ...]
    first_files: tuple[int, ...]
    size: int
    folders: "array[int]"
    far: bytes
    changed: Text

    @property
    def first_changed(self) -> int:
        """The number of the first file of ``changed``."""
        return len(self.far) - len(self.changed.paths)

    @cached_property
    def shares(self) -> list[tuple[Segment, int, int]]:
        """The sorted ones, how many places of each are looked at, and its first file."""
        return [
            (
                one.segment,
                max(_AT_LEAST, _OF_SORTED * len(one.segment.text.data) // self.size),
                first_file,
            )
            for one, first_file in zip(self.each, self.first_files, strict=True)
        ]

    def beside(self, one: Source) -> "Sources":
        """Return these texts and one more, while none of them has changed."""
        text = one.segment.text
        return Sources(
            (*self.each, one),
            (*self.first_files, len(self.far)),
            self.size + len(text.data),
            self.folders + text.folders,
            self.far + one.far,
            self.changed,
        )

    def and_changed(self, text: Text) -> "Sources":
        """Return these texts and those that have changed."""
        return Sources(
            self.each,
            self.first_files,
            self.size + len(text.data),
            self.folders + text.folders,
            self.far + bytes([ELSEWHERE]) * len(text.paths),
            text,
        )

    @cached_property
    def nearness(self) -> bytes:
        """How near each file is to one in another folder; ``GONE`` for what is gone.

        Two numbers more are for what stands above and below in that one file.
        """
        return self.far + bytes((BEFORE, AFTER))


NO_SOURCES = Sources((), (), 0, array("q"), b"", Text.of({}))
"""Nothing to look in yet."""


class Surroundings(NamedTuple):
    """The text around a cursor.

    ``number`` is that of the cursor's own file among ``Sources``, -1 if it is not there, ``size``
    its length. ``before`` and ``after`` are what is near, ``before`` with a zero where a file
    begins. ``above`` and ``below`` are as much of a large file as is looked through; in what is,
    the one ends at ``ends`` and the other begins at ``begins``, behind zeros.
    """

    path: str
    number: int
    size: int
    before: bytes
    after: bytes
    above: bytes
    below: bytes
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
            b"\0" + above if len(above) < _NEAR_BYTES else above[-_NEAR_BYTES:],
            below[:_NEAR_BYTES],
            above,
            below,
            ends,
            ends + len(_BETWEEN),
        )


class Search:
    """Looks in texts for what stands before one cursor, and on as more is generated there."""

    def __init__(self, around: Surroundings, sources: Sources) -> None:
        self._around = around
        self._folder = folder_number(around.path)
        self._sources = sources
        changed, own = sources.changed, around.number - sources.first_changed
        if changed.paths and own >= 0:
            changed = changed.without(own)
        # All is looked through at once, which takes hardly longer than the own file alone.
        data = b"".join((_ENDS, around.above, _BETWEEN, around.below, _ENDS, changed.data))
        self._scanned = Padded(data)
        # What stands on the cursor's line would be said over and over.
        self._line_begins = data.rfind(b"\n", 0, around.ends) + 1
        self._below_ends = around.begins + len(around.below)
        line_ends = data.find(b"\n", around.begins, self._below_ends)
        self._line_ends = self._below_ends if line_ends < 0 else line_ends
        begins = self._below_ends + LONGEST
        self._changed = sources.first_changed, [begins + start for start in changed.starts]

    def occurrences(self, generated: bytes) -> list[Occurrence]:
        """Return the places with the longest matches, the best and nearest first.

        Within a word, what was written of it must match from its first letter.
        """
        before = (self._around.before[-LONGEST:] + generated)[-LONGEST:]
        started = word_before(before)
        least = len(started)
        # The last byte is the highest digit: the more bytes agree, the less a number differs.
        wanted = int.from_bytes(before.rjust(LONGEST, NO_BYTE), "little")
        number_of = int.from_bytes
        found, order = list[_Place](), list[int]()
        for data, places, starts, first_file in self._places(before, started):
            for place in places:
                differs = number_of(data[place - LONGEST : place], "little") ^ wanted
                length = LONGEST - (differs.bit_length() + 7 >> 3)
                if length > least or (
                    # Within a word, no other may go on before it.
                    0 < least == length < LONGEST and not IS_WORD[data[place - 1 - length]]
                ):
                    order.append(length << _NUMBER_BITS | len(found))
                    found.append((data, place, starts, first_file))
        order.sort(reverse=True)
        nearness, folder_of = self._sources.nearness, self._sources.folders
        own, folder = self._around.number, self._folder
        worth, last = list[tuple[int, int, int, int]](), 0
        for one in order:
            length, number = one >> _NUMBER_BITS, one & _NUMBERS
            if length < last and len(worth) >= _MOST:
                break
            _, place, starts, first_file = found[number]
            file = first_file + bisect_right(starts, place) - 1
            near = nearness[file]
            if near < GONE and file != own:
                if near == ELSEWHERE and folder_of[file] == folder:
                    near = FOLDER
                worth.append((length * GONE - near, number, length, near))
                last = length
        worth.sort(reverse=True)
        return [
            Occurrence(found[number][0], found[number][1], length, near)
            for _, number, length, near in worth[:_MOST]
        ]

    def _places(
        self, before: bytes, started: bytes
    ) -> Iterator[tuple[bytes, list[int], Sequence[int], int]]:
        """Yield texts, places in them, where their files start and the number of the first.

        Of equal places those that are worth more come later.
        """
        data, own = self._scanned.data, len(self._sources.nearness)
        found = self._scanned.scan(before, _OF_OWN, self._around.ends, len(started))
        yield data, found[: bisect_left(found, self._line_begins)], _ONE_FILE, own - 2
        first = bisect_right(found, self._line_ends)
        below = found[first : bisect_left(found, self._below_ends, first)]
        yield data, below[::-1], _ONE_FILE, own - 1
        for segment, most, first_file in self._sources.shares:
            places = _places_in(segment, before, started, most)
            yield segment.text.data, places, segment.text.starts, first_file
        first_file, starts = self._changed
        if starts:
            changed = [at for at in found[bisect_left(found, starts[0]) :] if data[at]]
            yield data, changed, starts, first_file


def _places_in(segment: Segment, before: bytes, started: bytes, most: int) -> list[int]:
    places = segment.nearest(before, most)
    if not started:
        return places
    # The places at which lexemes begin know nothing of the middles of words.
    begun = segment.nearest(before[: -len(started)], _WORDS * most)
    data, length = segment.text.data, len(started)
    places = [at for at in places if data.startswith(started, at - length)]
    return list({*places, *[at + length for at in begun if data.startswith(started, at)]})
