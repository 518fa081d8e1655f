"""Where, elsewhere, stands what stands before the cursor."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup.lexemes import IS_WORD, Places, word_before
from dsc_lsp.lookup.segment import LONGEST, Padded, Segment, Text, folder_number, plain

_OF_A_TEXT = 16
"""So many places of either side of the cursor's own file are looked at, and of all others."""
_AT_LEAST = 4
"""Of the others so many each at least, more by their share of all text: what is common in a large
repository would else be heard several times over."""
_WORDS = 4
"""So many times as many are looked at for a word half written, most of which go on otherwise."""
_MOST = 16
_SCANNED = 128 * 1024
"""So many code points of the cursor's own file are looked through on either side."""
_NEAR_BYTES = 8_000
"""So much on either side is near: its lines and words are known, and what stands before."""

_GAP = 512
"""So many zeros part what stands above from what stands below: further than lines are read."""

_NONE = np.empty(0, np.int64)
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
    """Texts to look in, their files numbered through, so that one search tells those of places.

    ``begins`` and ``first_files`` are the place and the number at which each text begins.
    """

    each: tuple[Source, ...]
    begins: tuple[int, ...]
    first_files: tuple[int, ...]
    size: int
    starts: Places
    folders: Places
    far: Nearness

    def beside(self, one: Source) -> "Sources":
        """Return these texts and one more."""
        return Sources(
            (*self.each, one),
            (*self.begins, self.size),
            (*self.first_files, len(self.starts)),
            self.size + len(one.text.data),
            np.concatenate((self.starts, one.text.starts + self.size)),
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


NO_SOURCES = Sources((), (), (), 0, _NONE, _NONE, _NONE.astype(np.int8))
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
        self._sources = sources
        # What stands on the cursor's line would be said over and over.
        self._last_above = around.text.data.rfind(b"\n", 0, around.ends) + 1
        self._last_below = len(around.text.data) - LONGEST - 1
        self._nearness = sources.nearness(folder_number(around.path), around.number)

    def occurrences(self, generated: bytes) -> list[Occurrence]:
        """Return the places with the longest matches, the best and nearest first.

        Within a word, what was written of it must match from its first letter.
        """
        before = (self._around.before[-LONGEST:] + generated)[-LONGEST:]
        started = word_before(before)
        texts, places, near = self._places(before, started)
        if not places:
            return []
        where = zip(texts, places, strict=True)
        there = np.frombuffer(
            b"".join([text[place - LONGEST : place] for text, place in where]), np.uint8
        ).reshape(-1, LONGEST)
        # No text holds the byte that stands for what is not there.
        wanted = np.frombuffer(before.rjust(LONGEST, b"\xff"), np.uint8)
        differs = (there != wanted)[:, ::-1]
        lengths = differs.argmax(axis=1)
        lengths[(lengths == 0) & ~differs[:, 0]] = LONGEST
        keep = lengths > len(started)
        if started and len(started) < LONGEST:
            keep |= (lengths == len(started)) & ~IS_WORD[there[:, -1 - len(started)]]
        keep &= near < GONE
        worth = (lengths * GONE - near) * _PLACES + np.arange(len(places))
        best = keep.nonzero()[0]
        best = best[worth[best].argsort()[: -_MOST - 1 : -1]]
        columns = zip(best.tolist(), lengths[best].tolist(), near[best].tolist(), strict=True)
        return [Occurrence(texts[n], places[n], length, far) for n, length, far in columns]

    def _places(self, before: bytes, started: bytes) -> tuple[list[bytes], list[int], Nearness]:
        """Return places, the text that each is in, and how near it is."""
        text, begins = self._around.text, self._around.begins
        found = text.scan(before, _OF_A_TEXT, self._around.ends)
        above = [at for at in found if at <= self._last_above]
        # The best of equals stand last, here as above, so that the nearest of them come first.
        below = [at for at in reversed(found) if begins <= at <= self._last_below]
        places = above + below
        texts = [text.data] * len(places)
        nearness = [BEFORE] * len(above) + [AFTER] * len(below)
        sources = self._sources
        numbered: list[int] = []
        for source, begin in zip(sources.each, sources.begins, strict=True):
            share = _OF_A_TEXT * len(source.text.data) // sources.size
            found = _places_in(source, before, started, max(_AT_LEAST, share))
            places += found
            texts += [source.text.data] * len(found)
            numbered += [begin + place for place in found]
        files = sources.starts.searchsorted(np.array(numbered, np.int64), side="right") - 1
        return texts, places, np.concatenate((np.array(nearness, np.int8), self._nearness[files]))


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
    return list({*places, *(at + length for at in begun if data.startswith(started, at))})
