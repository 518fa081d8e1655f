"""The files that the current one can reach by its imports, and by which names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from dsc_lsp.repository.imports import Import
from dsc_lsp.repository.words import plain
from dsc_lsp.repository.workspace import Resolved, Workspace

_MOST_FILES = 48
_MOST_WITH_TYPE = 3
_MOST_TYPES_LOOKED_AT = 400
_MOST_STEPS = 3
_LEAST_LETTERS = 3
_MOST_HANDED_ON = 400
_HANDING_ON = ("/__init__.py", "/index.ts", "/index.js", "/mod.rs")
_STEM = re.compile(r"(/__init__|/index|/mod)?(\.d)?\.\w+$")


@dataclass(slots=True)
class Reached:
    """A file: ``distance`` is 1 if it is imported, 2 if an imported one imports it, 3 beside it.

    ``names`` are what was imported of it by name, with the names they have here; ``modules`` are
    what the whole module is called here. ``handed_on`` are definitions that an imported module
    has from this file, with what that module is called here.
    """

    path: str
    distance: int
    names: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    handed_on: dict[str, str] = field(default_factory=dict)


def reached(path: str, entries: Resolved, workspace: Workspace) -> list[Reached]:
    """Return the files imported by ``entries``, then what they import, then the siblings."""
    found: dict[str, Reached] = {}
    for entry, files in entries:
        for target in files:
            for origin, named in _origins(entry, target, workspace):
                file = found.setdefault(origin, Reached(origin, 1))
                _note(file, named)
                if origin == target and file.modules:
                    _note_handed_on(found, target, named.local, workspace, _MOST_STEPS)
    for target in list(found):
        for _, files in workspace.imports_of(target):
            for further in files:
                if further != path:
                    found.setdefault(further, Reached(further, 2))
    for sibling in workspace.siblings(path):
        found.setdefault(sibling, Reached(sibling, 3))
    found.pop(path, None)
    return sorted(found.values(), key=_rank)[:_MOST_FILES]


def called_like(name: str, ending: str, workspace: Workspace) -> list[Reached]:
    """Return a few files with a type that is called like a value, or called so themselves.

    ``ending`` is that of such a file. They count like what an imported file imports, because
    nothing says that it is this type.
    """
    sought = plain(name)
    one = sought.removesuffix("s")
    if len(one) < _LEAST_LETTERS:
        return []
    exact: list[str] = []
    alike: list[str] = []
    for path, names in workspace.files_with_type(one, _MOST_TYPES_LOOKED_AT):
        if f" {sought} " in names or f" {one} " in names:
            exact.append(path)
        elif f"{one} " in names or f" {one}" in names:
            alike.append(path)
    called_so = workspace.paths.by_name.get(name + ending, ())
    # What many are called says nothing.
    chosen = (found for found in (exact, called_so, alike) if len(found) <= _MOST_WITH_TYPE)
    return [Reached(path, 2) for path in dict.fromkeys(chain.from_iterable(chosen))]


def _rank(file: Reached) -> tuple[int, bool]:
    return file.distance, not (file.names or file.modules)


def _note(file: Reached, entry: Import) -> None:
    if not entry.name or _is_module(entry, file.path):
        file.modules.add(entry.local)
    elif entry.name == "*":
        file.modules.add("*")
    else:
        file.names[entry.name] = entry.local


def _note_handed_on(
    found: dict[str, Reached], module: str, local: str, workspace: Workspace, steps: int
) -> None:
    """Note the files that a module has names from: they are used as the module's own."""
    if not steps or not module.endswith(_HANDING_ON):
        return
    for inner, files in workspace.imports_of(module)[:_MOST_HANDED_ON]:
        if inner.name == "*":
            found.setdefault(files[0], Reached(files[0], 1)).modules.add(local)
            _note_handed_on(found, files[0], local, workspace, steps - 1)
        elif inner.name:
            for origin, named in _origins(inner, files[0], workspace):
                source = found.setdefault(origin, Reached(origin, 1))
                source.handed_on.setdefault(named.name, local)


def _is_module(entry: Import, target: str) -> bool:
    return _STEM.sub("", target).rsplit("/", 1)[-1] == entry.name


def _origins(entry: Import, target: str, workspace: Workspace) -> Iterator[tuple[str, Import]]:
    """Yield the file imported and, where it only hands the name on, those that it has it from."""
    yield target, entry
    for _ in range(_MOST_STEPS):
        if not entry.name or entry.name == "*" or _defines(target, entry.name, workspace):
            return
        onward = _onward(entry, target, workspace)
        if onward is None:
            return
        target, entry = onward
        yield target, entry


def _onward(entry: Import, target: str, workspace: Workspace) -> tuple[str, Import] | None:
    for inner, files in workspace.imports_of(target):
        if inner.local == entry.name:
            return files[0], Import(inner.module, inner.name, entry.local)
        if inner.name == "*" and _defines(files[0], entry.name, workspace):
            return files[0], Import(inner.module, entry.name, entry.local)
    return None


def _defines(path: str, name: str, workspace: Workspace) -> bool:
    return any(d.name == name and d.parent < 0 for d in workspace.structure(path).outline)
