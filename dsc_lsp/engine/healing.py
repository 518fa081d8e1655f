"""Token healing: in the middle of a word, back up to a token boundary and go on from there.

A model that reads ``avera`` as it stands has never seen those tokens before ``ge``: in its
training the word was one token. So it reads the text without the tokens of the word that is being
written, and its first tokens are held to the characters that are there. Works for every tokenizer
whose tokens are bytes.
"""

import dataclasses
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dsc_lsp.engine.base import Prompt, Token
from dsc_lsp.engine.choice import Adjustment, Numbers
from dsc_lsp.lookup import Continuation, Continuations
from dsc_lsp.models import ModelFamily

_MOST_HEALED_TOKENS = 6


@dataclass(frozen=True, slots=True)
class Healed:
    """A prompt without the word being written before the cursor, and the bytes taken from it.

    ``tokens`` counts what was taken.
    """

    ids: tuple[int, ...]
    begins_with: bytes
    tokens: int


def healed(prompt: Prompt, family: ModelFamily, bytes_of: Callable[[int], bytes]) -> Healed:
    """Return the prompt without the tokens of the word before the cursor, some at most.

    Nothing is taken where the text before the cursor does not end in a word, nor where nothing
    would be left to read.
    """
    parts = list(prompt.parts)
    at = len(parts) - 1
    if parts[at].control and family.fim is not None:
        holes = [
            n for n, part in enumerate(parts) if part.control and part.text == family.fim.hole
        ]
        at = holes[0] - 1 if holes else at
    part = parts[at]
    word = _word_at_end(part.text)
    if part.control or not word:
        return Healed(prompt.ids, b"", 0)
    taken, begins_with = 0, b""
    while taken < min(_MOST_HEALED_TOKENS, len(part.ids)) and len(begins_with) < len(word):
        taken += 1
        begins_with = bytes_of(part.ids[-taken]) + begins_with
    others = (one for one in parts if one is not part)
    leaves_text = taken < len(part.ids) or any(one.ids and not one.control for one in others)
    if b"\n" in begins_with or not begins_with or not leaves_text:
        return Healed(prompt.ids, b"", 0)
    before = [token for one in parts[:at] for token in one.ids]
    after = [token for one in parts[at + 1 :] for token in one.ids]
    return Healed((*before, *part.ids[:-taken], *after), begins_with, taken)


class Vocabulary:
    """The tokens of a tokenizer in the order of their bytes."""

    def __init__(self, tokens: Sequence[bytes], control: Collection[int]) -> None:
        excluded = frozenset(control)
        ordered = sorted((data, n) for n, data in enumerate(tokens) if data and n not in excluded)
        self._data = [data for data, _ in ordered]
        self._ids = [token for _, token in ordered]

    def agreeing(self, wanted: bytes) -> list[int]:
        """Return the tokens that begin with ``wanted``, and those with which it begins."""
        found: list[int] = []
        for length in range(1, len(wanted)):
            found += self._ids[slice(*self._range(wanted[:length], exact=True))]
        return found + self._ids[slice(*self._range(wanted, exact=False))]

    def _range(self, wanted: bytes, *, exact: bool) -> tuple[int, int]:
        start = bisect_left(self._data, wanted)
        # No byte of UTF-8 is 0xff, so this comes behind all that begins with ``wanted``.
        behind = wanted + (b"\0" if exact else b"\xff" * 64)
        return start, bisect_left(self._data, behind)


def beginning_with(
    wanted: bytes, vocabulary: Vocabulary, bytes_of: Callable[[int], bytes]
) -> Adjustment:
    """Return what holds a generation to text that begins with ``wanted``."""

    def adjust(row: Numbers, generated: Sequence[int]) -> Numbers:
        written = b"".join(map(bytes_of, generated[: len(wanted)]))
        if len(written) >= len(wanted):
            return row
        allowed = vocabulary.agreeing(wanted[len(written) :])
        if not allowed:
            return row
        held = np.full_like(row, -np.inf)
        held[allowed] = row[allowed]
        return held

    return adjust


def without_bytes(tokens: Iterator[Token], count: int) -> Iterator[Token]:
    """Yield the tokens without the first bytes of their text, and without those that lose all."""
    for token in tokens:
        cut, count = min(count, len(token.data)), max(0, count - len(token.data))
        if cut < len(token.data) or not token.data:
            yield dataclasses.replace(token, data=token.data[cut:])


@dataclass(frozen=True, slots=True)
class HealedContinuations:
    """What followed elsewhere, for a generation that writes ``word`` again before it goes on."""

    continuations: Continuations
    word: str

    @property
    def size(self) -> int:
        """How many bytes of text are known."""
        return self.continuations.size

    def after(self, generated: str) -> Sequence[Continuation]:
        """Return what may follow ``generated``, which begins with the word or is within it."""
        if generated.startswith(self.word):
            return self.continuations.after(generated[len(self.word) :])
        if not self.word.startswith(generated):
            return ()
        rest = self.word[len(generated) :]
        return tuple(
            Continuation(rest + one.text, rest + one.lexeme, one.matched, one.weight)
            for one in self.continuations.after("")
        )


def _word_at_end(text: str) -> bytes:
    start = len(text)
    while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return text[start:].encode("utf-8", "replace")
