"""What the code at the cursor is, by tree-sitter where there is a grammar; never fails.

Only a window of lines around the cursor is parsed: a whole file of 10,000 lines takes 100 ms. Code
at the cursor is usually broken, so errors in the tree decide nothing.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from cachetools import LRUCache
from tree_sitter import Node, Parser, Tree

from dsc_lsp.document import Cursor, Document, indentation, split_lines
from dsc_lsp.languages import Grammar, Language, language_of
from dsc_lsp.parsing import BLANKS, CONTINUATION_BYTES, TooHard, loaded, tree_of, without_rows

_WINDOW_LINES = 200
_MOST_WINDOW_LINES = 400
_WINDOW_CHARACTERS = 32_000
_PARSING_SECONDS = 0.1
"""Of processor time, twenty times what a window of code takes; noise in brackets takes more."""
_WHOLE_SECONDS = 5.0
_MOST_INDENTATION = 200
_BLANKS_AND_STRINGS = " \t\0"
_STRING_OUT = bytes(byte if byte in b"\r\n" else 0 for byte in range(256))
_CLOSERS_ONLY = re.compile(r"(?:[)\]}\"'`;,\s]|</[\w.:-]+>)*")
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'")
_REMEMBERED_TREES = 8
_BEGINNING = 256
"""So many bytes alike, and a text is taken for one that was parsed before and has been edited."""
_AT_CURSOR = b"x"
"""Stands at the cursor while parsing: what swallows it is text in which the cursor is."""

_Span = tuple[int, int, bytes, bool]
"""A comment or string: first byte, byte after the last, what becomes of its bytes, and whether it
is a comment."""
_COMMENT_OPENERS = ("/*", "<!--", "=begin")
"""Of what begins a comment or string that has no end (``Language.unfinished``)."""


class _Masked(NamedTuple):
    """A text without comments and strings, and whether one goes on at its end, or a comment."""

    code: str
    in_text: bool
    in_comment: bool


@dataclass(frozen=True, slots=True)
class _Parsed:
    source: bytes
    tree: Tree
    spans: tuple[_Span, ...]


_PARSED: LRUCache[tuple[Grammar, bytes], _Parsed] = LRUCache(_REMEMBERED_TREES)


@dataclass(frozen=True, slots=True)
class _Window:
    """What is parsed of the text up to a cursor, behind the grammar's ``preamble``."""

    cursor: Cursor
    language: Language
    preamble: str
    text: str


_WINDOWS: "deque[_Window]" = deque(maxlen=1)


def opened_block(cursor: Cursor) -> str | None:
    """Return the indentation of the statement that opens the block to be filled at the cursor.

    It ends at the cursor, or is the last code above a cursor on a blank line. Behind the cursor
    may stand what closes it, as editors insert by themselves, and what goes on behind that.
    ``None`` where no block begins, where it has a body already, or inside a comment or string.
    """
    if not _CLOSERS_ONLY.fullmatch(cursor.line_after) and not _is_in_braces(cursor):
        return None
    language = language_of(cursor.document.language, cursor.document.uri)
    on_blank_line = not (cursor.line_before + cursor.line_after).strip()
    if not on_blank_line and not re.search(language.opener, cursor.line_before.rstrip()):
        return None  # as at most keystrokes, which need not wait for the parser
    code = _lines_of_code(cursor)
    if code is None:
        return None
    last = len(code) - 1
    if on_blank_line:
        # A comment or docstring under the opener says what the block will do.
        while last >= 0 and not code[last].strip(_BLANKS_AND_STRINGS):
            last -= 1
    if last < 0 or not re.search(language.opener, code[last]):
        return None
    first_line = cursor.position.line + 1 - len(code)
    start = first_line + _start_of_statement(code, last)
    opener = indentation(cursor.document.line(start))
    return None if _has_body(cursor, opener) else opener


def code_before(cursor: Cursor) -> str | None:
    """Return the code up to the cursor, some hundred lines of it; ``None`` inside other text.

    Comments are blanked out, and what strings say, so that a colon in it opens nothing.
    """
    window = _window(cursor)
    masked = _masked(window.text, window.language, window.preamble)
    return None if masked.in_text else masked.code


def in_comment(cursor: Cursor) -> bool:
    """Whether the cursor is in a comment, as far as a grammar tells; a docstring is a string."""
    window = _window(cursor)
    return _masked(window.text, window.language, window.preamble).in_comment


def code_of(cursor: Cursor, text: str) -> str:
    """Return ``text``, inserted at the cursor, without what its comments and strings say.

    The text after the cursor is not looked at: it would be read as a part of what is unfinished.
    """
    start = len(_window(cursor).text)
    return _masked_with(cursor, text).code[start : start + len(text)]


def code_before_with(cursor: Cursor, text: str) -> str:
    """Return the code up to the cursor as it is read once ``text`` stands there.

    Where the cursor is in a string, that is the code before it if ``text`` closes the string.
    """
    return _masked_with(cursor, text).code[: len(_window(cursor).text)]


