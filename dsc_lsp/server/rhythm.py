"""How fast the user types and the model answers, and how long to wait before asking it.

Waiting spares the machine work that the next key would make useless. It is worth nothing where
the answer comes before that key, nor where the user has paused.
"""

_SMOOTHING = 0.3
_PAUSE_SECONDS = 1.0
_A_KEY_AND_A_BIT = 1.2


class Rhythm:
    """Running means of the time between keys and of answers, in seconds."""

    def __init__(self) -> None:
        self._last_key: float | None = None
        self._between_keys: float | None = None
        self._answer: float | None = None

    def key(self, now: float) -> None:
        """Take note of a key; a pause is no part of the rhythm."""
        if self._last_key is not None and now - self._last_key < _PAUSE_SECONDS:
            self._between_keys = _mean(self._between_keys, now - self._last_key)
        else:
            self._between_keys = None
        self._last_key = now

    def answered(self, seconds: float) -> None:
        """Take note of how long an answer of the model took."""
        self._answer = _mean(self._answer, seconds)

    def wait(self, least: float, most: float) -> float:
        """Return how long to wait for another key, from ``least`` to ``most`` seconds."""
        if self._between_keys is None or self._answer is None:
            return least
        if self._answer <= self._between_keys:
            return least
        return max(least, min(most, self._between_keys * _A_KEY_AND_A_BIT))


def _mean(before: float | None, value: float) -> float:
    return value if before is None else before + _SMOOTHING * (value - before)
