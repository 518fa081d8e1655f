"""When to leave a server alone: a circuit breaker."""

from dsc_lsp.engine.remote.faults import RemoteError

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
_FAULTS_IN_A_ROW = 3
_LONGEST_ASKED_WAIT_SECONDS = 300.0


class Circuit:
    """Closed while a server answers; open after it went down or failed several times in a row.

    While it is open nothing is asked for the user's sake: each key would wait for a failure. It
    is closed from outside, by whoever has seen the server answer again. Attributes are single
    values, so that the network's and the engine's threads may both use it.
    """

    def __init__(self) -> None:
        self.fault: RemoteError | None = None
        self._in_a_row = 0

    @property
    def is_open(self) -> bool:
        """Whether the server is to be left alone."""
        return self.fault is not None

    def succeeded(self) -> None:
        """Count an answer."""
        self.fault = None
        self._in_a_row = 0

    def open(self, fault: RemoteError) -> None:
        """Leave the server alone from now on, because of a fault."""
        self.fault = fault

    def failed(self, fault: RemoteError) -> None:
        """Count a fault."""
        self._in_a_row += 1
        asked_to_wait = (fault.retry_seconds or 0.0) >= 1.0
        if fault.is_down or asked_to_wait or self._in_a_row >= _FAULTS_IN_A_ROW:
            self.open(fault)


def waits(fault: RemoteError) -> "list[float]":
    """Return the waits before the first looks at a server again; the last one holds for good."""
    first = max(FIRST_WAIT_SECONDS, min(fault.retry_seconds or 0.0, _LONGEST_ASKED_WAIT_SECONDS))
    waits = [first]
    while waits[-1] < LONGEST_WAIT_SECONDS:
        waits.append(min(waits[-1] * 2, LONGEST_WAIT_SECONDS))
    return waits
