"""Texts of code as they may enter a prompt."""

import re
from pathlib import PurePath

from dsc_lsp.languages import identifier_of, language_of
from dsc_lsp.repository.secrets import without_secrets

_LONGEST_LINE = 1_500
_LONGEST_MEAN_LINE = 180
_HEAD = 1_000
_SIGNS_OF_GENERATED = ("generated", "do not")
_GENERATED = re.compile(
    r"@generated\b|\bauto-?\s?generated\b|\bgenerated (?:by|from|automatically)\b"
    r"|\bdo not (?:edit|modify)\b"
)


def presentable(text: str) -> str | None:
    """Return a text as it may enter a prompt; ``None`` if it is not code that somebody writes."""
    if "\0" in text or not text.strip():
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if max(map(len, lines)) > _LONGEST_LINE or len(text) > _LONGEST_MEAN_LINE * len(lines):
        return None
    if _is_generated(text[:_HEAD].lower()):
        return None
    return without_secrets(text)


def _is_generated(head: str) -> bool:
    # Most texts have neither word, which is seen ten times as fast.
    return any(sign in head for sign in _SIGNS_OF_GENERATED) and bool(_GENERATED.search(head))


def language_name(path: str) -> str:
    """Return the name of the row in ``languages`` for a path."""
    return language_of(identifier_of(PurePath(path)), path).name
