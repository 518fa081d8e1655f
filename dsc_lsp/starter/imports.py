"""Which files of its own package a file imports, found by the text of its import statements."""

import posixpath
import re
from collections.abc import Iterator, Sequence

from dsc_lsp.starter.sources import SourceFile

_PYTHON = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<origin>\.*[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n#]*)"
    r"|import[ \t]+(?P<modules>[\w., \t]+))",
    re.MULTILINE,
)
_SCRIPT = re.compile(r"""(?:\bfrom|\bimport|\brequire\()\s*["'](\.[^"']*)["']""")
_NAME = re.compile(r"[\w.]+")
_SCRIPT_SUFFIX = re.compile(r"(/index)?\.(js|mjs|ts|tsx)$")


def imported_files(files: Sequence[SourceFile]) -> list[tuple[int, ...]]:
    """Return for each file the places in ``files`` of those that it imports, sorted."""
    places = {(file.package, _module(file.path)): place for place, file in enumerate(files)}
    result: list[tuple[int, ...]] = []
    for place, file in enumerate(files):
        named = _python(file) if file.path.endswith(".py") else _script(file)
        found = {places.get((file.package, module)) for module in named}
        result.append(tuple(sorted(other for other in found if other not in (None, place))))
    return result


def _module(path: str) -> str:
    """Return what imports call a file: dotted for Python, a path without suffix for scripts."""
    if path.endswith(".py"):
        return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return _SCRIPT_SUFFIX.sub("", path)


def _python(file: SourceFile) -> Iterator[str]:
    parents = file.path.removesuffix(".py").split("/")
    for match in _PYTHON.finditer(file.text):
        if match["modules"] is not None:
            yield from _NAME.findall(match["modules"])
            continue
        origin = match["origin"].lstrip(".")
        up = len(match["origin"]) - len(origin)
        base = parents[: len(parents) - up] if up else []
        start = ".".join([*base, *([origin] if origin else [])])
        yield start
        yield from (f"{start}.{name}" for name in _NAME.findall(match["names"]))


def _script(file: SourceFile) -> Iterator[str]:
    directory = posixpath.dirname(file.path)
    for name in _SCRIPT.findall(file.text):
        yield _SCRIPT_SUFFIX.sub("", posixpath.normpath(posixpath.join(directory, name)))
