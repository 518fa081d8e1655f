"""What the server is doing, as the notification ``dsc/status`` for an editor's status bar.

It is sent only to clients whose experimental capabilities hold ``dscStatus``, and whenever what
it says has changed.
"""

import dataclasses
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from time import perf_counter
from typing import Any

from dsc_lsp.engine.base import EngineError, EngineNotReady
from dsc_lsp.engine.worker import WorkerState, WorkerStatus

METHOD = "dsc/status"
CAPABILITY = "dscStatus"
"""The name among the experimental capabilities of both sides."""

_WITH_MODEL = (WorkerState.READY, WorkerState.UNLOADED)
_UNLOADED = (
    "It was unloaded while nobody asked (`dsc.idleUnloadMinutes`); the next request loads it."
)


class State(Enum):
    """What the server is doing."""

    LOADING = "loading"
    READY = "ready"
    THINKING = "thinking"
    OFF = "off"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Status:
    """The state and what belongs to it.

    ``message`` holds the step of loading, or why it is off or in error and what to do about it,
    or that the model was unloaded and comes back with the next request;
    ``milliseconds`` is how long the model took for the last suggestion, ``None`` before the first.
    """

    state: State
    model: str | None
    message: str
    percent: int
    milliseconds: int | None


class StatusReport:
    """Follows what the server does and tells the client; event loop only."""

    def __init__(self, notify: Callable[[str, dict[str, Any]], None]) -> None:
        self._notify = notify
        self._is_wanted = False
        self._worker = WorkerStatus(WorkerState.LOADING, "Waiting to start")
        self._off = ""
        self._failure = ""
        self._thinking = 0
        self._milliseconds: int | None = None
        self._told: Status | None = None

    def begin(self, experimental: object) -> None:
        """Tell the client from now on, if its experimental capabilities ask for it."""
        self._is_wanted = (
            isinstance(experimental, Mapping) and experimental.get(CAPABILITY) is True
        )
        self._tell()

    def worker_changed(self, status: WorkerStatus) -> None:
        """Follow the loading of the model."""
        self._worker = status
        self._tell()

    def switched_off(self, reason: str) -> None:
        """Say why no suggestions are made; nothing means that they are."""
        self._off = reason
        self._tell()

    @contextmanager
    def thinking(self) -> Generator[None, None, None]:
        """Mark the time in which the model is asked; an ``EngineError`` stays until a success."""
        begun = perf_counter()
        self._thinking += 1
        self._tell()
        try:
            yield
        except EngineNotReady:
            raise
        except EngineError as error:
            self._failure = str(error)
            raise
        else:
            self._failure = ""
            self._milliseconds = round((perf_counter() - begun) * 1000)
        finally:
            self._thinking -= 1
            self._tell()

    def _tell(self) -> None:
        status = self._status()
        if not self._is_wanted or status == self._told:
            return
        self._told = status
        self._notify(METHOD, {**dataclasses.asdict(status), "state": status.state.value})

    def _status(self) -> Status:
        worker = self._worker
        model = worker.message if worker.state in _WITH_MODEL else None
        state, message = self._state()
        return Status(state, model, message, worker.percent, self._milliseconds)

    def _state(self) -> tuple[State, str]:
        worker = self._worker
        if worker.state is WorkerState.FAILED:
            return State.ERROR, worker.message
        if self._off:
            return State.OFF, self._off
        if worker.state not in _WITH_MODEL:
            return State.LOADING, worker.message
        if self._failure:
            return State.ERROR, self._failure
        if worker.state is WorkerState.UNLOADED:
            return State.READY, _UNLOADED
        return (State.THINKING if self._thinking else State.READY), ""
