"""How much of a prompt is read between two looks at the cancel token."""

MOST_SECONDS = 0.030
"""What a chunk may take, so that the newest request waits no longer for one that is cancelled."""

LEAST, FIRST, MOST = 16, 256, 512
"""Tokens of a chunk; of fewer than the least, reading the weights would take all the time."""


class Pace:
    """The width of the next chunk, learnt from how long chunks took on this device.

    A chunk that took too long narrows the next in proportion. A whole chunk that took well below
    half the time widens it to twice as many tokens: more than twice as long that cannot take but
    for the attention's share.
    """

    def __init__(self) -> None:
        self.width = FIRST
        self._is_warm = False

    def took(self, tokens: int, seconds: float) -> None:
        """Learn from a chunk of so many tokens."""
        if not self._is_warm:
            self._is_warm = True  # the first pays for everything that is initialized lazily
        elif seconds > MOST_SECONDS:
            self.width = max(LEAST, _power_of_two(int(tokens * MOST_SECONDS / seconds)))
        elif tokens >= self.width and seconds < 0.4 * MOST_SECONDS:
            self.width = min(MOST, 2 * self.width)


def _power_of_two(number: int) -> int:
    """Return the largest power of two that is not above a number, or 1."""
    return 1 << max(0, number.bit_length() - 1)
