"""Files as editors name them, by URI, and as the disk does."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

_DRIVE = re.compile("[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as the disk has it: its path from the root with ``/``, and what changes with it."""

    path: str
    size: int
    changed_ns: int


def place_of(uri: str, roots: Sequence[Path]) -> tuple[Path, str] | None:
    """Return the innermost folder that a document is in, and its path from there with ``/``."""
    path = path_of(uri)
    if path is None:
        return None
    for root in sorted(roots, key=lambda root: -len(root.parts)):
        for base in dict.fromkeys((root, Path(os.path.realpath(root)))):
            with suppress(ValueError):
                return root, path.relative_to(base).as_posix()
    return None


def path_of(uri: str) -> Path | None:
    """Return the path of a ``file:`` URI; ``None`` for any other."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # brackets in the host's place
        return None
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    return Path(windows_path(parts.netloc, path) if os.name == "nt" else path)


def windows_path(host: str, path: str) -> str:
    """Return the Windows path that a URI's host and path (without escapes) stand for.

    The drive's letter is written large, so that a file has one name whatever the editor writes.
    """
    if host and host != "localhost":
        return f"//{host}{path}"
    drive, rest = path[1:3], path[3:]
    return drive.upper() + rest if _DRIVE.fullmatch(drive) else path


def folders_of(uris: Mapping[str, None] | Sequence[str]) -> tuple[Path, ...]:
    """Return the folders that URIs name, those that are there."""
    paths = (path_of(uri) for uri in uris)
    return tuple(dict.fromkeys(path for path in paths if path is not None and path.is_dir()))
