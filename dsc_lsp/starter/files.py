"""Files that appear whole or not at all, so that a build that stops midway loses nothing."""

import json
from pathlib import Path
from typing import Any


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name and put it in its place.

    Raises:
        OSError: the disk is full or the directory cannot be written; an older file stays.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_bytes(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON; sets are written as sorted lists."""
    text = json.dumps(value, indent=1, ensure_ascii=False, default=sorted)
    write_whole(path, (text + "\n").encode())


def read_json(path: Path) -> Any:
    """Read what ``write_json`` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))
