"""The real editors, installed into a cache folder by one script each."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

_INSTALL = Path(__file__).parent / "install"
_LONGEST_SECONDS = 600


def installed(editor: str) -> Path:
    """Return the folder that ``install/EDITOR.sh`` installs into, or skip the test loudly."""
    problem = _installation_problem(editor)
    if problem is not None:
        pytest.skip(f"{editor} CANNOT BE HAD here: {problem}")
    return cache_folder()


@functools.cache
def _installation_problem(editor: str) -> str | None:
    """Install once a session; returns what went wrong."""
    command = ["bash", str(_INSTALL / f"{editor}.sh")]
    environment = os.environ | {
        "DSC_EDITORS_CACHE": str(cache_folder()),
        "PYTHON": sys.executable,
    }
    ended = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LONGEST_SECONDS,
        check=False,
    )
    if ended.returncode == 0:
        return None
    last = (ended.stdout.strip().splitlines() or ["it said nothing"])[-1]
    return f"{command[-1]}: {last}"


def cache_folder() -> Path:
    """Return where editors are installed: ``DSC_EDITORS_CACHE`` or in the user's cache."""
    chosen = os.environ.get("DSC_EDITORS_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("dsc-lsp-tests") / "editors"
