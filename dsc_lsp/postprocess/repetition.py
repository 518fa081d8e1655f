"""Text that goes round in circles: found while it is written, and cut to where it began."""

import re

_LEAST_LOOP = 30
_LEAST_ROUNDS = 4
_LONGEST_PERIOD = 60
_LONGEST_RULER = 100
_LEAST_LETTERS = 4


def loop_in(text: str) -> int | None:
    """Return where the second round begins of what the text's end repeats; ``None`` if nothing.

    A round is up to some dozen characters long and comes at least four times, over at least
    thirty characters. A ruler of one sign, as in ``# ------``, may be longer. Data repeats
    itself too (``0, 0, 0, 0``), so rounds without a letter count from twice the length on.
    """
    for period in range(1, _LONGEST_PERIOD + 1):
        least = max(_LEAST_LOOP, period * _LEAST_ROUNDS)
        if len(text) < least:
            return None
        round_ = text[-period:]
        if text[-least:] != (round_ * (least // period + 1))[-least:]:
            continue
        start = _start_of_loop(text, period)
        length = len(text) - start
        if not re.search(r"\w", round_) and length <= _LONGEST_RULER:
            return None
        if not re.search(r"[^\W\d]", round_) and length <= 2 * least:
            return None
        return start + period
    return None


def repeated_line(lines: list[str], above: str | None) -> int | None:
    """Return the first line that only says again what was said; ``None`` if there is none.

    That is a line like the one right before it (``above`` stands before the first, for it), or
    the second round of several lines. Lines of signs alone, as closing brackets, do not count.
    """
    before = [] if above is None else [above.strip()]
    said = [*before, *(line.strip() for line in lines)]
    for end in range(1, len(said)):
        if _is_telling(said[end]) and said[end] == said[end - 1]:
            return end - len(before)
        for size in range(2, (end + 1) // 2 + 1):
            again = said[end + 1 - size : end + 1]
            if again == said[end + 1 - 2 * size : end + 1 - size] and any(map(_is_telling, again)):
                return end + 1 - size - len(before)
    return None


def _start_of_loop(text: str, period: int) -> int:
    start = len(text) - period
    while start > 0 and text[start - 1] == text[start - 1 + period]:
        start -= 1
    return start


def _is_telling(line: str) -> bool:
    return sum(map(str.isalnum, line)) >= _LEAST_LETTERS
