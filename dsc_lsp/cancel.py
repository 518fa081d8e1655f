"""A tiny cancellation token, shared by who asks and who computes."""

import threading


class Cancelled(Exception):
    """The work was given up because nobody waits for it any longer."""


class CancelToken:
    """A flag that any thread may raise and that the worker looks at between tokens."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether ``cancel`` has been called."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Ask the work to stop; safe from any thread, any number of times."""
        self._event.set()

    def check(self) -> None:
        """Raise ``Cancelled`` if the work shall stop."""
        if self._event.is_set():
            raise Cancelled
