"""From a cursor to token ids, in the words of the model's family and within a budget.

Two things matter here besides the format. Nothing more than needed is encoded: lines are taken
outwards from the cursor until the budget is full. And the prompt changes as little as possible
while the user types: it keeps its anchor (``anchors``) as long as that holds, and the start of
its prefix moves in coarse steps, so that the engine's keys and values stay of use.
"""

from dataclasses import dataclass

from dsc_lsp.anchors import Anchor, anchored_at, holds, is_deleted_past
from dsc_lsp.document import Cursor, Document, Position, line_ending
from dsc_lsp.engine.base import Prompt, PromptPart, Tokenizer
from dsc_lsp.models import ModelFamily

_CONTROL_TOKENS = 4
_PREFIX_STEP_LINES = 32
_MOST_GROWTH_TOKENS = 256
_SHARE_OF_GROWTH = 6
_MOST_CHARACTERS_PER_TOKEN = 16
_NOTHING = PromptPart((), "")


@dataclass(frozen=True, slots=True)
class Terms:
    """What besides the document decides on a prompt.

    It has at most ``budget`` tokens. ``context``, code of other files, stands first.
    """

    family: ModelFamily
    tokenizer: Tokenizer
    budget: int
    context: PromptPart = _NOTHING


@dataclass(frozen=True, slots=True)
class Anchored:
    """What stays of a fill-in-the-middle prompt while the user types at it.

    ``head`` is all up to the middle, of which ``most_typed`` tokens may be written already.
    """

    terms: Terms
    anchor: Anchor
    head: tuple[PromptPart, ...]
    most_typed: int


class Prompts:
    """Makes the prompts of one engine, each as like the last as can be; engine thread only.

    One anchor is remembered, since an engine keeps the keys and values of one prompt.
    """

    def __init__(self) -> None:
        self._last: Anchored | None = None

    def at(self, cursor: Cursor, terms: Terms) -> Prompt:
        """Return what the model reads at a cursor, from the last anchor if it still holds."""
        last, lines_above = self._last, terms.family.anchor_lines
        if last is not None:
            prompt = continued(last, cursor, terms)
            if prompt is not None:
                return prompt
            if is_deleted_past(last.anchor, cursor):
                lines_above = 0
        return self._anchored(cursor, terms, lines_above)

    def is_anchored(self, cursor: Cursor) -> bool:
        """Whether the prompt at a cursor can begin as the last one did."""
        return self._last is not None and holds(self._last.anchor, cursor)

    def anew(self, cursor: Cursor, terms: Terms) -> Prompt:
        """Return what the model reads at a cursor when the middle is anchored there."""
        return self._anchored(cursor, terms, terms.family.anchor_lines)

    def _anchored(self, cursor: Cursor, terms: Terms, lines_above: int | None) -> Prompt:
        self._last = anchored(cursor, terms, lines_above)
        return _from_anchor(self._last, cursor, terms)


def build_prompt(cursor: Cursor, terms: Terms) -> Prompt:
    """Return what the model reads: fill-in-the-middle, or left-to-right without a suffix.

    All line breaks are ``\\n``.
    """
    return _from_anchor(anchored(cursor, terms, terms.family.anchor_lines), cursor, terms)


