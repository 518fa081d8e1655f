"""Which files of a workspace may be read, and their text: nothing else opens a workspace's files.

Regular files of a known language inside the workspace's real path. Links are never followed: what
they lead to inside the workspace is met without them, and the rest is none of our business.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from dsc_lsp.languages import LANGUAGES
from dsc_lsp.repository.ignore import IgnoreRules, rules_at
from dsc_lsp.repository.paths import FileState
from dsc_lsp.repository.secrets import is_secret_path
from dsc_lsp.repository.texts import presentable

LARGEST_FILE = 1_000_000
"""Bytes; a longer file is data or generated."""

_MOST_DEEP = 64
_DATA = frozenset({"json"})
_SUFFIXES = frozenset(
    suffix for row in LANGUAGES if row.name not in _DATA for suffix in row.suffixes
)
_SKIPPED_FOLDERS = frozenset(
    {"node_modules", "__pycache__", "bower_components", "site-packages", "dist-packages"}
)


def walk(root: Path) -> Iterator[FileState]:
    """Yield the files below a folder that may be read, folder by folder.

    What cannot be listed or has gone meanwhile is left out.
    """
    top = os.path.realpath(root).replace(os.sep, "/").rstrip("/")
    folders = [(top, rules_at(top or "/"), 0)]
    while folders:
        folder, rules, depth = folders.pop()
        below: list[str] = []
        for entry in _entries(folder or "/"):
            path = f"{folder}/{entry.name}"
            try:
                if entry.is_dir(follow_symlinks=False):
                    entered = depth < _MOST_DEEP and _is_entered(entry.name, path)
                    if entered and not rules.ignores(path + "/"):
                        below.append(path)
                    continue
                relative = path[len(top) + 1 :]
                if not _may_be_code(relative) or not entry.is_file(follow_symlinks=False):
                    continue
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if 0 < found.st_size <= LARGEST_FILE and not rules.ignores(path):
                yield FileState(relative, found.st_size, found.st_mtime_ns)
        folders.extend((path, rules.within(path), depth + 1) for path in reversed(below))


def state_of(root: Path, path: str) -> FileState | None:
    """Return one file's state, by the rules of ``walk``; ``None`` if it may not be read.

    ``path`` is relative to the root, with ``/``.
    """
    top = os.path.realpath(root).replace(os.sep, "/").rstrip("/")
    whole = f"{top}/{path}"
    if not may_be_shown(root, path):
        return None
    try:
        found = os.lstat(whole)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) or not 0 < found.st_size <= LARGEST_FILE:
        return None
    return FileState(path, found.st_size, found.st_mtime_ns)


def may_be_shown(root: Path, path: str) -> bool:
    """Whether a file of this name may enter a prompt at all, if it is there or not."""
    top = os.path.realpath(root).replace(os.sep, "/").rstrip("/")
    parts = path.split("/")
    if not _may_be_code(path) or ".." in parts or len(parts) > _MOST_DEEP:
        return False
    if os.path.realpath(f"{top}/{path}").replace(os.sep, "/") != f"{top}/{path}":
        return False
    rules: IgnoreRules = rules_at(top or "/")
    folder = top
    for name in parts[:-1]:
        folder = f"{folder}/{name}"
        if not _is_entered(name, folder) or rules.ignores(folder + "/"):
            return False
        rules = rules.within(folder)
    return not rules.ignores(f"{top}/{path}")


def read(root: Path, path: str) -> str | None:
    """Return a file's text without its secrets, line breaks as ``\\n``; ``None`` if it is no code.

    Never waits: a FIFO or device that has taken the file's place is not read.
    """
    data = _bytes_of(os.path.realpath(root).rstrip(os.sep) + os.sep + path.replace("/", os.sep))
    if data is None or len(data) > LARGEST_FILE:
        return None
    try:
        return presentable(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None


def _bytes_of(path: str) -> bytes | None:
    """Return the start of a regular file that no link leads to."""
    if os.path.realpath(path) != path:
        return None
    # Windows knows neither of the two flags, nor FIFOs among files.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:  # noqa: PTH123
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return file.read(LARGEST_FILE + 1) if regular else None
    except OSError:
        return None


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _is_entered(name: str, path: str) -> bool:
    """Whether a folder holds the workspace's own code, by its name and what marks it."""
    if name in _SKIPPED_FOLDERS or (name.startswith(".") and name != ".github"):
        return False
    return not Path(path, "pyvenv.cfg").exists()


def _may_be_code(path: str) -> bool:
    return path[path.rfind(".") :].lower() in _SUFFIXES and not is_secret_path(path)
