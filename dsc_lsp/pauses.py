"""What keeps the interpreter from pausing while somebody types."""

import gc
import sys

_SWITCH_SECONDS = 0.0005
_COLLECTED_AFTER = (150, 50, 100)


def shorten_pauses() -> None:
    """Have this process's threads wait less for each other, and for the garbage collector.

    A message passes three threads on its way to the answer; while the engine computes in Python
    each would wait 5 ms for the interpreter (a cancel then takes twice as long: docs/log.md). As
    much young garbage is collected as by default, but in pieces: a piece looks through each
    version of a document that came since the last, 3 ms in 10,000 lines after ten keys, else 0.5.
    What has become old is looked through a tenth as often: that takes 20 ms without torch and 110
    with it, which is not to happen while it is imported. It is code, or goes when nothing refers
    to it, but for what refers to itself, as folders do that were closed.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_COLLECTED_AFTER)
