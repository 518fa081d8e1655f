"""The one thread that owns the engine; the only place where asyncio and threads meet."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, TypeVar

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.engine.base import Announcer, Engine, EngineError, EngineNotReady

T = TypeVar("T")
Report: TypeAlias = Callable[[str, int], None]
"""Called with what is being done, for the user, and the share done in percent."""

_log = logging.getLogger(__name__)


class WorkerState(Enum):
    """Where the worker stands."""

    LOADING = "loading"
    READY = "ready"
    UNLOADED = "unloaded"
    FAILED = "failed"
    CLOSED = "closed"


_LOADING_AGAIN = "Loading the model again, which was unloaded while nobody asked"
_RETRY_SECONDS = 60.0
_WITHOUT_ENGINE = (WorkerState.LOADING, WorkerState.FAILED)


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """The state with words for the user: the step of loading, the model's name, or the failure.

    Unloaded is a model that was ready and has been idle; the next work loads it again.
    """

    state: WorkerState
    message: str
    percent: int = 0


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Engine, CancelToken], Any]
    cancel: CancelToken
    future: "Future[Any]"


class EngineWorker:
    """Loads an engine and runs work with it, one piece at a time, the newest first.

    ``load`` and all work run on the worker's own thread; so do ``on_status`` and
    ``on_announcement`` (of an ``Announcer``), which must not block. Work whose token is cancelled
    is not begun, or stops at its next token, so that the newest never waits for what nobody wants.
    The thread survives whatever the work raises.

    ``stand_in`` needs no loading and does the work, on a thread of its own, while there is no
    engine: until it is loaded, and where loading has failed.

    An engine that has had no work for ``idle_seconds()`` is closed, and loaded again by the next
    work, for which it is as it was before the first load; 0 keeps it for ever. Where loading it
    again fails, as when somebody else has taken the memory meanwhile, work that comes
    ``retry_seconds`` later tries once more; a first load that fails is final.
    """

    def __init__(
        self,
        load: Callable[[Report], Engine],
        on_status: Callable[[WorkerStatus], None] = lambda _status: None,
        on_announcement: Callable[[str], None] = lambda _text: None,
        *,
        stand_in: Engine | None = None,
        idle_seconds: Callable[[], float] = lambda: 0.0,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._load = load
        self._idle_seconds = idle_seconds
        self._on_status = on_status
        self._on_announcement = on_announcement
        self._status = WorkerStatus(WorkerState.LOADING, "Waiting to start")
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._running: _Job | None = None
        self._retry_seconds = retry_seconds
        self._was_ready = False
        self._failed_at = 0.0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._stand_in = None if stand_in is None else EngineWorker(lambda _report: stand_in)

    @property
    def status(self) -> WorkerStatus:
        """Where the worker stands; safe from any thread."""
        return self._status

    def start(self) -> None:
        """Begin to load the engine; returns at once."""
        if self._stand_in is not None:
            self._stand_in.start()
        self._thread.start()

    def submit(
        self,
        work: Callable[[Engine, CancelToken], T],
        cancel: CancelToken,
    ) -> "Future[T]":
        """Queue work; the future holds its result, ``Cancelled`` or an ``EngineError``.

        Without a stand-in the answer is ``EngineNotReady`` at once while the engine loads, and
        after a failed load it is the reason of the failure. Safe from any thread.
        """
        self._wake()
        if self._stand_in is not None and self._status.state in _WITHOUT_ENGINE:
            return self._stand_in.submit(work, cancel)
        future: Future[T] = Future()
        with self._changed:
            refusal = self._refusal()
            if refusal is None:
                self._waiting.append(_Job(work, cancel, future))
                self._changed.notify()
        if refusal is not None:
            future.set_exception(refusal)
        return future

    async def run(
        self,
        work: Callable[[Engine, CancelToken], T],
        cancel: CancelToken,
    ) -> T:
        """Await the result of ``submit``; a cancelled await stops the work at its next token."""
        try:
            return await asyncio.wrap_future(self.submit(work, cancel))
        except asyncio.CancelledError:
            cancel.cancel()
            raise

    def close(self, timeout_seconds: float) -> bool:
        """Stop the work, close the engine and end the thread; false if it did not end in time."""
        with self._changed:
            self._status = WorkerStatus(WorkerState.CLOSED, "The server is stopping.")
            jobs, self._waiting = self._waiting, []
            if self._running is not None:
                self._running.cancel.cancel()
            self._changed.notify()
        for job in jobs:
            _give_up(job)
        if self._stand_in is not None:
            self._stand_in.close(timeout_seconds)
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _wake(self) -> None:
        """Have an engine that was unloaded loaded again, and tried again if that has failed."""
        with self._changed:
            state = self._status.state
            may_retry = time.monotonic() >= self._failed_at + self._retry_seconds
            if state is WorkerState.UNLOADED or (self._is_failed_again and may_retry):
                self._status = WorkerStatus(WorkerState.LOADING, _LOADING_AGAIN)
                self._changed.notify()

    @property
    def _is_failed_again(self) -> bool:
        """Whether an engine that was ready once could not be loaded again."""
        return self._was_ready and self._status.state is WorkerState.FAILED

    def _refusal(self) -> Exception | None:
        status = self._status
        if status.state is WorkerState.READY:
            return None
        if status.state is WorkerState.LOADING:
            return EngineNotReady(status.message)
        if status.state is WorkerState.FAILED:
            return EngineError(status.message)
        return Cancelled()

    def _run(self) -> None:
        while True:
            engine = self._open_engine()
            if engine is not None:
                self._was_ready = True
                self._work_with(engine)
                # Whoever waits for the memory to be free waits no longer than this.
                engine.close()
            del engine
            if not self._is_woken():
                return

    def _work_with(self, engine: Engine) -> None:
        """Do what is submitted, until the worker is closed or the engine has been idle."""
        while (job := self._next_job(engine.name)) is not None:
            _perform(job, engine)
            with self._changed:
                self._running = None

    def _is_woken(self) -> bool:
        """Wait for work for an engine that is not loaded; false when none will be any more."""
        if self._status.state is WorkerState.UNLOADED:
            _log.info("the model was unloaded")
            self._tell()
        with self._changed:
            while self._status.state is WorkerState.UNLOADED or self._is_failed_again:
                self._changed.wait()
            woken = self._status.state is WorkerState.LOADING
        if woken:
            self._tell()
        return woken

    def _open_engine(self) -> Engine | None:
        try:
            engine = self._load(self._report)
        except EngineError as error:
            self._set_status(WorkerStatus(WorkerState.FAILED, str(error)))
            return None
        except BaseException as error:  # noqa: BLE001 - the thread boundary: a bug becomes an answer
            _log.exception("loading the model failed")
            reason = f"Loading the model failed ({type(error).__name__}); see the server's log."
            self._set_status(WorkerStatus(WorkerState.FAILED, reason))
            return None
        if isinstance(engine, Announcer):
            engine.announce_to(self._on_announcement)
        self._set_status(WorkerStatus(WorkerState.READY, engine.name, 100))
        return engine

    def _report(self, message: str, percent: int) -> None:
        self._set_status(WorkerStatus(WorkerState.LOADING, message, percent))

    def _set_status(self, status: WorkerStatus) -> None:
        with self._changed:
            if self._status.state is WorkerState.CLOSED:
                return
            if status.state is WorkerState.FAILED:
                self._failed_at = time.monotonic()
            self._status = status
        self._tell()

    def _tell(self) -> None:
        status = self._status
        if status.state is WorkerState.CLOSED:
            return
        try:
            self._on_status(status)
        except Exception:  # noqa: BLE001 - the thread boundary: whoever looks on must not end it
            _log.exception("a status could not be shown")

    def _next_job(self, name: str) -> _Job | None:
        """Wait for work; ``None`` when the worker is closed, or unloads an idle engine."""
        idle = self._idle_seconds() or None
        with self._changed:
            while not self._waiting:
                if self._status.state is WorkerState.CLOSED:
                    return None
                if self._changed.wait(idle):
                    continue
                if self._status.state is WorkerState.READY and not self._waiting:
                    self._status = WorkerStatus(WorkerState.UNLOADED, name)
                    return None
            if self._status.state is WorkerState.CLOSED:
                return None
            self._running = self._waiting.pop()
            return self._running


def _perform(job: _Job, engine: Engine) -> None:
    if job.cancel.cancelled:
        _give_up(job)
        return
    if not job.future.set_running_or_notify_cancel():
        return
    try:
        result = job.work(engine, job.cancel)
    except Exception as error:  # noqa: BLE001 - the thread boundary: whoever asked gets the error.
        job.future.set_exception(error)
    except BaseException as error:  # noqa: BLE001 - a library's SystemExit must not end the thread
        ended = EngineError(f"A library tried to end the engine ({type(error).__name__}).")
        job.future.set_exception(ended)
    else:
        job.future.set_result(result)


def _give_up(job: _Job) -> None:
    job.cancel.cancel()
    if job.future.set_running_or_notify_cancel():
        job.future.set_exception(Cancelled())
