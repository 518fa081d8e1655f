"""Messages of every method of the protocol, right and wrong, made from lsprotocol's types.

An independent set is made by the generator in microsoft/lsprotocol (``test_anchors``), which needs
a checkout; these are made wherever the tests run.
"""

import copy
import enum
import types as python
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, Literal, Union, get_args, get_origin

import attrs
from lsprotocol import types

_DEEPEST = 5
_SIMPLE: dict[object, tuple[Any, ...]] = {
    str: ("file:///project/main.py", "", "text \U0001f600"),
    int: (0, 1, 2**31 - 1),
    float: (0.5, 0),
    bool: (True, False),
    type(None): (None,),
}
_ANYTHING = ({"key": [1, None]}, "text", None)
_JUNK: tuple[Any, ...] = (None, True, -1, 0.5, 2**63, "text", [], [None], {}, {"jsonrpc": {}})


def valid(method: str, most: int) -> list[dict[str, Any]]:
    """Return messages of a method without an id: the least that is allowed, and one more each."""
    params = types.METHOD_TO_TYPES[method][2]
    if params is None:
        return [_message(method), _message(method, None)]
    return [_message(method, sample) for sample in islice(_samples(params, 0), most)]


def invalid(method: str, most: int) -> list[dict[str, Any]]:
    """Return messages of a method without an id in which something is missing or odd.

    Not all are wrong: where anything is allowed, anything is.
    """
    messages = [_message(method, odd) for odd in _JUNK]
    params = types.METHOD_TO_TYPES[method][2]
    for sample in islice(_samples(params, 0) if params is not None else (), 0, None, 3):
        messages += _bent(_message(method, sample))
        if len(messages) >= most:
            break
    return messages[:: -(-len(messages) // most)]


def is_request(method: str) -> bool:
    """Whether a method's messages have an id and an answer."""
    return types.METHOD_TO_TYPES[method][1] is not None


def methods() -> list[str]:
    """Return all methods of the protocol, those of servers too."""
    return sorted(types.METHOD_TO_TYPES)


def _message(method: str, *params: Any) -> dict[str, Any]:
    given = {"params": params[0]} if params else {}
    return {"jsonrpc": "2.0", "method": method, **given}


def _bent(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the message with each member of its parameters missing, or replaced by junk."""
    for number, place in enumerate(list(_places(message["params"], ("params",)))):
        for odd in (_MISSING, *_JUNK[number % 3 :: 3]):
            other = copy.deepcopy(message)
            where: Any = other
            for key in place[:-1]:
                where = where[key]
            if odd is not _MISSING:
                where[place[-1]] = odd
            else:
                del where[place[-1]]
            yield other


_MISSING = object()


def _places(value: Any, at: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield at
    members = value.items() if isinstance(value, dict) else ()
    members = enumerate(value) if isinstance(value, list) else members
    for key, member in members:
        yield from _places(member, (*at, key))


def _samples(kind: Any, depth: int) -> Iterator[Any]:
    """Yield values of a type as JSON, the simplest first."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _SIMPLE:
        yield from _SIMPLE[kind]
    elif origin is Literal:
        yield from arguments
    elif origin in {Union, python.UnionType}:
        for number in range(3):
            for one in arguments:
                yield from islice(_samples(one, depth), number, number + 1)
    elif isinstance(origin, type):
        yield from _collections(origin, arguments, depth)
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        yield from [member.value for member in kind][:4]
    elif isinstance(kind, type) and attrs.has(kind):
        yield from _objects(kind, depth)
    else:
        yield from _ANYTHING


def _collections(origin: type, arguments: tuple[Any, ...], depth: int) -> Iterator[Any]:
    if issubclass(origin, tuple):
        yield [next(_samples(one, depth + 1)) for one in arguments]
        return
    if issubclass(origin, Mapping):
        keys, values = arguments
        yield {}
        yield {next(_samples(keys, depth)): next(_samples(values, depth))}
        return
    yield []
    if depth < _DEEPEST:
        items = list(islice(_samples(arguments[0], depth + 1), 3))
        yield items[:1]
        yield items


def _objects(kind: type, depth: int) -> Iterator[dict[str, Any]]:
    """Yield the object with no more than it must have, then with one more or other member each."""
    fields = _fields(kind)
    least = {
        name: next(_samples(field.type, depth + 1))
        if field.default is attrs.NOTHING
        else field.default  # the kind of an operation, say, which tells it from others
        for name, field in fields.items()
        if field.default is not None
    }
    yield least
    if depth >= _DEEPEST:
        return
    for name, field in fields.items():
        for value in islice(_samples(field.type, depth + 1), 12):
            if least.get(name) != value:
                yield {**least, name: value}


@cache
def _fields(kind: type) -> dict[str, Any]:
    attrs.resolve_types(kind, vars(types), {})
    return {_camel(field.name): field for field in attrs.fields(kind)}


def _camel(name: str) -> str:
    first, *others = name.strip("_").split("_")
    return first + "".join(word.capitalize() for word in others)
