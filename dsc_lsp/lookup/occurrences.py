"""Where, elsewhere, stands what stands before the cursor."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup.lexemes import IS_WORD, Places, word_before
from dsc_lsp.lookup.segment import LONGEST, Segment, Text, folder_number

_OF_A_TEXT = 16
"""So many places of each text or segment are looked at."""
_OF_A_WORD = 64
"""So many are looked at for a word half written, most of which go on otherwise."""
_MOST = 24
_SCANNED_BYTES = 128 * 1024
"""So much of the cursor's own file is looked through on either side."""

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


class Sources:
    """Texts to look in, their files numbered through, so that one search tells those of places."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.each = sources
        self.begins: list[int] = []
        self.first_files: list[int] = []
        self.size = files = 0
        for one in sources:
            self.begins.append(self.size)
            self.first_files.append(files)
            self.size += len(one.text.data)
            files += len(one.live)
        starts = [one.text.starts + begin for one, begin in zip(sources, self.begins, strict=True)]
        self._starts = np.concatenate([_NONE, *starts])
        self._folders = np.concatenate([_NONE, *(one.text.folders for one in sources)])
        self._gone = ~np.concatenate([_NONE.astype(np.bool_), *(one.live for one in sources)])

    def nearness(self, places: Sequence[int], folder: int, own: int) -> Places:
        """Return how near places, counted through all texts, are to a file: its folder, number."""
        files = self._starts.searchsorted(np.array(places, np.int64), side="right") - 1
        near = np.where(self._folders[files] == folder, FOLDER, ELSEWHERE)
        near[self._gone[files] | (files == own)] = GONE
        return near


@dataclass(frozen=True)
class Surroundings:
    """The cursor's file, as the texts before and after the cursor.

    ``number`` is the file's among all that are known, -1 if it is not.
    """

    path: str
    number: int
    before: bytes
    after: bytes

    @staticmethod
    def of(path: str, number: int, before: bytes, after: bytes) -> "Surroundings":
        """Keep as much of a large file as can be looked through."""
        before, after = before[-_SCANNED_BYTES:], after[:_SCANNED_BYTES]
        return Surroundings(path, number, b"\0" + before, after)

    @cached_property
    def text_before(self) -> Text:
        """The text before the cursor, to look in."""
        return Text.of({self.path: self.before[1:]})

    @cached_property
    def text_after(self) -> Text:
        """The text after the cursor, to look in."""
        return Text.of({self.path: self.after})


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
    behind = [p for p in below.scan(before, _OF_A_TEXT) if p < len(below.data) - LONGEST]
    places += behind
    texts += [below.data] * len(behind)
    nearness += [AFTER] * len(behind)
    numbered: list[int] = []
    for source, begin in zip(sources.each, sources.begins, strict=True):
        found = _places_in(source, before, started)
        places += found
        texts += [source.text.data] * len(found)
        numbered += [begin + place for place in found]
    folder = folder_number(around.path)
    far = sources.nearness(numbered, folder, around.number)
    return texts, places, np.concatenate((np.array(nearness, np.int64), far))


def _places_in(source: Source, before: bytes, started: bytes) -> list[int]:
    data = source.text.data
    if source.segment is None:
        return [place for place in source.text.scan(before, _OF_A_TEXT) if data[place]]
    places = source.segment.nearest(before, _OF_A_TEXT)
    if not started:
        return places
    # The places at which lexemes begin know nothing of the middles of words.
    begun = source.segment.nearest(before[: -len(started)], _OF_A_WORD)
    length = len(started)
    return list({*places, *(at + length for at in begun if data.startswith(started, at))})


_NOWHERE = Occurrences([], _NONE, _NONE, _NONE)
