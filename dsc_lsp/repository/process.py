"""The server's end of the indexing process."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

_log = logging.getLogger(__name__)


class IndexerProcess:
    """Starts the indexing process, tells it what changes, and passes on what it reports.

    ``report`` is called on a thread of its own. A process that dies is not started again: the
    index stays as it was, which costs context, not suggestions.
    """

    def __init__(self, report: Callable[[dict[str, Any]], None]) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dsc_lsp.repository.indexer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reading = threading.Thread(target=self._read, args=(report,), daemon=True)
        self._reading.start()

    def tell(self, command: dict[str, Any]) -> None:
        """Send a command; blocks while the pipe is full, so not from the event loop."""
        data = (json.dumps(command) + "\n").encode()
        with self._lock:
            stdin = self._process.stdin
            assert stdin is not None, "asked for above"
            try:
                stdin.write(data)
                stdin.flush()
            except (OSError, ValueError):
                _log.warning("the indexing process has ended")

    def close(self) -> None:
        """End the process; what it was writing is undone by the next one."""
        self._process.kill()
        self._process.wait()
        with self._lock:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except OSError:
                        continue

    def _read(self, report: Callable[[dict[str, Any]], None]) -> None:
        stdout = self._process.stdout
        assert stdout is not None, "asked for above"
        try:
            for line in stdout:
                report(json.loads(line))
        except ValueError:  # closed, or killed within a line
            return
