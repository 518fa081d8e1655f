"""A user who types the gold text and accepts what is right: what suggestions save and cost."""

from collections.abc import Iterable
from dataclasses import dataclass

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.engine.base import Engine
from dsc_lsp.measure.holes import Hole, partly_typed
from dsc_lsp.prompt import Prompts
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings


@dataclass(frozen=True, slots=True)
class Replay:
    """Counts over all holes: characters to be written, keys pressed, suggestions by fate."""

    characters: int = 0
    keystrokes: int = 0
    accepted: int = 0
    wrong: int = 0

    def __add__(self, other: "Replay") -> "Replay":
        return Replay(
            self.characters + other.characters,
            self.keystrokes + other.keystrokes,
            self.accepted + other.accepted,
            self.wrong + other.wrong,
        )

    @property
    def saved(self) -> float:
        """The share of keystrokes saved, in percent; an acceptance costs one."""
        return 100 * (1 - self.keystrokes / self.characters) if self.characters else 0.0


def replay(
    holes: Iterable[Hole],
    settings: Settings,
    engine: Engine,
    *,
    repository: Repository | None = None,
) -> Replay:
    """Type each hole's gold text key by key, asking for a suggestion before every key.

    A suggestion that the gold text goes on with is accepted; any other counts as wrong.
    """
    total = Replay()
    repository = repository or Repository()
    for hole in holes:
        total += _type(hole, settings, engine, repository)
    return total


def _type(hole: Hole, settings: Settings, engine: Engine, repository: Repository) -> Replay:
    written = keystrokes = accepted = wrong = 0
    prompts = Prompts()
    while written < len(hole.gold):
        cursor = partly_typed(hole, written).cursor
        cancel = CancelToken()
        text = complete(cursor, repository, settings, engine, cancel, prompts=prompts).text
        keystrokes += 1
        if text and hole.gold.startswith(text, written):
            accepted += 1
            written += len(text)
            continue
        wrong += bool(text)
        written += 1
    return Replay(len(hole.gold), keystrokes, accepted, wrong)
