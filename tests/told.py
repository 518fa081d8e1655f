"""A repository that lets a test see what an editor tells the server beside the protocol."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from dsc_lsp.repository import Repository


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
