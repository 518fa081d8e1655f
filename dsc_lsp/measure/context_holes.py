"""Holes that need a name of another file.

A line's rest is missing, and with it a name that stands nowhere else in its file but is defined
elsewhere in the same repository. Python only, and by the ``ast`` module, so that what is measured
does not measure itself.
"""

import ast
import builtins
import collections
import inspect
import io
import pathlib
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from dsc_lsp.document import Cursor, Document, Position

_LEAST_LETTERS = 4
_BUILT_IN = frozenset(
    name
    for owner in (builtins, str, bytes, list, dict, set, tuple, int, float, complex, type,
                  Exception, re.Pattern, re.Match, io.StringIO, io.BytesIO, collections.deque,
                  collections.OrderedDict, inspect.Signature, inspect.Parameter, pathlib.Path,
                  types.FunctionType, types.ModuleType)
    for name in dir(owner)
)  # fmt: skip
"""Names that somebody else defines, too: whoever writes them need not mean the repository's."""


@dataclass(frozen=True, slots=True)
class ContextHole:
    """A place before a name: ``imported`` if one of the files that define it is imported."""

    path: str
    cursor: Cursor
    gold: str
    rest: str
    imported: bool


def context_holes(
    root: Path, texts: Mapping[str, str], *, seed: int, limit: int
) -> list[ContextHole]:
    """Return at most ``limit`` holes of each kind, by the seed; ``texts`` are by path."""
    trees = _trees(texts)
    definitions: dict[str, set[str]] = {}
    for path, tree in trees.items():
        for name in _defined(tree):
            definitions.setdefault(name, set()).add(path)
    modules = {_module_of(path, root.name): path for path in trees}
    found = [
        hole
        for path, tree in sorted(trees.items())
        for hole in _holes(
            path, texts[path], tree, definitions, _imported(path, root.name, trees, modules)
        )
    ]
    random = Random(f"{seed}:{root.name}")
    chosen: list[ContextHole] = []
    for imported in (True, False):
        kind = [hole for hole in found if hole.imported == imported]
        chosen += random.sample(kind, min(limit, len(kind)))
    return chosen


def imported_files(root: Path, texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Return for each file those that it imports, in the order of imports."""
    trees = _trees(texts)
    modules = {_module_of(path, root.name): path for path in trees}
    return {path: list(_imported(path, root.name, trees, modules)) for path in trees}


def _trees(texts: Mapping[str, str]) -> dict[str, ast.Module]:
    parsed = ((path, _parsed(path, text)) for path, text in texts.items())
    return {path: tree for path, tree in parsed if tree is not None}


def _parsed(path: str, text: str) -> ast.Module | None:
    if not path.endswith(".py"):
        return None
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _defined(tree: ast.Module) -> Iterator[str]:
    """Yield what a module defines: functions, classes, methods, constants, attributes of self."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            for child in node.body:
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    yield child.name
                yield from _assigned(child, name_only=True)
        elif isinstance(node, ast.FunctionDef):
            for child in ast.walk(node):
                yield from _assigned(child, name_only=False)


def _assigned(node: ast.AST, *, name_only: bool) -> Iterator[str]:
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    for target in targets:
        if name_only and isinstance(target, ast.Name):
            yield target.id
        elif (
            not name_only
            and isinstance(target, ast.Attribute)
            and isinstance(target.value, ast.Name)
            and target.value.id == "self"
        ):
            yield target.attr


def _module_of(path: str, root_name: str) -> str:
    parts = path.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join([root_name, *parts])


def _imported(
    path: str, root_name: str, trees: Mapping[str, ast.Module], modules: Mapping[str, str]
) -> dict[str, None]:
    """Return the files that a file imports, and where a package hands a name on, its origin."""
    found: dict[str, None] = {}
    for first, name in _import_statements(path, root_name, trees[path]):
        module = first
        for _ in range(4):
            target = modules.get(f"{module}.{name}") or modules.get(module)
            if target is None or target == path:
                break
            found[target] = None
            if modules.get(f"{module}.{name}") is not None:
                break
            onward = [
                pair
                for pair in _import_statements(target, root_name, trees[target])
                if pair[1] == name
            ]
            if not onward or target in (modules.get(onward[0][0]), path):
                break
            module = onward[0][0]
    return found


def _import_statements(path: str, root_name: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield pairs of an absolute module and a name of it, or an empty one."""
    package = _module_of(path, root_name)
    if not path.endswith("__init__.py"):
        package = package.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")
            if node.level:
                base = base[: len(base) - node.level + 1]
                module = ".".join([*base, *([node.module] if node.module else [])])
            else:
                module = node.module or ""
            for alias in node.names:
                yield module, alias.name


def _holes(
    path: str,
    text: str,
    tree: ast.Module,
    definitions: Mapping[str, set[str]],
    imported: Mapping[str, None],
) -> Iterator[ContextHole]:
    document = Document.of(text, uri=f"file:///{path}", language="python")
    lines_of: dict[str, set[int]] = {}
    for number in range(len(document.lines)):
        for name in re.findall(r"[^\W\d]\w*", document.line(number)):
            lines_of.setdefault(name, set()).add(number)
    taken: set[int] = set()
    for name, number, near in sorted(_used(tree), key=lambda use: use[1:]):
        origins = definitions.get(name, set()) - {path}
        if not origins or len(name) < _LEAST_LETTERS:
            continue
        if name in _BUILT_IN or number in taken:
            continue
        if lines_of.get(name) != {number}:
            continue
        line = document.line(number)
        column = _found_at(line, name, near)
        if column is None or line.lstrip().startswith(("import ", "from ", "def ", "class ")):
            continue
        taken.add(number)
        hole = document.replace(
            Position(number, column), Position(number, len(line)), "", version=1
        )
        yield ContextHole(
            path,
            Cursor(hole, Position(number, column)),
            name,
            line[column:],
            any(origin in imported for origin in origins),
        )


def _used(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.end_lineno is not None:
            yield node.attr, node.end_lineno - 1, (node.end_col_offset or 0) - len(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno - 1, node.col_offset


def _found_at(line: str, name: str, column: int) -> int | None:
    """Return the column in code points of a name near a column in bytes."""
    found = [match.start() for match in re.finditer(rf"\b{re.escape(name)}\b", line)]
    return min(found, key=lambda place: abs(place - column), default=None)
