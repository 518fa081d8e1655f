"""Rows of tokens to train on: examples cut at random from a collection of files.

Some examples show parts of other files of the repository first, each below a line with its
path: files that the file at hand imports, before those that import them.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from random import Random

import numpy as np
from numpy.typing import NDArray

from dsc_lsp.starter import examples
from dsc_lsp.starter.examples import SourceText, Tokens
from dsc_lsp.starter.vocabulary import Encoder

REST_WEIGHT = 2.0  # of the loss on what the model has to write, where other tokens count 1

_LEFT_TO_RIGHT = 0.35
_HEADED = 0.1
_WITH_IMPORTS = 0.4  # of the examples with room for them
_ROOM_FOR_IMPORTS = 700  # tokens of an example
_MOST_IMPORTS = 3


@dataclass(frozen=True, slots=True)
class Collection:
    """Files to cut examples from.

    ``line_ends[i]`` is the number of lines in ``texts[: i + 1]``, and ``imported[i]`` holds the
    places of the files that file ``i`` imports.
    """

    texts: Sequence[SourceText]
    imported: Sequence[tuple[int, ...]]
    line_ends: Sequence[int]


def collection(texts: Sequence[SourceText], imported: Sequence[tuple[int, ...]]) -> Collection:
    """Return the files with what the choice of lines needs."""
    line_ends: list[int] = np.cumsum([len(text.lines) for text in texts]).tolist()
    return Collection(texts, imported, line_ends)


def random_row(
    files: Collection, encoder: Encoder, length: int, random: Random
) -> tuple[Tokens, NDArray[np.float32]]:
    """Return ``length`` tokens of one or more examples and the weight of each one's loss.

    Every line of the files is as likely to be chosen. Examples are never cut, but for a last
    left-to-right one.
    """
    tokens: list[int] = []
    weights: list[float] = []
    while len(tokens) < length:
        place, line = _random_line(files, random)
        text, room = files.texts[place], length - len(tokens)
        head = _head(files, place, encoder, room, random)
        example = None
        if random.random() >= _LEFT_TO_RIGHT and text.lines[line].strip():
            hole = examples.random_hole(text, line, random)
            example = examples.fill_in_the_middle(
                text, hole, encoder, room, head=head, random=random
            )
        if example:
            tokens += example.prompt + example.rest
            weights += [1.0] * len(example.prompt) + [REST_WEIGHT] * len(example.rest)
        else:
            window = examples.left_to_right(text, line, encoder, room, head=head, random=random)
            tokens += window
            weights += [1.0] * len(window)
    return np.array(tokens, np.uint16), np.array(weights, np.float32)


def imports_head(
    files: Collection, place: int, encoder: Encoder, room: int, random: Random
) -> list[int]:
    """Return parts of some files that a file imports, in at most about ``room`` tokens."""
    imported = files.imported[place]
    count = min(len(imported), random.randint(1, _MOST_IMPORTS))
    head: list[int] = []
    for other in in_order(random.sample(imported, count), files.imported):
        text = files.texts[other]
        tops = [line for line, content in enumerate(text.lines) if content[:1].isalpha()]
        first = random.choice(tops or [0])
        end = text.starts[first] + room // count
        last = max(first + 1, bisect.bisect_right(text.starts, end) - 1)
        head += encoder.encode(f"#{text.path}\n") + text.between(first, last).tolist()
        if not text.lines[last - 1].endswith("\n"):
            head += encoder.encode("\n")
    return head


def in_order(places: Sequence[int], imported: Sequence[tuple[int, ...]]) -> list[int]:
    """Sort files so that each stands after those of them that it imports, if that can be."""
    among = {place: [other for other in imported[place] if other in places] for place in places}
    try:
        return list(TopologicalSorter(among).static_order())
    except CycleError:
        return list(places)


def _head(files: Collection, place: int, encoder: Encoder, room: int, random: Random) -> list[int]:
    own = encoder.encode(f"#{files.texts[place].path}\n")
    if room > _ROOM_FOR_IMPORTS and files.imported[place] and random.random() < _WITH_IMPORTS:
        return imports_head(files, place, encoder, room // 3, random) + own
    return own if random.random() < _HEADED else []


def _random_line(files: Collection, random: Random) -> tuple[int, int]:
    chosen = random.randrange(files.line_ends[-1])
    index = bisect.bisect_right(files.line_ends, chosen)
    return index, chosen - (files.line_ends[index - 1] if index else 0)