def anchored(cursor: Cursor, terms: Terms, lines_above: int | None) -> Anchored | None:
    """Return what a prompt made anew begins with; ``None`` if it is read from left to right.

    ``lines_above`` says where its middle begins, as ``anchor_lines`` of a family.

    The text right before the cursor is kept first, then the suffix up to the family's limit, then
    more of the prefix. Some tokens are left for what will be typed.
    """
    family, tokenizer = terms.family, terms.tokenizer
    if family.fim is None:
        return None
    room = _room(terms)
    suffix = _after(cursor, tokenizer, min(family.suffix_tokens, room // 4))
    if suffix is None:
        return None
    room -= len(suffix.ids)
    anchor, typed = _within(anchored_at(cursor, lines_above), tokenizer, room // 2)
    most_typed = min(room, typed + min(_MOST_GROWTH_TOKENS, room // _SHARE_OF_GROWTH))
    head = (
        *_first_parts(terms),
        _control(tokenizer, family.fim.begin),
        _before(cursor.document, anchor.start, tokenizer, room - most_typed),
        _control(tokenizer, family.fim.hole),
        suffix,
        _control(tokenizer, family.fim.end),
    )
    return Anchored(terms, anchor, head, most_typed)


def continued(last: Anchored, cursor: Cursor, terms: Terms) -> Prompt | None:
    """Return the prompt at a cursor that keeps the anchor of the last; ``None`` if none may."""
    if terms != last.terms or not holds(last.anchor, cursor):
        return None
    text = _text(cursor.document, last.anchor.start, cursor.position)
    if len(text) > _most(last.most_typed):
        return None
    typed = PromptPart(terms.tokenizer.encode(text), text)
    if len(typed.ids) > last.most_typed:
        return None
    return Prompt((*last.head, *((typed,) if typed.ids else ())))


def _from_anchor(anchored: Anchored | None, cursor: Cursor, terms: Terms) -> Prompt:
    if anchored is None:
        before = _before(cursor.document, cursor.position, terms.tokenizer, _room(terms))
        return Prompt((*_first_parts(terms), before))
    prompt = continued(anchored, cursor, terms)
    assert prompt is not None, "an anchor holds where it was made"
    return prompt


def _first_parts(terms: Terms) -> tuple[PromptPart, ...]:
    begin = _control(terms.tokenizer, terms.family.begin_of_text)
    return (begin, *((terms.context,) if terms.context.ids else ()))


def _room(terms: Terms) -> int:
    """Return how many tokens of the document's text fit."""
    budget = min(terms.budget, terms.family.prompt_tokens)
    return max(0, budget - _CONTROL_TOKENS - len(terms.context.ids))


def _within(anchor: Anchor, tokenizer: Tokenizer, room: int) -> tuple[Anchor, int]:
    """Return the anchor nearer to its cursor, so that the text between fits, and its tokens."""
    cursor, start = anchor.cursor, anchor.start
    document, end = cursor.document, cursor.position
    while True:
        text = _text(document, start, end)
        typed = len(tokenizer.encode(text)) if len(text) <= _most(room) else room + 1
        if typed <= room:
            return Anchor(start, cursor), typed
        if start.line == end.line:
            break
        start = Position(start.line + 1, 0)
    part = _last_part(text, tokenizer, room)
    return Anchor(end._replace(column=end.column - len(part.text)), cursor), len(part.ids)


def _before(document: Document, end: Position, tokenizer: Tokenizer, room: int) -> PromptPart:
    """Return the text before ``end`` that fits into ``room`` tokens, from the start of a line."""
    last = _last_part(document.line(end.line)[: end.column], tokenizer, room)
    if len(last.text) < end.column:
        return last
    used, first = len(last.ids), end.line
    while first > 0:
        line = _plain(document.lines[first - 1])
        if len(line) > _most(room - used):
            break
        used += len(tokenizer.encode(line))
        if used > room:
            break
        first -= 1
    text = _text(document, Position(_coarse(first, end.line), 0), end)
    return PromptPart(tokenizer.encode(text), text)


def _after(cursor: Cursor, tokenizer: Tokenizer, room: int) -> PromptPart | None:
    """Return the text after the cursor that fits into ``room``; ``None`` if it is all blank."""
    document, start = cursor.document, cursor.position
    if not cursor.line_after.strip() and not any(
        document.lines[number].strip() for number in range(start.line + 1, len(document.lines))
    ):
        return None
    rest = document.lines[start.line][start.column :]
    text, used = "", 0
    for line in (rest, *document.lines[start.line + 1 : start.line + 1 + room]):
        plain = _plain(line)[: _most(room - used) + 1]
        used += len(tokenizer.encode(plain))
        if used > room:
            break
        text += plain
    if not text:
        text = _first_part(_plain(rest), tokenizer, room)
    return PromptPart(tokenizer.encode(text), text)


def _last_part(text: str, tokenizer: Tokenizer, room: int) -> PromptPart:
    """Return the whole text, or of a text too long its end, cut where it stays cut for a while."""
    step = 1 + room // 2
    start = _round_up(max(0, len(text) - _most(room)), step)
    while len(ids := tokenizer.encode(text[start:])) > room:
        rest = len(text) - start
        start += _round_up(rest - rest * room // len(ids), step)
    return PromptPart(ids, text[start:])


def _first_part(text: str, tokenizer: Tokenizer, room: int) -> str:
    text = text[: _most(room)]
    while len(tokenizer.encode(text)) > room:
        text = text[: len(text) * 3 // 4]
    return text


def _coarse(first: int, last: int) -> int:
    """Return a line at or after ``first`` that stays the same while ``first`` moves a little."""
    if first == 0:
        return 0
    step = _PREFIX_STEP_LINES
    while step > 1 and _round_up(first, step) - first > (last - first) // 2:
        step //= 2
    return _round_up(first, step)


def _text(document: Document, start: Position, end: Position) -> str:
    whole = "".join(_plain(line) for line in document.lines[start.line : end.line])
    return (whole + document.line(end.line)[: end.column])[start.column :]


def _plain(line: str) -> str:
    ending = line_ending(line)
    return line[: len(line) - len(ending)] + "\n" if ending else line


def _control(tokenizer: Tokenizer, name: str) -> PromptPart:
    return PromptPart((tokenizer.control(name),), name, control=True)


def _most(room: int) -> int:
    """Return how many characters could at most fit: what is longer need not be encoded."""
    return max(0, room) * _MOST_CHARACTERS_PER_TOKEN


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step
