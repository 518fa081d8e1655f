"""Where, elsewhere, stands what stands before the cursor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dsc_lsp.lookup.lexemes import IS_WORD, Places, word_before
from dsc_lsp.lookup.segment import LONGEST, Segment, Text, folder_number

_OF_A_TEXT = 24
"""So many places of each text or segment are looked at."""
_OF_A_WORD = 128
"""So many are looked at for a word half written, most of which go on otherwise."""
_MOST = 48
_SCANNED_BYTES = 256 * 1024
"""So much of the cursor's own file is looked through on either side."""

BEFORE, AFTER, FOLDER, ELSEWHERE = range(4)
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


@dataclass(frozen=True)
class Source:
    """A text to look in, sorted or not; ``own`` is the number of the cursor's file in it."""

    text: Text
    live: npt.NDArray[np.bool_]
    own: int | None
    segment: Segment | None


@dataclass(frozen=True)
class Surroundings:
    """The cursor's file, as the texts before and after the cursor."""

    path: str
    before: bytes
    after: bytes

    @staticmethod
    def of(path: str, before: bytes, after: bytes) -> "Surroundings":
        """Keep as much of a large file as can be looked through."""
        return Surroundings(path, b"\0" + before[-_SCANNED_BYTES:], after[:_SCANNED_BYTES])

    @cached_property
    def text_before(self) -> Text:
        """The text before the cursor, to look in."""
        return Text.of({self.path: self.before[1:]})

    @cached_property
    def text_after(self) -> Text:
        """The text after the cursor, to look in."""
        return Text.of({self.path: self.after})


def occurrences(around: Surroundings, sources: Sequence[Source], generated: bytes) -> Occurrences:
    """Return the places with the longest matches, the best and nearest first.

    Within a word, what was written of it must match from its first letter.
    """
    before = around.before[-LONGEST:] + generated
    started = word_before(before[-LONGEST:])
    texts: list[bytes] = []
    columns: list[tuple[Places, Places, Places, Places]] = []
    for text, places, nearness in _places(around, sources, before, started):
        lengths = text.lengths(places, before)
        keep = lengths > len(started)
        if started:
            keep |= (lengths == len(started)) & _begin_word(text, places - len(started))
        kept = np.flatnonzero(keep)
        if len(kept):
            which = np.full(len(kept), len(texts))
            texts.append(text.data)
            columns.append((lengths[kept], -nearness[kept], places[kept], which))
    if not columns:
        return _NOWHERE
    lengths, nearness, places, which = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    best = np.lexsort((places, nearness, lengths))[: -_MOST - 1 : -1]
    data = [texts[number] for number in which[best].tolist()]
    return Occurrences(data, places[best], lengths[best], -nearness[best])


def _places(
    around: Surroundings, sources: Sequence[Source], before: bytes, started: bytes
) -> Iterator[tuple[Text, Places, Places]]:
    """Yield texts with places in them and how near these are."""
    for nearness, text in ((BEFORE, around.text_before), (AFTER, around.text_after)):
        places = text.scan(before, _OF_A_TEXT)
        if nearness == BEFORE:
            # What stands on the cursor's line would be said over and over.
            places = places[places <= text.data.rfind(b"\n") + 1]
        else:
            places = places[places < len(text.data) - LONGEST]
        if len(places):
            yield text, places, np.full(len(places), nearness)
    folder = folder_number(around.path)
    for source in sources:
        places = _places_in(source, before, started)
        if not len(places):
            continue
        files = source.text.file_of(places)
        kept = source.live[files]
        if source.own is not None:
            kept &= files != source.own
        if kept.any():
            beside = source.text.folders[files[kept]] == folder
            yield source.text, places[kept], np.where(beside, FOLDER, ELSEWHERE)


def _places_in(source: Source, before: bytes, started: bytes) -> Places:
    text = source.text
    if source.segment is None:
        places = text.scan(before, _OF_A_TEXT)
        return places[text.array[places] != 0]
    places = source.segment.nearest(before, _OF_A_TEXT)
    if not started:
        return places
    # The places at which lexemes begin know nothing of the middles of words.
    begun = source.segment.nearest(before[: -len(started)], _OF_A_WORD)
    begun = begun[text.followed_by(begun, started)] + len(started)
    return np.union1d(places, begun)


def _begin_word(text: Text, places: Places) -> npt.NDArray[np.bool_]:
    return ~IS_WORD[text.array[places - 1]]


_NONE = np.empty(0, np.int64)
_NOWHERE = Occurrences([], _NONE, _NONE, _NONE)
