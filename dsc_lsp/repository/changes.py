"""Which lines differ from the last commit, by git itself; their text comes from the index.

git is run with what a repository could make it execute switched off, but for its clean filters,
and so only where the user, not the workspace, has asked for it.
"""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_SECONDS = 5.0
_MOST_BYTES = 4_000_000
_MOST_CHANGES = 400
_COMMAND = (
    "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "diff", "HEAD", "--unified=0",
    "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--ignore-submodules",
    "--diff-filter=AM", "--relative", "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class Change(NamedTuple):
    """Lines of a file, from 0 and without ``end``, that the last commit does not have."""

    path: str
    start: int
    end: int


def changed_lines(root: Path) -> list[Change]:
    """Return what is staged or changed below a folder; nothing where git cannot tell in time."""
    git = shutil.which("git")
    if git is None:
        return []
    try:
        process = subprocess.Popen(
            [git, "-C", str(root), *_COMMAND],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except OSError:
        return []
    assert process.stdout is not None, "asked for above"
    timer = threading.Timer(_SECONDS, process.kill)
    timer.start()
    try:
        with process.stdout as stdout:
            data = stdout.read(_MOST_BYTES)
    finally:
        timer.cancel()
        process.kill()
        process.wait()
    return list(_changes(data.decode("utf-8", "replace").split("\n")))[:_MOST_CHANGES]


def _changes(lines: list[str]) -> Iterator[Change]:
    path, place = "", 0
    while place < len(lines):
        line = lines[place]
        place += 1
        if line.startswith("+++ "):
            # Names with quotes or line breaks in them stand in quotes, and are left out.
            path = line.removeprefix("+++ b/").rstrip("\t") if line.startswith("+++ b/") else ""
            continue
        found = _HUNK.match(line)
        if found is None:
            continue
        removed, start, added = (int(text or 1) for text in found.groups())
        place += removed + added  # what is in the lines could look like a header
        if path and added:
            yield Change(path, start - 1, start - 1 + added)
