"""What an editor tells the server beside the protocol, for a test to see."""

import json
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from dsc_lsp.repository import Repository

Command = Callable[..., Any]


def telling(record: Callable[[str], None]) -> type[Repository]:
    """Return a repository that records what it takes of copied texts and diagnostics."""

    class TellingRepository(Repository):
        def copied(self, text: str) -> None:
            record(f"copied {json.dumps(text)}")
            super().copied(text)

        def reported(self, uri: str, messages: Sequence[tuple[int, str]]) -> None:
            record(f"reported {json.dumps([Path(uri).name, *messages])}")
            super().reported(uri, messages)

    return TellingRepository


def recorded(name: str, command: Command, record: Callable[[str], None]) -> Command:
    """Return a command of the server that records with what arguments it is run."""

    @wraps(command)
    def recorded_command(server: Any, *arguments: Any) -> Any:
        record(" ".join((name, *map(str, arguments))))
        return command(server, *arguments)

    return recorded_command
