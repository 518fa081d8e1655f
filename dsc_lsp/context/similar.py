"""Pieces of any file whose text is like the code near the cursor, by BM25."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsc_lsp.context.near import ACCESS, Near
from dsc_lsp.repository.plan import Piece
from dsc_lsp.repository.store import CHUNK_LINES
from dsc_lsp.repository.words import identifiers, words_of
from dsc_lsp.repository.workspace import Workspace

_SOUGHT = 28
_MOST_POSTINGS = 20_000
"""Chunks that the words sought stand in, added up: what a search costs."""
_HITS = 60
_WINDOW = 8
_VIEWED = 1.2
_FOLLOWS_RECEIVER = 1.5


@dataclass(frozen=True, slots=True)
class Similar:
    """Windows like the code at the cursor, and what makes them so.

    ``telling`` is how much each word near the cursor says, 1 at most: one that is close and stands
    in few places says most.
    """

    pieces: tuple[Piece, ...]
    telling: Mapping[str, float]


def similar(path: str, near: Near, workspace: Workspace, viewed: Sequence[str]) -> Similar:
    """Return the windows of other files that share most with the code near the cursor.

    ``viewed`` are files that the user has looked at.
    """
    chunks_with = workspace.chunks_with(near.words)
    rare = {
        word: math.log(1 + workspace.chunk_count / max(1, chunks_with[word]))
        for word in near.words
    }
    rarity = {word: weight * rare[word] for word, weight in near.words.items()}
    receiver = near.last
    after = re.compile(rf"\b{re.escape(receiver)}(?:\(\))?{ACCESS}([^\W\d]\w*)")
    pieces: list[Piece] = []
    seen: set[tuple[str, int]] = set()
    for hit in workspace.search(_sought(rarity, chunks_with), _HITS):
        if hit.path == path or (hit.path, hit.first_line) in seen:
            continue
        seen.add((hit.path, hit.first_line))
        lines = workspace.lines(hit.path)
        chunk = lines[hit.first_line : hit.first_line + CHUNK_LINES + _WINDOW]
        liked = _VIEWED if hit.path in viewed else 1.0
        worths = [liked * _worth_of_line(line, rarity) for line in chunk]
        if receiver:
            for number, line in enumerate(chunk):
                if number < len(worths) and receiver in line:
                    worths[number] *= _FOLLOWS_RECEIVER ** len(after.findall(line))
        pieces.extend(_windows(hit.path, hit.first_line, chunk, worths))
    rarest = math.log(1 + workspace.chunk_count) or 1.0
    telling = {word: min(1.0, weight) * rare[word] / rarest for word, weight in near.words.items()}
    return Similar(tuple(pieces), telling)


def _sought(rarity: Mapping[str, float], chunks_with: Mapping[str, int]) -> Iterator[str]:
    """Yield the rarest words, as long as they do not stand in too many chunks together."""
    left = _MOST_POSTINGS
    for word in sorted(rarity, key=lambda word: -rarity[word])[:_SOUGHT]:
        if not chunks_with[word]:
            continue
        left -= chunks_with[word]
        if left < 0:
            return
        yield word


def _worth_of_line(line: str, rarity: Mapping[str, float]) -> float:
    return sum(rarity.get(word, 0.0) for name in set(identifiers(line)) for word in words_of(name))


def _windows(path: str, first: int, chunk: Sequence[str], worths: list[float]) -> Iterator[Piece]:
    """Yield the best window of a chunk: lines before and after the line that shares most."""
    sums = [
        sum(worths[start : start + _WINDOW]) for start in range(max(1, len(chunk) - _WINDOW + 1))
    ]
    best = max(range(len(sums)), key=sums.__getitem__)
    lines = tuple(
        (first + number, chunk[number])
        for number in range(best, min(len(chunk), best + _WINDOW))
        if chunk[number].strip()
    )
    if lines:
        yield Piece(path, lines, sums[best], "like the code near the cursor")
