"""What Ctrl-C and a request to end do to a build.

A signal raises ``Interruption`` in the main thread. Where that would lose work, signals are held
back: the first one is kept until what is under way is done, a second one ends the process.
"""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(KeyboardInterrupt):
    """The user or the system wants the process to end, by the signal ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What shells call a process that this signal has ended."""
        return 128 + self.number


@dataclass(slots=True)
class Held:
    """The signal that has come while signals were held back, if one has."""

    number: int | None = None


@contextmanager
def raised() -> Generator[None]:
    """Let signals raise ``Interruption``; to be used on the main thread."""

    def interrupt(number: int, _frame: object) -> None:
        raise Interruption(number)

    with _handled_by(interrupt):
        yield


@contextmanager
def held(tell: Callable[[str], None]) -> Generator[Held]:
    """Hold signals back and tell the user what will come of them; on the main thread."""
    kept = Held()

    def keep(number: int, _frame: object) -> None:
        kept.number = number
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_DFL)
        tell("ending after this step; a second signal ends at once, without saving")

    with _handled_by(keep):
        yield kept


@contextmanager
def _handled_by(handler: Callable[[int, Any], None]) -> Generator[None]:
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
