"""Pieces from the files that the current one imports: what they define, by use at the cursor."""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest
from operator import itemgetter

from dsc_lsp.context.names import names_in, texts_of
from dsc_lsp.context.near import SELF, Near
from dsc_lsp.context.reach import Reached, called_like, reached
from dsc_lsp.context.types import bases_of_scope, other_names, types_of_receiver
from dsc_lsp.document import Document
from dsc_lsp.repository.contents import Structure
from dsc_lsp.repository.outlines import Definition, Outline
from dsc_lsp.repository.plan import Piece
from dsc_lsp.repository.words import words_of
from dsc_lsp.repository.workspace import Workspace

_CONSTRUCTORS = frozenset({"__init__", "constructor", "new", "initialize"})

# What each reason is worth. Tuned by `dsc-lsp eval --context` on packages of their own
# (docs/evaluation.md), coarsely: twice as much or half as much hardly matters.
_IN_FILE = 0.15
_OF_MODULE_BEFORE_DOT = 8.0
_OF_TYPE_BEFORE_DOT = 8.0
_INHERITED_AFTER_SELF = 6.0
_INHERITED = 2.0
_CALLED = 6.0
_FOLLOWS_ELSEWHERE = 4.0
_NAMED_NEAR = 2.0
_OWNER_NAMED_NEAR = 1.5
_OWNER_CALLED_LIKE_RECEIVER = 1.5
_IMPORTED_BY_NAME = 1.0
_OWNER_IMPORTED_BY_NAME = 0.6
_IN_IMPORTED_MODULE = 0.5
_SHARES_WORDS = 1.0
_BY_DISTANCE = {1: 1.0, 2: 0.4, 3: 0.2}
_PRIVATE = 0.3
_PRIVATE_OF_TYPE = 0.6
_PRIVATE_HERE = 2.0
_OTHER_THAN_TYPED = 0.3
_KNOWN_ALREADY = 0.7
_LEAST_REASON = 0.9
_LONG_HEADER = 1
_NAMED_AGAIN = 0.5
_SHORT_LINES = 80
_SHORT_FILE = 1.0
_PARAMETER = re.compile(r"\s*([*&.]*[^\W\d]\w*|[*/])\s*[?]?\s*(?:[:=,]|$)")


@dataclass(frozen=True, slots=True)
class _Situation:
    """What is known of the cursor when definitions are weighed."""

    near: Near
    types: Mapping[str, float]
    bases: Mapping[str, float]
    used: Mapping[str, float]
    telling: Mapping[str, float]
    known: frozenset[str]
    private: float
    """The share of private names among those that the current file asks of other objects."""
    heard: dict[str, float]
    """How telling the words are that a name has in common with the code near the cursor."""


def pieces_of_definitions(
    path: str, document: Document, own: Structure, near: Near, workspace: Workspace, *,
    used: Mapping[str, float], telling: Mapping[str, float], most: int,
) -> Iterator[Piece]:  # fmt: skip
    """Yield a piece for each definition that the current file can reach, ``most`` at most.

    ``own`` is the structure of the current text; ``used`` says how often a name
    follows the same receiver elsewhere, ``telling`` how much the words near the cursor say.
    """
    files = reached(path, workspace.resolve(path, own.imports), workspace)
    near_files = {path, *(file.path for file in files)}
    names = dict.fromkeys([near.last, *other_names(near)])
    ending = posixpath.splitext(path)[1]
    guessed = (file for name in names for file in called_like(name, ending, workspace))
    for file in guessed:
        if file.path not in near_files:
            near_files.add(file.path)
            files.append(file)
    yield from _short_files(files, workspace)
    outlines = [workspace.structure(file.path).outline for file in files]
    by_name: dict[str, list[Definition]] = {}
    for outline in (own.outline, *outlines):
        for definition in outline:
            by_name.setdefault(definition.name, []).append(definition)
    found = names_in(document)
    situation = _Situation(
        near,
        types_of_receiver(
            near, texts_of(document), by_name, _setters(names, (own.outline, *outlines))
        ),
        bases_of_scope(near, by_name),
        used,
        telling,
        found.identifiers,
        found.private_share,
        {},
    )
    weighed = (
        (*_weighed(outline, number, file, situation), file, outline, number)
        for file, outline in zip(files, outlines, strict=True)
        for number in range(len(outline))
    )
    named = Counter[str]()
    for worth, why, file, outline, number in nlargest(most, weighed, key=itemgetter(0)):
        definition = outline[number]
        brief = not _is_named(definition, file, situation)
        around = tuple(_lines_around(outline, number))
        lines = tuple(_lines(definition, brief=brief))
        # What one class has said of a name helps with that of another, too.
        left = _NAMED_AGAIN ** named[definition.name]
        named[definition.name] += 1
        yield Piece(file.path, (*around, *lines), left * worth, why, shared=len(around))


