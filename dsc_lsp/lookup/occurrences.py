"""Where, elsewhere, stands what stands before the cursor."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

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


class Source(NamedTuple):
    """A sorted text to look in, how near each of its files is, and its size in bytes.

    A file is ``ELSEWHERE``, or ``GONE`` if it is not as it was when it was sorted.
    """

    segment: Segment
    nearness: bytes
    size: int

    def without(self, number: int) -> "Source":
        """Return this text, in one file of which nothing is to be found."""
        nearness = bytearray(self.nearness)
        nearness[number] = GONE
        size = self.size - len(self.segment.text.file(number))
        return Source(self.segment, bytes(nearness), size)


class Sources(NamedTuple):
    """Texts to look in for one cursor, its own file not among them.

    ``changed`` are the files that have changed since they were sorted.
    """

    each: tuple[Source, ...]
    changed: Text

    @property
    def size(self) -> int:
        """How many bytes that are."""
        return sum(one.size for one in self.each) + self.changed.size


class _Files(NamedTuple):
    """A text, where its files start, how near each is, and the number of its folder."""

    data: bytes
    starts: Sequence[int]
    nearness: bytes
    folders: Sequence[int]


class Surroundings(NamedTuple):
    """The text around a cursor.

    ``size`` is the length of the cursor's own file. ``before`` and ``after`` are what is near,
    ``before`` with a zero where a file begins. ``above`` and ``below`` are as much of a large file
    as is looked through; in what is, the one ends at ``ends`` and the other begins at ``begins``,
    behind zeros.
    """

    path: str
    size: int
    before: bytes
    after: bytes
    above: bytes
    below: bytes
    ends: int
    begins: int

    @staticmethod
    def of(path: str, before: str, after: str) -> "Surroundings":
        """Cut what is near and what is looked through from the two halves of a file."""
        above, below = plain(before[-_SCANNED:]), plain(after[:_SCANNED])
        ends = LONGEST + len(above)
        return Surroundings(
            path,
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
        changed = sources.changed
        # All is looked through at once, which takes hardly longer than the own file alone.
        data = b"".join((_ENDS, around.above, _BETWEEN, around.below, _ENDS, changed.data))
        self._scanned = Padded(data)
        # What stands on the cursor's line would be said over and over.
        self._line_begins = data.rfind(b"\n", 0, around.ends) + 1
        self._below_ends = around.begins + len(around.below)
        line_ends = data.find(b"\n", around.begins, self._below_ends)
        self._line_ends = self._below_ends if line_ends < 0 else line_ends
        begins = self._below_ends + LONGEST
        starts = [begins + start for start in changed.starts]
        self._above = _Files(data, _ONE_FILE, bytes((BEFORE,)), ())
        self._below = self._above._replace(nearness=bytes((AFTER,)))
        self._changed = _Files(data, starts, bytes((ELSEWHERE,)) * len(starts), changed.folders)
        self._sorted = [
            (
                segment,
                max(_AT_LEAST, _OF_SORTED * size // (sources.size or 1)),
                _Files(segment.text.data, segment.text.starts, nearness, segment.text.folders),
            )
            for segment, nearness, size in sources.each
        ]

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
        found, order = list[tuple[_Files, int]](), list[int]()
        for files, places in self._places(before, started):
            data = files.data
            for place in places:
                differs = number_of(data[place - LONGEST : place], "little") ^ wanted
                length = LONGEST - (differs.bit_length() + 7 >> 3)
                if length > least or (
                    # Within a word, no other may go on before it.
                    0 < least == length < LONGEST and not IS_WORD[data[place - 1 - length]]
                ):
                    order.append(length << _NUMBER_BITS | len(found))
                    found.append((files, place))
        order.sort(reverse=True)
        worth, last = list[tuple[int, int, int, int]](), 0
        for one in order:
            length, number = one >> _NUMBER_BITS, one & _NUMBERS
            if length < last and len(worth) >= _MOST:
                break
            files, place = found[number]
            file = bisect_right(files.starts, place) - 1
            near = files.nearness[file]
            if near < GONE:
                if near == ELSEWHERE and files.folders[file] == self._folder:
                    near = FOLDER
                worth.append((length * GONE - near, number, length, near))
                last = length
        worth.sort(reverse=True)
        return [
            Occurrence(found[number][0].data, found[number][1], length, near)
            for _, number, length, near in worth[:_MOST]
        ]

    def _places(self, before: bytes, started: bytes) -> Iterator[tuple[_Files, list[int]]]:
        """Yield texts and places in them; of equal places those that are worth more come later."""
        found = self._scanned.scan(before, _OF_OWN, self._around.ends, len(started))
        yield self._above, found[: bisect_left(found, self._line_begins)]
        first = bisect_right(found, self._line_ends)
        below = found[first : bisect_left(found, self._below_ends, first)]
        yield self._below, below[::-1]
        for segment, most, files in self._sorted:
            yield files, _places_in(segment, before, started, most)
        changed = self._changed
        if changed.starts:
            data = changed.data
            begin = bisect_left(found, changed.starts[0])
            yield changed, [at for at in found[begin:] if data[at]]


def _places_in(segment: Segment, before: bytes, started: bytes, most: int) -> list[int]:
    places = segment.nearest(before, most)
    if not started:
        return places
    # The places at which lexemes begin know nothing of the middles of words.
    begun = segment.nearest(before[: -len(started)], _WORDS * most)
    data, length = segment.text.data, len(started)
    places = [at for at in places if data.startswith(started, at - length)]
    return list({*places, *[at + length for at in begun if data.startswith(started, at)]})
