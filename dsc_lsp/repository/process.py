"""The server's end of the indexing process."""

import json
import logging
import queue
import subprocess
import sys
import threading
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dsc_lsp.repository.contents import NO_STRUCTURE, Structure, structure_in

_ENDED = "The process that indexes the workspace has ended, so other files are not looked at."
_END_SECONDS = 2.0
_log = logging.getLogger(__name__)


class IndexerProcess:
    """Starts the indexing process, tells it what changes, and passes on what it reports.

    ``report`` is called on a thread of its own. A process that dies is not started again: the
    index stays as it was, which costs context, not suggestions. One thread may ask for structures.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, report: Callable[[dict[str, Any]], None]) -> None:
        self._closed = False
        self._report = report
        self._structures: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._commands: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            # -P: the folder that the server was started in may hold a dsc_lsp of its own.
            [sys.executable, "-P", "-m", "dsc_lsp.repository.indexer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=_creation_flags(),
        )
        self._threads = (
            threading.Thread(target=self._write, name="indexer-writer", daemon=True),
            threading.Thread(target=self._read, name="indexer-reader", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    def tell(self, command: dict[str, Any]) -> None:
        """Send a command; returns at once."""
        self._commands.put(command)

    def structure_of(self, path: str, text: str) -> Structure:
        """Have the process parse a text, and wait for it; nothing if the process has ended.

        Here it would hold the interpreter's lock: for what tree-sitter does before the first
        search in a language, 14 ms in Python, 100 in TypeScript, 700 in Swift.
        """
        self.tell({"parse": path, "text": text})
        found = self._structures.get()
        if found is None:
            self._structures.put(None)  # for the next one who asks
            return NO_STRUCTURE
        return structure_in(found)

    def close(self) -> None:
        """End the process; what it was writing is undone by the next one."""
        self._closed = True
        self._process.kill()
        self._commands.put(None)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        for thread in self._threads:
            thread.join(_END_SECONDS)

    def _write(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None, "asked for above"
        with suppress(OSError), stdin:
            while (command := self._commands.get()) is not None:
                stdin.write((json.dumps(command) + "\n").encode())
                stdin.flush()

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None, "asked for above"
        with stdout:
            for line in stdout:
                if line.endswith(b"\n"):  # else killed within a line
                    self._pass_on(json.loads(line))
        self._structures.put(None)
        if not self._closed:
            _log.warning("the indexing process has ended")
            self._report({"problem": _ENDED})

    def _pass_on(self, message: dict[str, Any]) -> None:
        if "structure" in message:
            self._structures.put(b64decode(message["structure"]))
        else:
            self._report(message)


def _creation_flags() -> int:
    """Return what keeps the process in the background on Windows; elsewhere it does so itself."""
    if sys.platform == "win32":
        return subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
    return 0