def _setters(
    names: Collection[str], outlines: Iterable[Outline]
) -> dict[str, list[tuple[str, str]]]:
    """Return the headers of the attributes of some names and of the functions that set them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for outline in outlines:
        for definition in outline:
            if definition.kind == "field" and definition.name in names and definition.parent >= 0:
                headers = (definition.header, outline[definition.parent].header)
                found.setdefault(definition.name, []).append(headers)
    return found


def _short_files(files: Iterable[Reached], workspace: Workspace) -> Iterator[Piece]:
    """Yield the imported files that are hardly longer than their signatures, whole."""
    for file in files:
        if file.distance == 1 and (file.names or file.modules):
            lines = [
                (n, line) for n, line in enumerate(workspace.lines(file.path)) if line.strip()
            ]
            if 0 < len(lines) <= _SHORT_LINES:
                yield Piece(file.path, tuple(lines), _SHORT_FILE, "imported, and short", True)


def _weighed(outline: Outline, number: int, file: Reached, at: _Situation) -> tuple[float, str]:
    """Return what a definition is worth, and the best reason for it."""
    definition = outline[number]
    owner = _owner(outline, definition)
    reasons = [*_reasons(definition, owner, file, at)]
    worth, best, why = _IN_FILE, _LEAST_REASON, "in reach by imports"
    for reason, much in reasons:
        worth += much
        if much >= best:
            best, why = much, reason
    # Of many that are as likely (the members of a large class) these words make the difference.
    worth *= 1 + _heard(definition.name, at)
    return worth * _discount(definition.name, owner, file, at), why


def _is_named(definition: Definition, file: Reached, at: _Situation) -> bool:
    """Whether the code at the cursor means this definition, so that its parameters matter."""
    name = definition.name
    if definition.parent < 0 and name in file.names:
        return True
    return name in at.near.callees or name in at.near.identifiers or name in _CONSTRUCTORS


def _reasons(
    definition: Definition, owner: Definition | None, file: Reached, at: _Situation
) -> Iterator[tuple[str, float]]:
    """Yield why a definition could be wanted, with what that is worth."""
    name, near = definition.name, at.near
    if owner is None:
        yield from _reasons_of_module(name, file, near)
    else:
        yield from _reasons_of_member(name, owner, file, at)
    if name in near.callees:
        yield f"{name} is being called", _CALLED
    if name in file.names:
        heard = near.identifiers.get(file.names[name], 0.0)
        yield "imported by name", _IMPORTED_BY_NAME + _NAMED_NEAR * heard
    elif name in near.identifiers:
        yield "named near the cursor", _NAMED_NEAR * near.identifiers[name]
    is_inherited = owner is not None and owner.name in at.bases
    if name in at.used and (is_inherited or near.last not in SELF):
        yield f"follows {near.last} elsewhere", _FOLLOWS_ELSEWHERE * at.used[name]
    heard = _heard(name, at)
    if heard:
        yield "shares words with the code near the cursor", _SHARES_WORDS * heard


def _heard(name: str, at: _Situation) -> float:
    heard = at.heard.get(name)
    if heard is None:
        heard = at.heard[name] = sum(at.telling.get(word, 0.0) for word in words_of(name))
    return heard


def _reasons_of_module(name: str, file: Reached, near: Near) -> Iterator[tuple[str, float]]:
    if near.last and (near.last in file.modules or file.handed_on.get(name) == near.last):
        yield f"of the module {near.last}", _OF_MODULE_BEFORE_DOT
    elif "*" in file.modules and not near.last:
        yield "imported with all that the module has", _IMPORTED_BY_NAME
    elif file.modules:
        yield "of an imported module", _IN_IMPORTED_MODULE


def _reasons_of_member(
    name: str, owner: Definition, file: Reached, at: _Situation
) -> Iterator[tuple[str, float]]:
    near = at.near
    if owner.name in at.types:
        sure = at.types[owner.name]
        yield f"of {owner.name}, the type of {near.last}", _OF_TYPE_BEFORE_DOT * sure
    if owner.name in at.bases:
        much = _INHERITED_AFTER_SELF if near.last in SELF else _INHERITED
        yield f"inherited from {owner.name}", much * at.bases[owner.name]
    if name in _CONSTRUCTORS and owner.name in near.callees:
        yield f"{owner.name} is being made", _CALLED
    if owner.name in file.names:
        heard = near.identifiers.get(file.names[owner.name], 0.0)
        worth = _OWNER_IMPORTED_BY_NAME + _OWNER_NAMED_NEAR * heard
        yield f"of {owner.name}, imported by name", worth
    if near.last and not set(words_of(near.last)).isdisjoint(words_of(owner.name)):
        yield f"of {owner.name}, as {near.last} is called", _OWNER_CALLED_LIKE_RECEIVER


def _discount(name: str, owner: Definition | None, file: Reached, at: _Situation) -> float:
    """Return the share of its worth that a definition keeps: it is far, private or known."""
    share = _BY_DISTANCE[file.distance]
    if name.startswith("_") and at.near.last not in SELF:
        is_sure = at.near.last in file.modules if owner is None else owner.name in at.types
        usual = _PRIVATE_OF_TYPE if is_sure else _PRIVATE
        share *= min(1.0, usual + _PRIVATE_HERE * at.private)
    if not name.startswith(at.near.typed):
        share *= _OTHER_THAN_TYPED
    return share * _KNOWN_ALREADY if name in at.known else share


def _owner(outline: Outline, definition: Definition) -> Definition | None:
    """Return the type that a definition belongs to."""
    while definition.parent >= 0:
        definition = outline[definition.parent]
        if definition.kind == "type":
            return definition
    return None


def _lines_around(outline: Outline, number: int) -> Iterator[tuple[int, str]]:
    """Yield the headers of what a definition stands in, the outermost first."""
    parent = outline[number].parent
    if parent >= 0:
        yield from _lines_around(outline, parent)
        yield from _lines(outline[parent], brief=outline[parent].kind == "function")


def _lines(definition: Definition, *, brief: bool) -> Iterator[tuple[int, str]]:
    """Yield the lines of a header; a long one, where ``brief``, without types."""
    lines = definition.header.split("\n")
    if brief and len(lines) > _LONG_HEADER:
        lines = _without_types(lines)
    for offset, line in enumerate(lines):
        yield definition.first_line + offset, line


def _without_types(lines: list[str]) -> list[str]:
    """Return a header whose parameters begin in a line of their own with their names alone."""
    for number, line in enumerate(lines):
        if line.rstrip().endswith("("):
            parameters = _split_at_commas(" ".join(lines[number + 1 :]))
            names = [name[1] for name in map(_PARAMETER.match, parameters) if name is not None]
            return [*lines[:number], line.rstrip() + ", ".join(names) + ")"]
    return lines


def _split_at_commas(text: str) -> Iterator[str]:
    """Yield what stands between commas, up to the bracket that closes them."""
    depth = start = 0
    for place, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        if depth < 0 or (character == "," and not depth):
            yield text[start:place]
            start = place + 1
        if depth < 0:
            return
    yield text[start:]
