"""Where the server's log goes: a file that only its user can read, and warnings to stderr.

At every level the log holds names, numbers and places in our source, never code, prompts or
tracebacks; those are written with ``content`` only, and to the file only.
"""

import logging
import os
import stat
import sys
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import platformdirs

from dsc_lsp.cli.usage import UsageError
from dsc_lsp.server.failures import place_of

_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
_FILE_BYTES = 2**20
_FILES_KEPT = 3
_OURS = "dsc_lsp"
_CONTENT = "dsc_lsp.content"
_ExceptionInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


def default_log_file() -> Path:
    """Return where the log is written unless the user says otherwise."""
    return platformdirs.user_log_path("dsc-lsp") / "server.log"


def set_up(*, level: str, file: Path | None, content: bool) -> None:
    """Send the log of this process to a file and its warnings to stderr.

    Raises:
        UsageError: the file that the user chose cannot be written. Where the default one cannot
            be, stderr says so and the server goes on.
    """
    to_file = _file_handler(file, content=content)
    # A full disk must not put pieces of messages on stderr.
    logging.raiseExceptions = False
    stderr = logging.StreamHandler(sys.stderr)
    stderr.setLevel(logging.WARNING)
    stderr.setFormatter(_Discreet(_FORMAT))
    handlers: list[logging.Handler] = [stderr] if to_file is None else [stderr, to_file]
    # Libraries log at INFO what they like; theirs begins at warnings.
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    logging.getLogger(_OURS).setLevel(level.upper())
    # pygls logs whole messages, which hold code.
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)
    messages = logging.getLogger(_CONTENT)
    messages.propagate = False
    messages.setLevel(logging.DEBUG if content and to_file is not None else logging.CRITICAL + 1)
    if content and to_file is not None:
        messages.addHandler(to_file)


def _file_handler(file: Path | None, *, content: bool) -> logging.Handler | None:
    path = file or default_log_file()
    try:
        if file is None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = _PrivateFile(
            path, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8"
        )
    except OSError as error:
        problem = f"the log file {path} cannot be written: {error.strerror}"
        if file is not None:
            raise UsageError(problem) from None
        print(f"dsc-lsp: {problem}", file=sys.stderr)
        return None
    handler.setFormatter((logging.Formatter if content else _Discreet)(_FORMAT))
    return handler


class _PrivateFile(RotatingFileHandler):
    """A rotating log file of mode 0600, which the servers of several windows may share."""

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Begin a new file, or go on with the old one where it cannot be moved.

        On Windows a file that another server has open cannot; each message would be lost.
        """
        with suppress(OSError):
            super().doRollover()

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self.baseFilename, flags, 0o600)
        # It may have been there with another mode; the null device is everybody's.
        if sys.platform != "win32" and stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)
        return os.fdopen(descriptor, "a", encoding=self.encoding, errors="backslashreplace")


class _Discreet(logging.Formatter):
    """Writes where an exception came from, and not what it says."""

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - logging's name
        return place_of(ei[1]) if ei[1] is not None else ""

    def formatStack(self, stack_info: str) -> str:  # noqa: ARG002, N802 - logging's name
        return ""
