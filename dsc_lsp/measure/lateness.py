"""How late an event loop wakes up: what it cost that others had the interpreter or the processor.

A look is a millisecond's sleep of the loop. It is late because another thread of the process held
the interpreter's lock, or because the machine had no core for it; a process that does nothing
else beside it shows how often the latter happens.
"""

import asyncio
import faulthandler
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from dsc_lsp.measure.percentiles import percentiles

_LOOK_SECONDS = 0.001
_LATE_MS = 5.0
_WAITED = Path("/proc/thread-self/schedstat")
"""On Linux: nanoseconds that the thread ran, and that it waited for a core (sched-stats.rst)."""
_IDLE = f"""
import json, sys, threading, time
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
times = []
while not over.is_set():
    start = time.perf_counter()
    time.sleep({_LOOK_SECONDS})
    times.append(1e3 * (time.perf_counter() - start - {_LOOK_SECONDS}))
print(json.dumps(times))
"""


@dataclass(frozen=True, slots=True)
class Looks:
    """Milliseconds, look by look.

    ``late`` is how late the loop woke, ``held`` how much of it other threads of the process may
    be blamed for: no longer than they computed meanwhile, nor than the loop's thread did not wait
    for a core (which only Linux tells; elsewhere none of it counts as waiting). ``interpreter`` is
    how much of that it can have waited for the interpreter's lock, for it asks for that anew each
    switch interval; the rest is a machine that others use, too (a virtual one that stood still).
    """

    late: tuple[float, ...] = ()
    held: tuple[float, ...] = ()
    interpreter: tuple[float, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return what is printed."""
        return {
            **lateness(self.late),
            "held_max_ms": round(max(self.held), 2),
            "held_above_5_ms": _count_late(self.held),
            "held_by_interpreter_above_5_ms": _count_late(self.interpreter),
        }


async def looks_until(over: asyncio.Event, stacks: IO[bytes] | None = None) -> Looks:
    """Look at the running loop until ``over`` is set.

    To ``stacks``, a real file, is written what all threads were at when the loop had been late for
    5 ms, and after that how much of it they held it for, where that is as much. It costs each look
    a tenth of a millisecond, and now and then the process its life: CPython reads the stacks
    of threads that go on meanwhile.
    """
    late, held, interpreter = list[float](), list[float](), list[float]()
    interval_ms = 1e3 * sys.getswitchinterval()
    while not over.is_set():
        waited, computed, waits = _waited_ms(), _computed_ms(), _waits()
        if stacks is not None:
            faulthandler.dump_traceback_later(_LOOK_SECONDS + _LATE_MS / 1e3, file=stacks)
        start = time.perf_counter()
        await asyncio.sleep(_LOOK_SECONDS)
        late.append(1e3 * (time.perf_counter() - start - _LOOK_SECONDS))
        without_wait = late[-1] - (_waited_ms() - waited)
        held.append(max(0.0, min(without_wait, _computed_ms() - computed)))
        interpreter.append(min(held[-1], interval_ms * (_waits() - waits)))
        if stacks is not None and held[-1] > _LATE_MS:
            os.write(stacks.fileno(), f"held for {held[-1]:.1f} ms\n".encode())
    faulthandler.cancel_dump_traceback_later()
    return Looks(tuple(late), tuple(held), tuple(interpreter))


@dataclass(slots=True)
class Idle:
    """A process that does nothing but look: its number, and how late it woke once it has ended."""

    pid: int
    late: tuple[float, ...] = field(default=())


@contextmanager
def idle_process() -> Generator[Idle]:
    """Have a process look that has nothing else to do."""
    process = subprocess.Popen(
        [sys.executable, "-c", _IDLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    idle = Idle(process.pid)
    try:
        yield idle
    finally:
        idle.late = tuple(json.loads(process.communicate()[0]))


def lateness(times: Sequence[float]) -> dict[str, object]:
    """Return of milliseconds, at least one, what is printed."""
    found = percentiles(times)
    return {
        "late_p50_ms": round(found.p50, 2),
        "late_p99_ms": round(found.p99, 2),
        "late_max_ms": round(max(times), 2),
        "late_above_5_ms": _count_late(times),
        "probes": len(times),
    }


def _count_late(times: Sequence[float]) -> int:
    return sum(late > _LATE_MS for late in times)


def _waited_ms() -> float:
    """Return how long this thread has waited for a core; 0 where the system does not tell."""
    try:
        return int(_WAITED.read_bytes().split()[1]) / 1e6
    except (OSError, ValueError, IndexError):
        return 0.0


def _waits() -> float:
    """Return how often this thread has begun to wait; infinite where the system does not tell."""
    if sys.platform != "linux":
        return math.inf
    import resource

    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def _computed_ms() -> float:
    """Return the processor time that the other threads of this process have taken."""
    return 1e3 * (time.process_time() - time.thread_time())