def ends_in_text(cursor: Cursor, text: str) -> bool:
    """Whether a comment or string is open on the line below ``text``, inserted at the cursor."""
    return _masked_with(cursor, text).in_text


def code_after(cursor: Cursor) -> str:
    """Return the code from the cursor on, some hundred lines of it, without comments and strings.

    Right only where the cursor is not in a comment or string itself.
    """
    document, start = cursor.document, cursor.position.line + 1
    language = language_of(document.language, document.uri)
    rest = "".join(document.lines[start : start + _WINDOW_LINES])[:_WINDOW_CHARACTERS]
    # Apart, so that what is below needs no new look at each key.
    below = _masked(rest, language, language.preamble).code
    return _masked(cursor.line_after, language, language.preamble).code + "\n" + below


def is_cut_below(cursor: Cursor) -> bool:
    """Whether ``code_after`` ends before the document does."""
    return len(cursor.document.lines) > cursor.position.line + 1 + _WINDOW_LINES


def count_errors(cursor: Cursor, text: str) -> int:
    """Return how often the parser stumbles in the code up to the cursor with ``text`` behind it.

    The code after the cursor is not looked at. Without a grammar, or where parsing takes too long,
    it never stumbles.
    """
    window = _window(cursor)
    grammar = window.language.grammar
    parser = _parser(grammar) if grammar else None
    if parser is None or grammar is None:
        return 0
    source = _source(window.preamble + window.text + text, window.language)
    try:
        tree, _ = _parse(source, _PARSED.get((grammar, source[:_BEGINNING])), parser)
    except TooHard:
        return 0
    count, nodes = 0, [tree.root_node]
    while nodes:
        node = nodes.pop()
        count += node.is_error or node.is_missing
        if node.has_error:
            nodes.extend(node.children)
    return count


def has_errors(document: Document) -> bool | None:
    """Whether the whole document has syntax errors, for measurements.

    ``None`` without a grammar, or where parsing takes too long.
    """
    grammar = language_of(document.language, document.uri).grammar
    parser = _parser(grammar) if grammar else None
    if parser is None:
        return None
    source = document.text.encode("utf-8", "replace")
    try:
        return tree_of(source, None, parser, _WHOLE_SECONDS).root_node.has_error
    except TooHard:
        return None


def has_grammar(grammar: Grammar) -> bool:
    """Whether the grammar's package is installed and loads."""
    return _parser(grammar) is not None


def _is_in_braces(cursor: Cursor) -> bool:
    """Whether a brace is opened right before the cursor and closed right behind it."""
    return cursor.line_before.rstrip().endswith("{") and cursor.line_after.lstrip().startswith("}")


def _has_body(cursor: Cursor, opener: str) -> bool:
    """Whether the next line with code below the cursor is indented deeper than the opener."""
    document = cursor.document
    for number in range(cursor.position.line + 1, len(document.lines)):
        line = document.line(number)
        if line.strip():
            return len(indentation(line).expandtabs(8)) > len(opener.expandtabs(8))
    return False


def _start_of_statement(code: list[str], last: int) -> int:
    """Return the line where the brackets open that close in line ``last``, or ``last`` itself."""
    depth = 0
    for number in range(last, -1, -1):
        for character in reversed(code[number]):
            if character in ")]}":
                depth += 1
            elif character in "([{" and depth:
                depth -= 1
        if not depth:
            return number
    return last


def _lines_of_code(cursor: Cursor) -> list[str] | None:
    """Return the lines up to the cursor, without trailing blanks; ``None`` inside other text."""
    code = code_before(cursor)
    return None if code is None else [line.rstrip() for line in split_lines(code)]


def _window(cursor: Cursor) -> _Window:
    """Remember the window: one completion asks for it a dozen times."""
    if _WINDOWS and _WINDOWS[0].cursor is cursor:
        return _WINDOWS[0]
    document, end = cursor.document, cursor.position.line
    language, start = language_of(document.language, document.uri), _start_of_window(document, end)
    above = "".join(document.lines[start:end])[-_WINDOW_CHARACTERS:]
    preamble = language.preamble if start else ""
    window = _Window(cursor, language, preamble, above + cursor.line_before)
    _WINDOWS.append(window)
    return window


def _start_of_window(document: Document, end: int) -> int:
    """Return the line from which to parse: one that is likely not within a comment or string.

    That is the least indented one of some hundred that begin with a letter, the nearest of those.
    """
    enough = end - _WINDOW_LINES
    if enough <= 0:
        return 0
    start, least = enough, _MOST_INDENTATION
    top = max(0, end - _MOST_WINDOW_LINES)
    lines = document.lines[top : enough + 1]
    for number in range(enough, top - 1, -1):
        if number == 0:
            return 0
        line = lines[number - top][:_MOST_INDENTATION]
        code = line.lstrip(" \t")
        if len(line) - len(code) < least and code[:1].isalpha():
            start, least = number, len(line) - len(code)
        if not least:
            break
    return start


