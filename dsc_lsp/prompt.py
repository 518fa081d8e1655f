"""From a cursor to token ids, in the words of the model's family and within a budget.

Two things matter here besides the format. Nothing more than needed is encoded: lines are taken
outwards from the cursor until the budget is full. And the prompt changes as little as possible
while the user types: the starts of prefix and middle move in coarse steps, so that the engine's
keys and values of the unchanged part stay of use.
"""

from dsc_lsp.document import Cursor, Document, Position, line_ending
from dsc_lsp.engine.base import Prompt, PromptPart, Tokenizer
from dsc_lsp.models import FimFormat, ModelFamily

_CONTROL_TOKENS = 4
_PREFIX_STEP_LINES = 64
_MIDDLE_STEP_LINES = 8
_ROOM_STEP_TOKENS = 64
_MOST_CHARACTERS_PER_TOKEN = 16


def build_prompt(
    cursor: Cursor,
    family: ModelFamily,
    tokenizer: Tokenizer,
    budget: int,
    context: PromptPart | None = None,
) -> Prompt:
    """Return what the model reads: fill-in-the-middle, or left-to-right without a suffix.

    The prompt has at most ``budget`` tokens. ``context``, code of other files, stands first. The
    text right before the cursor is kept first, then the suffix up to the family's limit, then more
    of the prefix. All line breaks are ``\\n``.
    """
    context = context or PromptPart((), "")
    room = max(0, min(budget, family.prompt_tokens) - _CONTROL_TOKENS - len(context.ids))
    first = (_control(tokenizer, family.begin_of_text), *((context,) if context.ids else ()))
    if family.fim is not None:
        suffix = _after(cursor, tokenizer, min(family.suffix_tokens, room // 4))
        if suffix is not None:
            room -= len(suffix.ids)
            return Prompt((*first, *_in_the_middle(cursor, family, tokenizer, suffix, room)))
    return Prompt((*first, _before(cursor.document, cursor.position, tokenizer, room)))


def _in_the_middle(
    cursor: Cursor, family: ModelFamily, tokenizer: Tokenizer, suffix: PromptPart, room: int
) -> tuple[PromptPart, ...]:
    assert family.fim is not None, "the caller has chosen fill-in-the-middle"
    fim: FimFormat = family.fim
    anchor, typed = cursor.position, PromptPart((), "")
    if family.anchor_lines is not None:
        anchor, typed = _typed(cursor, family.anchor_lines, tokenizer, room // 2)
    # The room left shrinks at every key; rounded, it shrinks at every few dozen.
    step = max(1, min(_ROOM_STEP_TOKENS, room // 8))
    used = min(room, _round_up(len(typed.ids), step))
    prefix = _before(cursor.document, anchor, tokenizer, room - used)
    return (
        _control(tokenizer, fim.begin),
        prefix,
        _control(tokenizer, fim.hole),
        suffix,
        _control(tokenizer, fim.end),
        *((typed,) if typed.ids else ()),
    )


def _typed(
    cursor: Cursor, anchor_lines: int, tokenizer: Tokenizer, room: int
) -> tuple[Position, PromptPart]:
    """Return where the middle begins, at the start of a line above, and its text to the cursor."""
    document, end = cursor.document, cursor.position
    step = _MIDDLE_STEP_LINES
    line = max(0, (end.line - anchor_lines) // step * step)
    while True:
        text = _text(document, line, end)
        typed = PromptPart(tokenizer.encode(text), text) if len(text) <= _most(room) else None
        if typed is not None and len(typed.ids) <= room:
            return Position(line, 0), typed
        if line == end.line:
            typed = _last_part(cursor.line_before, tokenizer, room)
            return Position(line, end.column - len(typed.text)), typed
        line = min(line + step, end.line)


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
    text = _text(document, _coarse(first, end.line), end)
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


def _text(document: Document, first: int, end: Position) -> str:
    whole = "".join(_plain(line) for line in document.lines[first : end.line])
    return whole + document.line(end.line)[: end.column]


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
