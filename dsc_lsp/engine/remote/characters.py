"""Counting without a tokenizer: an estimate of tokens that is seldom too low."""

import re

# What byte-level BPE for code makes of text: a digit is a token, a letter outside ASCII up to one
# for each byte; words and runs of the same sign share tokens. Measured against DeepSeek-Coder's
# vocabulary in docs/log.md.
_UNITS = re.compile(r"[A-Za-z]{1,4}|[ \t]{1,8}|\n|[0-9]|([^\x00-\x7f])|(?s:.)")
_CONTROL = -1


class CharacterTokenizer:
    """Stands for a tokenizer that we do not have: its ids are made up and only to be counted."""

    def encode(self, text: str) -> tuple[int, ...]:
        """Return as many numbers as the text may have tokens; the same for the same text."""
        ids: list[int] = []
        for unit in _UNITS.finditer(text):
            if unit[1]:
                ids.extend(unit[1].encode("utf-8", "replace"))
            else:
                ids.append(hash(unit[0]))
        return tuple(ids)

    def control(self, name: str) -> int:  # noqa: ARG002 - any is as good as another
        """Return a number that no text has."""
        return _CONTROL
