"""What became of suggestions, counted on this machine for its user; nothing is sent anywhere.

Counts hold no code. They are kept in the user's state directory, added to by every server that
runs there, and only while the setting ``statistics`` is on.
"""

import json
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs

from dsc_lsp.document import Document, Position

_LOCK_SECONDS = 1.0
_MOST_COMPARED = 20_000
_LATENCIES = 1_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """Suggestions and characters.

    ``accepted_characters`` are those that accepting has inserted, not those typed before: the
    parts (UTF-16 code units, as the editor tells them) and the rest. ``kept_…`` are the accepted
    characters that still stood in the document so long after, and ``checked_…`` those of which
    that is known: the document was still open, and they were no part, whose place nobody tells.
    """

    shown: int = 0
    accepted: int = 0
    partially_accepted: int = 0
    shown_characters: int = 0
    accepted_characters: int = 0
    kept_30_seconds: int = 0
    checked_30_seconds: int = 0
    kept_5_minutes: int = 0
    checked_5_minutes: int = 0


class Statistics:
    """Counts since the last time they were written, and the file they are added to."""

    def __init__(self, path: Callable[[], Path]) -> None:
        self._path = path
        self.session = Counts()
        self._written = Counts()
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)

    def shown(self, characters: int, milliseconds: float) -> None:
        """Count a suggestion that was answered, and how long the answer took."""
        self.session.shown += 1
        self.session.shown_characters += characters
        self._latencies.append(milliseconds)

    def report(self) -> dict[str, Any]:
        """Return the counts of this session and of all, and this session's latency; blocking."""
        from statistics import quantiles

        since, total = _read(self._path())
        _add(total, self._unwritten())
        cuts = quantiles(self._latencies, n=100) if len(self._latencies) > 1 else []
        latency = {"p50": cuts[49], "p95": cuts[94]} if cuts else None
        return {
            "since": since,
            "total": asdict(total),
            "session": asdict(self.session),
            "latencyMs": latency,
        }

    def write(self) -> None:
        """Add what is new to the file; blocking. A file that cannot be written is left alone."""
        new = self._unwritten()
        if new == Counts():
            return
        from filelock import FileLock, Timeout

        path = self._path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock", timeout=_LOCK_SECONDS):
                since, total = _read(path)
                _add(total, new)
                fresh = path.with_suffix(".new")
                fresh.write_text(json.dumps({"since": since, **asdict(total)}), encoding="utf-8")
                fresh.replace(path)
        except (OSError, Timeout) as error:
            _log.warning("statistics were not written (%s)", type(error).__name__)
            return
        _add(self._written, new)

    def _unwritten(self) -> Counts:
        return Counts(
            *(
                getattr(self.session, field.name) - getattr(self._written, field.name)
                for field in fields(Counts)
            )
        )


def statistics_file() -> Path:
    """Return where the counts are kept."""
    return platformdirs.user_state_path("dsc-lsp") / "statistics.json"


def kept_characters(then: Document, start: Position, text: str, now: Document) -> int | None:
    """Return how many characters of a text are still in a document that has changed since.

    ``text`` stands at ``start`` in ``then``. ``None`` if too much has changed to say.
    """
    from rapidfuzz.distance import LCSseq

    old, new = then.lines, now.lines
    first, last = old.alike_around(new)
    before = "".join(old[first : len(old) - last])
    after = "".join(new[first : len(new) - last])
    if max(len(before), len(after)) > _MOST_COMPARED:
        return None
    at = sum(map(len, old[: start.line])) + start.column - sum(map(len, old[:first]))
    unchanged = max(0, min(len(text), -at)) + max(0, min(len(text), at + len(text) - len(before)))
    kept = sum(
        max(0, min(block.src_end, at + len(text)) - max(block.src_start, at))
        for block in LCSseq.opcodes(before, after)
        if block.tag == "equal"
    )
    return kept + unchanged


def _read(path: Path) -> tuple[str, Counts]:
    """Return when counting began and the counts; odd files count from now."""
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        counts = Counts(*(max(0, int(raw.get(field.name, 0))) for field in fields(Counts)))
        return str(raw["since"]), counts
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return datetime.now(UTC).date().isoformat(), Counts()


def _add(total: Counts, more: Counts) -> None:
    for field in fields(Counts):
        setattr(total, field.name, getattr(total, field.name) + getattr(more, field.name))
