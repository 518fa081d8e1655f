"""Where source files come from: distributions, the standard library and node packages.

Everything is read as it was installed, with the license that its own metadata name.
"""

import importlib.metadata
import json
import re
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsc_lsp.starter import licenses

STANDARD_LIBRARY = "python"
NODE_PREFIX = "npm:"  # before the names of node packages

_NODE_SUFFIXES = (".js", ".mjs", ".ts", ".tsx")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file: ``path`` is relative to its import root, with slashes."""

    package: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Package:
    """One source of files; ``license`` is an SPDX expression, ``None`` where not permissive."""

    name: str
    version: str
    license: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """A package and where its files lie: import root and paths relative to it, sorted."""

    package: Package
    root: Path
    paths: tuple[str, ...]

    def files(self) -> Iterator[SourceFile]:
        """Read the files one after the other; what cannot be read as UTF-8 is left out."""
        for path in self.paths:
            try:
                text = (self.root / path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            if text.strip():
                yield SourceFile(self.package.name, path, text)


def installed(
    directories: Sequence[Path], wanted: Collection[str] | None = None
) -> Iterator[Source]:
    """Yield the distributions installed in ``directories``, by name; the first of a name wins.

    Only those that are ``wanted``, unless that is ``None``: to look at all takes a second.
    What has no name, as is left of an uninstallation that was interrupted, is none.
    """
    seen: set[str] = set()
    found = importlib.metadata.distributions(path=[str(path) for path in directories])
    named = [(_normal(item.metadata["Name"]), item) for item in found if "Name" in item.metadata]
    for name, distribution in sorted(named, key=lambda pair: pair[0]):
        if name in seen or (wanted is not None and name not in wanted):
            continue
        seen.add(name)
        metadata = {
            key: list(distribution.metadata.get_all(key) or [])
            for key in ("License-Expression", "License", "Classifier")
        }
        terms = licenses.permissive_license(name, metadata)
        paths = (path.as_posix() for path in distribution.files or () if path.suffix == ".py")
        inside = tuple(sorted(path for path in paths if ".." not in path))
        root = Path(str(distribution.locate_file("")))
        version = distribution.version if "Version" in distribution.metadata else ""
        yield Source(Package(name, version, terms), root, inside)


def standard_library() -> Source:
    """Return the standard library of the running interpreter."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = (path.relative_to(root).as_posix() for path in root.rglob("*.py"))
    inside = tuple(sorted(path for path in paths if not path.startswith("site-packages/")))
    package = Package(STANDARD_LIBRARY, sysconfig.get_python_version(), "PSF-2.0")
    return Source(package, root, inside)


def node_packages(directories: Iterable[Path]) -> Iterator[Source]:
    """Yield the packages of ``node_modules`` directories, by name; nested copies are left out."""
    seen: set[str] = set()
    for directory in directories:
        manifests = [*directory.glob("*/package.json"), *directory.glob("@*/*/package.json")]
        for manifest in sorted(manifests):
            name = NODE_PREFIX + manifest.parent.relative_to(directory).as_posix()
            if name not in seen:
                seen.add(name)
                yield _node_package(name, manifest)


def _node_package(name: str, manifest: Path) -> Source:
    try:
        content: Any = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}
    fields = content if isinstance(content, dict) else {}
    expression = fields.get("license")
    permissive = isinstance(expression, str) and licenses.is_permissive_expression(expression)
    package = Package(name, str(fields.get("version", "")), expression if permissive else None)
    root = manifest.parent
    paths = (path.relative_to(root).as_posix() for path in root.rglob("*") if _is_script(path))
    inside = tuple(sorted(path for path in paths if "node_modules/" not in path))
    return Source(package, root, inside)


def _is_script(path: Path) -> bool:
    return path.name.endswith(_NODE_SUFFIXES) and not path.name.endswith(".d.ts")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
