"""Duplicates: files that equal an earlier one, or nearly do.

Exact copies are found by a digest of the text without its white space, near copies by MinHash
(Broder 1997): the share of equal minima of two texts' shingles estimates the Jaccard similarity
of their sets of shingles, and texts with one band of minima in common are compared.
"""

import hashlib
import re
import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_SHINGLE = 5  # words
_BANDS, _ROWS = 16, 4
_NEAR = 0.7  # Jaccard similarity from which a file is a copy
_FEWEST_SHINGLES = 40  # below, estimates are coarse and exact digests are enough
_PIECES = re.compile(r"\w+|[^\w\s]")

Signature = NDArray[np.uint64]

_random = np.random.default_rng(20261124)
_FACTORS = _random.integers(1, 1 << 63, (_BANDS * _ROWS, 1), np.uint64) | np.uint64(1)
_OFFSETS = _random.integers(0, 1 << 63, (_BANDS * _ROWS, 1), np.uint64)
_POSITIONS = _random.integers(1, 1 << 63, _SHINGLE, np.uint64) | np.uint64(1)


class SeenTexts:
    """Texts met so far, by their digests and signatures."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()
        self._signatures: list[Signature] = []
        self._bands: dict[tuple[int, bytes], list[int]] = {}

    def add(self, text: str) -> bool:
        """Say whether ``text`` is new, and remember it if it is."""
        digest = hashlib.sha256("".join(text.split()).encode()).digest()
        if digest in self._digests:
            return False
        self._digests.add(digest)
        signature = minima(text)
        if signature is None:
            return True
        keys = [
            (band, signature[band * _ROWS : (band + 1) * _ROWS].tobytes())
            for band in range(_BANDS)
        ]
        candidates = {index for key in keys for index in self._bands.get(key, ())}
        if any(similarity(signature, self._signatures[index]) >= _NEAR for index in candidates):
            return False
        for key in keys:
            self._bands.setdefault(key, []).append(len(self._signatures))
        self._signatures.append(signature)
        return True


def minima(text: str) -> Signature | None:
    """Return the MinHash signature of a text, ``None`` if it is too short for one."""
    words = np.fromiter(map(_word_hash, _PIECES.findall(text)), np.uint64)
    count = len(words) - _SHINGLE + 1
    if count < _FEWEST_SHINGLES:
        return None
    shingles = np.zeros(count, np.uint64)
    for place, factor in enumerate(_POSITIONS):
        shingles += words[place : place + count] * factor
    shingles = np.unique(shingles ^ (shingles >> np.uint64(31)))
    signature = np.full(len(_FACTORS), np.iinfo(np.uint64).max, np.uint64)
    for part in np.array_split(shingles, 1 + len(shingles) // 1024):  # stays in the cache
        least = ((part * _FACTORS + _OFFSETS) >> np.uint64(16)).min(axis=1)
        np.minimum(signature, least, out=signature)
    return signature


def similarity(first: Signature, second: Signature) -> float:
    """Return the estimated Jaccard similarity of two texts, 0 to 1."""
    return float((first == second).mean())


@lru_cache(maxsize=1 << 18)
def _word_hash(word: str) -> int:
    # Two checksums of 32 bits: one alone would make every thousandth pair of files collide.
    data = word.encode()
    return zlib.crc32(data) | zlib.adler32(data) << 32
