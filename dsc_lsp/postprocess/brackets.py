"""Brackets: a suggestion never leaves more of them without their partner than there were.

All that is looked at is code in which comments and strings are masked (``syntax``), so that
brackets in them do not count.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from dsc_lsp.document import indentation

_CLOSER_OF = {"(": ")", "[": "]", "{": "}"}
_OPENER_OF = {closer: opener for opener, closer in _CLOSER_OF.items()}
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"()[]{}")
_CLOSER_AT_END = re.compile(r"[)\]}]([;,]?)(?:\s*[:{])?\s*$")
_SIGN_AT_END = re.compile(r"(?::|;|\s*\{)\s*$")
_EMPTY_GROUP = re.compile(
    r"(?:^|[^\w)\]>\s])\s*[(\[{]\s*$|\b(?:return|if|while|in|not|and|or)\s*\(\s*$"
)


@dataclass(frozen=True, slots=True)
class Around:
    """The brackets without a partner in the code before the cursor, and in that after it."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class _Text:
    """A text and its code, code point for code point; ``indent`` stands before its first line."""

    text: str
    code: str
    indent: str

    def upto(self, end: int) -> "_Text":
        end = len(self.text[:end].rstrip())
        return _Text(self.text[:end], self.code[:end], self.indent)

    def without(self, start: int, end: int) -> "_Text":
        return self._replaced(start, end, "")

    def closed(self, place: int) -> "_Text":
        """Return the text in which the bracket opened at a place is closed.

        Before the sign at the end of its line that opens a block or ends a statement; on a line
        of its own, if it ends its line and others follow; else at the end.
        """
        closer = _CLOSER_OF[self.code[place]]
        start = self.text.rfind("\n", 0, place) + 1
        end = self.code.find("\n", place)
        ending = _SIGN_AT_END.search(self.code, place, end if end >= 0 else len(self.code))
        if ending is not None and ending.start() > place:
            return self._replaced(ending.start(), ending.start(), closer)
        if end >= 0 and not self.text[place + 1 : end].strip():
            first = self.indent if start == 0 else ""
            closer = f"\n{first}{indentation(self.text[start:])}{closer}"
            return self._replaced(len(self.text), len(self.text), closer)
        # Where a line was cut, what the comma announced does not come.
        end = len(self.code.rstrip().removesuffix(","))
        return self._replaced(end, len(self.text), closer)

    def _replaced(self, start: int, end: int, text: str) -> "_Text":
        return _Text(
            self.text[:start] + text + self.text[end:],
            self.code[:start] + text + self.code[end:],
            self.indent,
        )


def brackets_around(before: str, after: str) -> Around:
    """Return the brackets around a cursor from the code before and after it."""
    return Around(lone_brackets(before), lone_brackets(after))


def closing(code: str) -> str:
    """Return the brackets that close what a code leaves open, the innermost first."""
    lone = reversed(lone_brackets(code))
    return "".join(_CLOSER_OF[sign] for sign in lone if sign in _CLOSER_OF)


def is_closed(code: str) -> bool:
    """Whether each bracket that a code opens is closed in it."""
    return not any(sign in _CLOSER_OF for sign in lone_brackets(code))


def _is_no_worse(around: Around, code: str) -> bool:
    """Whether no more brackets have no partner once ``code`` stands at the place.

    Closing ones without a partner do not make up for opening ones that now have one.
    """
    was = lone_brackets(around.before + around.after)
    now = lone_brackets(around.before + code + around.after)
    return len(now) <= len(was) and _count_closing(now) <= _count_closing(was)


def balanced(text: str, around: Around, indent: str, mask: Callable[[str], str]) -> str:
    """Return the text, changed so that it leaves no more brackets unmatched than there were.

    ``indent`` is the indentation before the text's first line, ``mask`` returns the code of a
    text as it stands at the place, code point for code point.
    The first of these that does: the text as it is, without closing brackets at its end, with
    the closing ones that it lacks, cut before a closing one (and completed then), fewer lines.
    """
    for candidate in _candidates(_Text(text, mask(text), indent)):
        if not _is_no_worse(around, candidate.code):
            continue
        # A repaired text may be read otherwise: parsers guess where code is broken.
        if candidate.text == text or _is_no_worse(around, mask(candidate.text)):
            return candidate.text
    return ""


def _candidates(whole: _Text) -> Iterator[_Text]:
    yield whole
    shorter = whole
    while closer := _CLOSER_AT_END.search(shorter.code):
        shorter = shorter.without(closer.start(), closer.end(1))
        yield shorter
    yield from _completed(whole)
    closers = [place for place, sign in enumerate(whole.code) if sign in _OPENER_OF]
    breaks = [place for place, sign in enumerate(whole.code) if sign == "\n"]
    for place in reversed(closers + breaks):
        yield whole.upto(place)
        yield from _completed(whole.upto(place))


def _completed(whole: _Text) -> Iterator[_Text]:
    """Yield the text with one more of the closing brackets that its own opening ones lack."""
    lacking: list[int] = []
    for place, sign in enumerate(whole.code):
        if sign in _CLOSER_OF:
            lacking.append(place)
        elif lacking and _CLOSER_OF[whole.code[lacking[-1]]] == sign:
            lacking.pop()
    if _EMPTY_GROUP.search(whole.code):
        return
    for place in reversed(lacking):
        whole = whole.closed(place)
        yield whole


@lru_cache(maxsize=16)
def lone_brackets(code: str) -> str:
    """Return the brackets that are left when pairs with nothing between them are struck out."""
    left, before = code.encode("ascii", "replace").translate(None, _NO_BRACKETS).decode(), ""
    while left != before:
        before = left
        for opener, closer in _CLOSER_OF.items():
            left = left.replace(opener + closer, "")
    return left


def _count_closing(brackets: str) -> int:
    return sum(sign in _OPENER_OF for sign in brackets)
