"""What a file imports, and which files of the workspace that is.

One row of ``QUERIES`` a language: ``@module`` is what is imported, as it is written, ``@name``
what of it, ``@as`` the name that it has here. ``_RESOLVERS`` say where a module is looked for.
"""

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from tree_sitter import Node

from dsc_lsp.repository.trees import matches, parse, text_of


class Import(NamedTuple):
    """One name that an import brings: ``name`` of ``module``, here called ``local``.

    ``name`` is empty where the module itself is meant, and ``*`` where all that it has.
    """

    module: str
    name: str
    local: str


@dataclass(frozen=True)
class Paths:
    """The paths of a workspace, relative to its root, with ``/``.

    ``aliases`` are prefixes of JavaScript modules and the folders that they stand for
    (``tsconfig.json``), ``prefixes`` the import path of the root's Go module.
    """

    paths: frozenset[str]
    root_name: str = ""
    aliases: tuple[tuple[str, str], ...] = ()
    go_module: str = ""

    @cached_property
    def by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The paths by their last part."""
        names: dict[str, list[str]] = {}
        for path in sorted(self.paths):
            names.setdefault(posixpath.basename(path), []).append(path)
        return {name: tuple(found) for name, found in names.items()}

    @cached_property
    def by_folder(self) -> Mapping[str, tuple[str, ...]]:
        """The paths by the folder they are in."""
        folders: dict[str, list[str]] = {}
        for path in sorted(self.paths):
            folders.setdefault(posixpath.dirname(path), []).append(path)
        return {name: tuple(found) for name, found in folders.items()}

    @cached_property
    def by_tail(self) -> Mapping[str, tuple[str, ...]]:
        """The paths by their last two parts."""
        tails: dict[str, list[str]] = {}
        for path in sorted(self.paths):
            tails.setdefault(_last_two(path), []).append(path)
        return {tail: tuple(found) for tail, found in tails.items()}

    @cached_property
    def first_parts(self) -> frozenset[str]:
        """What an absolute Python module of this workspace can begin with."""
        parts = {part for folder in self.by_folder for part in folder.split("/")}
        return frozenset({self.root_name, *parts, *map(_stem, self.by_name)})

    @cached_property
    def python_modules(self) -> dict[tuple[str, str], str | None]:
        """Files of absolute Python modules looked up before, by folder and module."""
        return {}

    def first(self, candidates: Iterable[str]) -> str | None:
        """Return the first of the candidates that is there."""
        return next((path for path in candidates if path in self.paths), None)

    def ending(self, tail: str, near: str) -> str | None:
        """Return the path that ends with ``tail`` and shares most folders with ``near``."""
        names = self.by_tail if "/" in tail else self.by_name
        among = names.get(_last_two(tail), ())
        found = [path for path in among if path == tail or path.endswith("/" + tail)]
        return max(found, key=lambda path: (_shared(path, near), -len(path)), default=None)


def imports(text: str, language: str) -> tuple[Import, ...]:
    """Return what a text imports, in its order; ``language`` is a name in ``languages``."""
    query = QUERIES.get(language)
    root = parse(text, language) if query is not None else None
    if query is None or root is None:
        return ()
    return imports_in(matches(root, language, query), text, language)


def imports_in(
    captured: Iterable[Mapping[str, list[Node]]], text: str, language: str
) -> tuple[Import, ...]:
    """Return the imports among the matches of ``QUERIES`` in a tree of a text."""
    data = text.encode("utf-8", "replace")  # as the parser has it
    found: dict[Import, None] = {}
    for captures in captured:
        for entry in _imports_of(captures, data, language):
            found[entry] = None
    return tuple(found)


def resolve(entry: Import, path: str, language: str, paths: Paths) -> tuple[str, ...]:
    """Return the files that an import in the file ``path`` brings, the nearest first."""
    resolver = _RESOLVERS.get(language)
    if resolver is None:
        return ()
    return tuple(dict.fromkeys(found for found in resolver(entry, path, paths) if found != path))


def script_aliases(tsconfig: str) -> tuple[tuple[str, str], ...]:
    """Return the prefixes of ``compilerOptions.paths`` with the folders they stand for."""
    # A tsconfig may have comments and trailing commas.
    plain = re.sub(r"(^|\s)//[^\n]*|/\*.*?\*/", " ", tsconfig, flags=re.DOTALL)
    try:
        options = json.loads(re.sub(r",(\s*[}\]])", r"\1", plain))["compilerOptions"]
        base = str(options.get("baseUrl", "."))
        pairs = [
            (str(name).removesuffix("*"), posixpath.join(base, str(target).removesuffix("*")))
            for name, targets in options.get("paths", {}).items()
            for target in targets
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    if "baseUrl" in options:
        pairs.append(("", base))
    return tuple((name, posixpath.normpath(folder)) for name, folder in pairs)


def go_module(go_mod: str) -> str:
    """Return the import path that a ``go.mod`` gives its folder; empty if none."""
    found = re.search(r"^module\s+(\S+)", go_mod, re.MULTILINE)
    return found[1] if found else ""


def _imports_of(
    captures: Mapping[str, list[Node]], data: bytes, language: str
) -> Iterator[Import]:
    modules = [_unquoted(text_of(node, data)) for node in captures.get("module", ())]
    if not modules:
        return
    module = modules[0]
    name = text_of(captures["name"][0], data) if "name" in captures else ""
    local = text_of(captures["as"][0], data) if "as" in captures else ""
    if language == "rust":
        yield from _rust_uses(module)
    elif language == "python":
        yield Import(module, name, local or name or module)
    else:
        last = re.split(r"[/.\\:]+", posixpath.splitext(module)[0] if "/" in module else module)[
            -1
        ]
        yield Import(module, name, local or name or last)


def _unquoted(text: str) -> str:
    return text.strip().strip("\"'`<>")


def _rust_uses(tree: str) -> Iterator[Import]:
    """Expand ``a::{b, c::d as e}`` into what it brings."""
    tree = tree.strip()
    opened = tree.find("{")
    if opened < 0:
        path, _, local = (part.strip() for part in tree.partition(" as "))
        module, _, name = path.rpartition("::")
        yield Import(module or path, name if module else "", local or name or path)
        return
    base = tree[:opened]
    depth, start = 0, opened + 1
    for place in range(opened, len(tree)):
        character = tree[place]
        depth += (character == "{") - (character == "}")
        if (character == "," and depth == 1) or (character == "}" and depth == 0):
            part = tree[start:place].strip()
            if part:
                yield from _rust_uses(base.removesuffix("::") if part == "self" else base + part)
            start = place + 1


def _python(entry: Import, path: str, paths: Paths) -> Iterator[str]:
    module = entry.module
    dots = len(module) - len(module.lstrip("."))
    parts = [part for part in module[dots:].split(".") if part]
    if not dots and parts and parts[0] not in paths.first_parts:
        return
    folder = posixpath.dirname(path)
    for _ in range(dots - 1):
        folder = posixpath.dirname(folder)
    # ``from a import b`` may mean the module ``a.b``, and if not, what ``a`` defines.
    tails = [[*parts, entry.name], parts] if entry.name and entry.name != "*" else [parts]
    for tail in tails:
        if dots:
            found = paths.first(_python_files([folder], tail))
        else:
            found = _absolute_python(tail, folder, paths)
        if found is not None:
            yield found
            return


def _absolute_python(parts: list[str], folder: str, paths: Paths) -> str | None:
    """Return the file of a module seen from a folder; remembered, as most are asked for often."""
    key = (folder, ".".join(parts))
    if key not in paths.python_modules:
        paths.python_modules[key] = _looked_up_python(parts, folder, paths)
    return paths.python_modules[key]


def _looked_up_python(parts: list[str], folder: str, paths: Paths) -> str | None:
    bases = list(_folders_above(f"{folder}/." if folder else "."))
    bases += [posixpath.join(base, "src") for base in bases]
    found = paths.first(_python_files(bases, parts))
    if found is None and parts[:1] == [paths.root_name]:  # the package itself has been opened
        found = paths.first(_python_files([""], parts[1:]))
    if found is None and len(parts) > 1:
        tail = "/".join(parts)
        found = paths.ending(tail + ".py", folder) or paths.ending(tail + "/__init__.py", folder)
    return found


def _python_files(bases: Iterable[str], parts: list[str]) -> Iterator[str]:
    for base in bases:
        stem = "/".join((base, *parts) if base else parts)
        yield f"{stem}/__init__.py" if stem else "__init__.py"
        if parts:
            yield f"{stem}.py"
            yield f"{stem}.pyi"
        yield f"{stem}/__init__.pyi" if stem else "__init__.pyi"


_SCRIPT_ENDINGS = (
    "", ".ts", ".tsx", ".d.ts", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs",
    "/index.ts", "/index.tsx", "/index.js", "/index.jsx", "/index.mjs", "/index.d.ts",
)  # fmt: skip


def _script(entry: Import, path: str, paths: Paths) -> Iterator[str]:
    module = entry.module
    if module.startswith("."):
        bases = [posixpath.normpath(posixpath.join(posixpath.dirname(path), module))]
    else:
        bases = [
            posixpath.normpath(posixpath.join(folder, module.removeprefix(prefix)))
            for prefix, folder in paths.aliases
            if module.startswith(prefix)
        ]
    for base in bases:
        # In TypeScript modules are named by what they will be compiled to.
        stem = re.sub(r"\.[cm]?jsx?$", "", base)
        found = paths.first(root + ending for root in (base, stem) for ending in _SCRIPT_ENDINGS)
        if found is not None:
            yield found
            return


def _java(entry: Import, path: str, paths: Paths) -> Iterator[str]:
    parts = entry.module.split(".")
    if entry.name == "*":
        folder = "/".join(parts)
        for name, files in paths.by_folder.items():
            if name == folder or name.endswith("/" + folder):
                yield from files
        return
    for length in range(len(parts), 1, -1):  # a nested class or a static member
        found = paths.ending("/".join(parts[:length]) + ".java", path)
        if found is not None:
            yield found
            return


def _go(entry: Import, _path: str, paths: Paths) -> Iterator[str]:
    module = entry.module
    if not paths.go_module or not (module + "/").startswith(paths.go_module + "/"):
        return
    folder = module[len(paths.go_module) :].strip("/")
    for file in paths.by_folder.get(folder, ()):
        if file.endswith(".go") and not file.endswith("_test.go"):
            yield file


def _rust(entry: Import, path: str, paths: Paths) -> Iterator[str]:
    parts = [*entry.module.split("::"), entry.name]
    parts = [part for part in parts if part and part != "*"]
    least = 0 if parts[:1] in (["crate"], ["super"], ["self"]) else 1  # 1: another crate's name
    source = next(
        (folder for folder in _folders_above(path)
         if {posixpath.join(folder, "lib.rs"), posixpath.join(folder, "main.rs")} & paths.paths),
        posixpath.dirname(path),
    )  # fmt: skip
    stem, name = posixpath.splitext(path)[0], posixpath.basename(path)
    own = posixpath.dirname(path) if name in ("mod.rs", "lib.rs", "main.rs") else stem
    if parts[:1] == ["crate"]:
        base, parts = source, parts[1:]
    elif parts[:1] == ["super"]:
        base = own
        while parts[:1] == ["super"]:
            base, parts = posixpath.dirname(base), parts[1:]
    elif parts[:1] == ["self"]:
        base, parts = own, parts[1:]
    else:
        base = own
        if paths.first(_rust_files(posixpath.join(base, parts[0]))) is None:
            base = source
    for length in range(len(parts), least - 1, -1):
        found = paths.first(_rust_files(posixpath.join(base, *parts[:length])))
        if found is not None:
            yield found
            return


def _rust_files(stem: str) -> tuple[str, ...]:
    return (stem + ".rs", stem + "/mod.rs", stem + "/lib.rs")


def _c(entry: Import, path: str, paths: Paths) -> Iterator[str]:
    own = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.module))
    header = own if own in paths.paths else paths.ending(posixpath.normpath(entry.module), path)
    if header is None:
        return
    yield header


def _c_sharp(entry: Import, _path: str, paths: Paths) -> Iterator[str]:
    # A namespace usually ends as its folder does.
    parts = entry.module.split(".")
    for length in (len(parts), 2, 1):
        tail = "/".join(parts[-length:])
        folders = [f for f in paths.by_folder if f == tail or f.endswith("/" + tail)]
        if folders:
            for folder in folders:
                yield from (file for file in paths.by_folder[folder] if file.endswith(".cs"))
            return


def _php(entry: Import, path: str, paths: Paths) -> Iterator[str]:
    if entry.module.endswith(".php"):
        own = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.module.lstrip("/")))
        found = own if own in paths.paths else paths.ending(entry.module.lstrip("./"), path)
    else:
        parts = entry.module.strip("\\").split(
            "\\"
        )  # PSR-4: folders as the namespace's last parts
        tails = ("/".join(parts[start:]) + ".php" for start in range(len(parts)))
        found = next((place for tail in tails if (place := paths.ending(tail, path))), None)
    if found is not None:
        yield found


def _ruby(entry: Import, path: str, paths: Paths) -> Iterator[str]:
    name = entry.module if entry.module.endswith(".rb") else entry.module + ".rb"
    own = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    found = (
        own if own in paths.paths else paths.ending(posixpath.normpath(name).lstrip("./"), path)
    )
    if found is not None:
        yield found


def _folders_above(path: str) -> Iterator[str]:
    folder = posixpath.dirname(path)
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
    yield ""


def _last_two(path: str) -> str:
    return "/".join(path.rsplit("/", 2)[-2:])


def _stem(name: str) -> str:
    return name.partition(".")[0]


def _shared(path: str, other: str) -> int:
    shared = 0
    for one, two in zip(path.split("/"), other.split("/"), strict=False):
        if one != two:
            break
        shared += 1
    return shared


_SCRIPT_QUERY = """
(import_statement source: (string) @module)
(import_statement (import_clause (identifier) @as) source: (string) @module)
(import_statement (import_clause (namespace_import (identifier) @as)) source: (string) @module)
(import_statement (import_clause (named_imports (import_specifier name: (_) @name !alias)))
  source: (string) @module)
