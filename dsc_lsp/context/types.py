"""Which types the code at the cursor is about: what stands before the dot, what is inherited.

No type checker: declarations, constructors, annotations and results are read off the text, and a
wrong guess costs a few tokens.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dsc_lsp.context.near import Near
from dsc_lsp.repository.outlines import Definition
from dsc_lsp.repository.words import plain

ByName = Mapping[str, list[Definition]]
"""All definitions that can be reached, by name."""

_RETURNS = re.compile(r"->\s*[\"']?([\w.\[\], |]+)|\)\s*:\s*([\w.<>\[\]| ]+)\s*$")
_TYPE_NAME = re.compile(r"[A-Z]\w+")
_WORD = re.compile(r"[^\W\d]\w*")
# Decorators and annotations may stand in lines before it.
_CLASS = re.compile(
    r"^\s*(?:\w+\s+)*?(?:class|struct|interface|impl|trait)\s+\w+(.*)", re.DOTALL | re.MULTILINE
)
_NO_BASE = frozenset({"extends", "implements", "metaclass", "public", "private", "for", "where"})
_MOST_BASES = 24
_MOST_DECLARATIONS = 16
_DECLARED = 0.9
_RESULT = 0.8
_ATTRIBUTE = 0.6
_FURTHER_BASE = 0.8
_TYPE_ARGUMENTS = re.compile(r"\[[^\[\]]*\]|<[^<>]*>")
"""A type's arguments: of ``Base[Item]`` the members of ``Base`` are inherited, not ``Item``'s."""
_OTHER_NAME = 0.8
_MOST_OTHER_NAMES = 3
_CALLED_SO = 0.6
_CALLED_LIKE = 0.3
_BY_INITIALS = 0.4
_LEAST_LETTERS = 3
_GIVEN = re.compile(r"=\s*([^\W\d]\w*)\s*$")


def types_of_receiver(
    near: Near,
    texts: Iterable[str],
    by_name: ByName,
    setters: Mapping[str, Sequence[tuple[str, str]]],
) -> dict[str, float]:
    """Return the types that what stands before the dot may have, with how sure that is.

    ``texts`` are the current file's, piece by piece; ``setters`` are, by name, the headers of
    attributes and of the functions that set them.
    """
    name = near.last
    if not name:
        return {}
    result: dict[str, float] = {}
    if near.receiver[-1].endswith(")") or name[:1].isupper():
        result[name] = 1.0
    naming = [text for text in texts if name in text]
    for found in (*_declared(name, [near.text_before]), *_declared(name, naming)):
        result.setdefault(found, _DECLARED)
    for callable_ in list(result):
        for found in _mentioned(callable_, by_name, ("function",)):
            result.setdefault(found, _RESULT)
    for known_as, share in ((name, 1.0), *((other, _OTHER_NAME) for other in other_names(near))):
        for found in _mentioned(known_as, by_name, ("field", "value", "function")):
            result.setdefault(found, share * _ATTRIBUTE)
        for found in _said_by_setters(setters.get(known_as, ())):
            result.setdefault(found, share * _ATTRIBUTE)
        for found, sure in _called_like(known_as, by_name).items():
            result.setdefault(found, share * sure)
    return _with_bases(result, by_name)


def other_names(near: Near) -> list[str]:
    """Return what the receiver is taken from: ``x = a.name``, ``for x in names``."""
    if not near.last:
        return []
    word = re.escape(near.last)
    found: dict[str, None] = {}
    for pattern in (
        rf"\b{word}\s*=\s*(?:await\s+)?(?:\w+(?:\(\))?\.)+(\w+)\s*(?:\(|\[|$)",
        rf"\bfor\s+(?:\w+,\s*)*{word}\b[^:\n]*?\bin\s+(?:\w+\.)*(\w+)",
    ):
        found |= dict.fromkeys(re.findall(pattern, near.text_before, re.MULTILINE))
    found.pop(near.last, None)
    return list(found)[-_MOST_OTHER_NAMES:]


def _said_by_setters(setters: Iterable[tuple[str, str]]) -> Iterator[str]:
    for field, function in setters:
        given = _GIVEN.search(field)
        if given is not None:
            yield from _declared(given[1], [function])


def _called_like(name: str, by_name: ByName) -> dict[str, float]:
    """Return the types that are called like a value, in full or but for words before or after.

    A short value may be called by a type's initials (``ws``: ``WorkerState``).
    """
    types = (one for one, found in by_name.items() if any(d.kind == "type" for d in found))
    sought = plain(name)
    if len(sought) < _LEAST_LETTERS:
        of_two = len(sought) > 1
        return {one: _BY_INITIALS for one in types if of_two and _initials(one) == sought}
    sought = sought.removesuffix("s")
    found: dict[str, float] = {}
    for type_name in types:
        own = plain(type_name)
        if own == sought:
            found[type_name] = _CALLED_SO
        elif (
            own.startswith(sought)
            or own.endswith(sought)
            or (len(own) >= _LEAST_LETTERS and sought.endswith(own))
        ):
            found[type_name] = _CALLED_LIKE
    return found


def _initials(name: str) -> str:
    return "".join(filter(str.isupper, name)).lower()


def bases_of_scope(near: Near, by_name: ByName) -> dict[str, float]:
    """Return the types that the type around the cursor inherits from, near ones surer."""
    bases: dict[str, float] = {}
    for line in near.scope:
        found = _CLASS.match(line)
        if found is not None:
            bases |= dict.fromkeys(_names(found[1]), 1.0)
    return _with_bases(bases, by_name)


def _with_bases(types: dict[str, float], by_name: ByName) -> dict[str, float]:
    result = dict(types)
    open_ = list(types)
    while open_ and len(result) < len(types) + _MOST_BASES:
        name = open_.pop(0)
        for definition in by_name.get(name, ()):
            header = _CLASS.search(definition.header) if definition.kind == "type" else None
            for base in _names(header[1]) if header is not None else ():
                if base not in result and base in by_name:
                    result[base] = result[name] * _FURTHER_BASE
                    open_.append(base)
    return result


def _names(text: str) -> list[str]:
    head = _TYPE_ARGUMENTS.sub("", text.partition("{")[0])
    return [name for name in _WORD.findall(head) if name not in _NO_BASE]


def _mentioned(name: str, by_name: ByName, kinds: tuple[str, ...]) -> Iterator[str]:
    """Yield the types in what a name's definitions say: a result's, or those of a value."""
    for definition in by_name.get(name, ()):
        if definition.kind not in kinds:
            continue
        if definition.kind in ("field", "value"):
            yield from _TYPE_NAME.findall(definition.header)
        found = _RETURNS.search(definition.header)
        if found is not None:
            yield from _WORD.findall(found[1] or found[2] or "")


def _declared(name: str, texts: Sequence[str]) -> list[str]:
    """Return the types that texts give a name: annotated, constructed, or declared before it."""
    word = re.escape(name)
    found: list[str] = []
    for pattern in (
        rf"\b{word}\s*:\s*[\"']?([^=,)\n]+)",
        rf"\b{word}\s*(?::=|=)\s*(?:await\s+|new\s+|&)?([\w.]+)\s*[({{]",
        rf"\b([A-Z]\w*)(?:<[^<>]*>)?(?:\s*[*&])*\s+[*&]?{word}\b",
        rf"\bwith\s+([\w.]+)\(.*\)\s*as\s+{word}\b",
        rf"\bisinstance\(\s*{word}\s*,\s*\(?([\w., ]+)",
    ):
        for text in texts:
            for match in re.findall(pattern, text):
                found += _WORD.findall(match)
    return found[-_MOST_DECLARATIONS:]
