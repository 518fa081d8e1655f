"""What Python files define, use and import, by the ``ast`` module."""

import ast
import builtins
import collections
import inspect
import io
import pathlib
import re
import types
from collections.abc import Iterator, Mapping

from dsc_lsp.measure.context_facts import Facts

_BUILT_IN = frozenset(
    name
    for owner in (builtins, str, bytes, list, dict, set, tuple, int, float, complex, type,
                  Exception, re.Pattern, re.Match, io.StringIO, io.BytesIO, collections.deque,
                  collections.OrderedDict, inspect.Signature, inspect.Parameter, pathlib.Path,
                  types.FunctionType, types.ModuleType)
    for name in dir(owner)
)  # fmt: skip


def python_facts(root_name: str, texts: Mapping[str, str]) -> dict[str, Facts]:
    """Return what each Python file of a package says that can be parsed; ``texts`` are by path."""
    parsed = ((path, _parsed(path, text)) for path, text in texts.items())
    trees = {path: tree for path, tree in parsed if tree is not None}
    modules = {_module_of(path, root_name): path for path in trees}
    return {
        path: Facts(
            frozenset(_defined(tree)),
            tuple(sorted((u for u in _used(tree) if u[0] not in _BUILT_IN), key=lambda u: u[1:])),
            tuple(_imported(path, root_name, trees, modules)),
        )
        for path, tree in trees.items()
    }


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


def _used(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.end_lineno is not None:
            yield node.attr, node.end_lineno - 1, (node.end_col_offset or 0) - len(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno - 1, node.col_offset