def _masked_with(cursor: Cursor, text: str) -> _Masked:
    window = _window(cursor)
    return _masked(window.text + text + "\n", window.language, window.preamble)


@lru_cache(maxsize=16)
def _masked(text: str, language: Language, preamble: str) -> _Masked:
    """Return ``text`` without comments and strings, and whether one of them goes on at its end.

    Each code point keeps its place. Remembered, because one completion asks several times.
    """
    parser = _parser(language.grammar) if language.grammar else None
    before = preamble.encode()
    source = _source(preamble + text, language) + _AT_CURSOR
    spans = None if parser is None else _opaque_spans(source, language, parser)
    if spans is None:
        return _Masked(_QUOTED.sub(lambda quoted: "\0" * len(quoted[0]), text), False, False)
    code = bytearray(source)
    for start, end, table, _ in reversed(spans):
        code[start:end] = code[start:end].translate(table, CONTINUATION_BYTES)
    masked = code[len(before) : -len(_AT_CURSOR)].decode("utf-8", "replace")
    unfinished = (
        re.search(language.unfinished, masked, re.MULTILINE) if language.unfinished else None
    )
    if unfinished is not None:
        return _Masked(masked, True, unfinished[0].startswith(_COMMENT_OPENERS))
    in_text = not code.endswith(_AT_CURSOR)
    return _Masked(masked, in_text, in_text and spans[-1][3])


def _source(text: str, language: Language) -> bytes:
    """Return what is parsed of a text, code point for code point where its comments are blank."""
    return without_rows(text.encode("utf-8", "replace"), language.name, CONTINUATION_BYTES)


def _opaque_spans(source: bytes, language: Language, parser: Parser) -> tuple[_Span, ...] | None:
    """Return the comments and strings in order, the outermost only: a string may hold code.

    ``None`` if that would take too long. A text that begins as one before is parsed, and looked
    through, from where they differ: at most keys in a tenth of the time.
    """
    assert language.grammar is not None, "there is a parser for it"
    key = (language.grammar, source[:_BEGINNING])
    before = _PARSED.get(key)
    try:
        tree, changed = _parse(source, before, parser)
    except TooHard:
        return None
    known = before.spans if before is not None and changed else ()
    spans = [span for span in known if span[1] < changed]
    done = spans[-1][1] if spans else 0
    for node in _opaque_nodes(tree, language.opaque, changed):
        if node.start_byte < done:
            continue
        is_comment = "comment" in node.type
        table = BLANKS if is_comment or node.type == "text" else _STRING_OUT
        spans.append((node.start_byte, node.end_byte, table, is_comment))
        done = node.end_byte
    parsed = _PARSED[key] = _Parsed(source, tree, tuple(spans))
    return parsed.spans


def _parse(source: bytes, before: _Parsed | None, parser: Parser) -> tuple[Tree, int]:
    """Return the tree of a text, and the first byte from which on it may not be as before."""
    if before is None:
        return tree_of(source, None, parser, _PARSING_SECONDS), 0
    old = before.source
    start = _alike(old, source)
    most = min(len(old), len(source)) - start
    end = _alike(old[::-1][:most], source[::-1][:most])
    edited = before.tree.copy()
    edited.edit(
        start_byte=start,
        old_end_byte=len(old) - end,
        new_end_byte=len(source) - end,
        start_point=_point(old, start),
        old_end_point=_point(old, len(old) - end),
        new_end_point=_point(source, len(source) - end),
    )
    tree = tree_of(source, edited, parser, _PARSING_SECONDS)
    return tree, min([start, *(one.start_byte for one in edited.changed_ranges(tree))])


def _opaque_nodes(tree: Tree, kinds: Collection[str], start: int) -> Iterator[Node]:
    """Yield the outermost comments and strings that do not end before a byte, in order.

    A query finds them in two thirds of the time, but tree-sitter looks through the whole grammar
    to make one, and holds the interpreter's lock meanwhile: for 12 to 18 ms in C++, C#, Kotlin,
    Scala and Swift.
    """
    cursor = tree.walk()
    while True:
        node = cursor.node
        assert node is not None, "a walk stands on a node"
        if node.end_byte >= start:
            if node.is_named and node.type in kinds and not _lacks_its_end(node):
                yield node
            elif cursor.goto_first_child():
                continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _alike(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts have in common at their beginning."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def _point(source: bytes, byte: int) -> tuple[int, int]:
    return source.count(b"\n", 0, byte), byte - 1 - source.rfind(b"\n", 0, byte)


def _lacks_its_end(node: Node) -> bool:
    """Whether the parser has made up the end: what it took for a regular expression is none."""
    return node.child_count > 0 and node.children[-1].is_missing


@cache
def _parser(grammar: Grammar) -> Parser | None:
    known = loaded(grammar)
    return None if known is None else Parser(known)
