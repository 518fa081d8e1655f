"""Where, elsewhere, stands what stands before the cursor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup.lexemes import IS_WORD, Places, word_before
from dsc_lsp.lookup.segment import LONGEST, Segment, Text, folder_number, plain

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

_NONE = np.empty(0, np.int64)
_PLACES = 4096
"""More than are looked at for one question."""

BEFORE, AFTER, FOLDER, ELSEWHERE, GONE = range(5)
"""How near an occurrence is: in the same file above or below, in a file beside it, or further."""


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Places before which stands what stands before the cursor, as columns, the best first.

    ``data`` is the text of each, ``lengths`` how many bytes agree (``LONGEST`` at most).
    """

    data: list[bytes]
    places: Places
    lengths: Places
    nearness: Places

    def __len__(self) -> int:
        """How many places there are."""
        return len(self.data)


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
    gone: npt.NDArray[np.bool_]

    def beside(self, one: Source) -> "Sources":
        """Return these texts and one more."""
        return Sources(
            (*self.each, one),
            (*self.begins, self.size),
            (*self.first_files, len(self.starts)),
            self.size + len(one.text.data),
            np.concatenate((self.starts, one.text.starts + self.size)),
            np.concatenate((self.folders, one.text.folders)),
            np.concatenate((self.gone, ~one.live)),
        )

    def nearness(self, places: Sequence[int], folder: int, own: int) -> Places:
        """Return how near places, counted through all texts, are to a file: its folder, number."""
        files = self.starts.searchsorted(np.array(places, np.int64), side="right") - 1
        near = np.where(self.folders[files] == folder, FOLDER, ELSEWHERE)
        near[self.gone[files] | (files == own)] = GONE
        return near


NO_SOURCES = Sources((), (), (), 0, _NONE, _NONE, _NONE.astype(np.bool_))
"""Nothing to look in yet."""


@dataclass(frozen=True)
class Surroundings:
    """The text around a cursor.

    ``number`` is that of the cursor's own file among ``Sources``, -1 if it is not there, ``size``
    its length. ``before`` and ``after`` are what is near, ``before`` with a zero where a file
    begins; ``text_before`` and ``text_after`` are as much of a large file as is looked through.
    """

    path: str
    number: int
    size: int
    before: bytes
    after: bytes
    text_before: Text
    text_after: Text

    @staticmethod
    def of(path: str, number: int, before: str, after: str) -> "Surroundings":
        """Cut what is near and what is looked through from the two halves of a file."""
        above, below = plain(before[-_SCANNED:]), plain(after[:_SCANNED])
        return Surroundings(
            path,
            number,
            len(before) + len(after),
            (b"\0" + above)[-_NEAR_BYTES:],
            below[:_NEAR_BYTES],
            Text.of({path: above}),
            Text.of({path: below}),
        )


def occurrences(around: Surroundings, sources: Sources, generated: bytes) -> Occurrences:
    """Return the places with the longest matches, the best and nearest first.

    Within a word, what was written of it must match from its first letter.
    """
    before = (around.before[-LONGEST:] + generated)[-LONGEST:]
    started = word_before(before)
    texts, places, nearness = _places(around, sources, before, started)
    if not places:
        return _NOWHERE
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
    keep &= nearness != GONE
    worth = (lengths * GONE - nearness) * _PLACES + np.arange(len(places))
    best = keep.nonzero()[0]
    best = best[worth[best].argsort()[: -_MOST - 1 : -1]]
    chosen = best.tolist()
    return Occurrences(
        [texts[number] for number in chosen],
        np.array([places[number] for number in chosen], np.int64),
        lengths[best],
        nearness[best],
    )


def _places(
    around: Surroundings, sources: Sources, before: bytes, started: bytes
) -> tuple[list[bytes], list[int], Places]:
    """Return places, the text that each is in, and how near it is."""
    above, below = around.text_before, around.text_after
    # What stands on the cursor's line would be said over and over.
    line = above.data.rfind(b"\n") + 1
    places = [place for place in above.scan(before, _OF_A_TEXT) if place <= line]
    texts, nearness = [above.data] * len(places), [BEFORE] * len(places)
    found = below.scan(before, _OF_A_TEXT, first=True)
    # The best of equals stand last, here as above, so that the nearest of them come first.
    behind = sorted((at for at in found if at < len(below.data) - LONGEST), reverse=True)
    places += behind
    texts += [below.data] * len(behind)
    nearness += [AFTER] * len(behind)
    numbered: list[int] = []
    for source, begin in zip(sources.each, sources.begins, strict=True):
        share = _OF_A_TEXT * len(source.text.data) // sources.size
        found = _places_in(source, before, started, max(_AT_LEAST, share))
        places += found
        texts += [source.text.data] * len(found)
        numbered += [begin + place for place in found]
    folder = folder_number(around.path)
    far = sources.nearness(numbered, folder, around.number)
    return texts, places, np.concatenate((np.array(nearness, np.int64), far))


def _places_in(source: Source, before: bytes, started: bytes, most: int) -> list[int]:
    data = source.text.data
    if source.segment is None:
        return [place for place in source.text.scan(before, most) if data[place]]
    places = source.segment.nearest(before, most)
    if not started:
        return places
    # The places at which lexemes begin know nothing of the middles of words.
    begun = source.segment.nearest(before[: -len(started)], _WORDS * most)
    length = len(started)
    return list({*places, *(at + length for at in begun if data.startswith(started, at))})


_NOWHERE = Occurrences([], _NONE, _NONE, _NONE)