(import_statement (import_clause (named_imports (import_specifier name: (_) @name alias: (_) @as)))
  source: (string) @module)
(export_statement source: (string) @module)
((call_expression function: (identifier) @call arguments: (arguments . (string) @module))
  (#eq? @call "require"))
((variable_declarator name: (identifier) @as value: (call_expression function: (identifier) @call
  arguments: (arguments . (string) @module))) (#eq? @call "require"))
(call_expression function: (import) arguments: (arguments . (string) @module))
"""
_C_QUERY = """
(preproc_include path: (string_literal) @module)
(preproc_include path: (system_lib_string) @module)
"""
QUERIES = {
    "python": """
(import_statement name: (dotted_name) @module)
(import_statement name: (aliased_import name: (dotted_name) @module alias: (identifier) @as))
(import_from_statement module_name: (_) @module name: (dotted_name) @name)
(import_from_statement module_name: (_) @module
  name: (aliased_import name: (dotted_name) @name alias: (identifier) @as))
(import_from_statement module_name: (_) @module (wildcard_import) @name)
""",
    "javascript": _SCRIPT_QUERY,
    "typescript": _SCRIPT_QUERY,
    "tsx": _SCRIPT_QUERY,
    "java": """
(import_declaration (scoped_identifier) @module .)
(import_declaration (scoped_identifier) @module (asterisk) @name)
""",
    "go": """
(import_spec !name path: (_) @module)
(import_spec name: (_) @as path: (_) @module)
""",
    "rust": "(use_declaration argument: (_) @module) (mod_item name: (identifier) @module !body)",
    "c": _C_QUERY,
    "cpp": _C_QUERY,
    "c-sharp": "(using_directive (qualified_name) @module) (using_directive (identifier) @module)",
    "php": """
(namespace_use_clause (qualified_name) @module)
(require_once_expression (string) @module)
(require_expression (string) @module)
(include_expression (string) @module)
(include_once_expression (string) @module)
(require_once_expression (binary_expression (string) @module))
""",
    "ruby": """
((call method: (identifier) @call arguments: (argument_list . (string) @module))
  (#match? @call "^(require|require_relative|load)$"))
""",
}
_RESOLVERS: dict[str, Callable[[Import, str, Paths], Iterator[str]]] = {
    "python": _python,
    "javascript": _script,
    "typescript": _script,
    "tsx": _script,
    "java": _java,
    "go": _go,
    "rust": _rust,
    "c": _c,
    "cpp": _c,
    "c-sharp": _c_sharp,
    "php": _php,
    "ruby": _ruby,
}
