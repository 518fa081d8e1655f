"""What keeps the interpreter from pausing while somebody types."""

import ctypes
import gc
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_SWITCH_SECONDS = 0.0005
_COLLECTED_AFTER = (150, 50, 100)
_LIBRARIES = {
    "numpy": "_core/_multiarray_umath.*",
    "torch": "lib/libtorch_python.*",
}
"""By package, the library that all others which are large are loaded with."""

_alone = threading.Lock()
_waited_for: dict[str, threading.Lock] = {}
"""By package. For ``_alone`` one may wait as long as another thread has something left to load."""


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


@contextmanager
def importing_for_good() -> Generator[None]:
    """Keep what is imported meanwhile out of the garbage collector's sight, then and later.

    None of it is garbage, and to look through it again and again is a tenth of a server's start.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def import_alone(*packages: str) -> None:
    """Import packages that bring libraries, one at a time, and let other threads go on.

    An import loads libraries with the interpreter's lock in hand, so that a key waits for 300 ms
    where it is torch and for 8 where it is NumPy; and as long for any other, where another thread
    is loading torch, because the system loads one at a time. So what is large is loaded first,
    without the lock, and whoever else imports in this way waits for their turn, or until another
    thread has imported the same. Blocking, so meant for threads other than the event loop's.

    Raises:
        ImportError: a package is missing; what else it raises when it is imported, comes, too.
    """
    for package in packages:
        with _waited_for.setdefault(package, threading.Lock()):
            if package not in sys.modules:
                with _alone:
                    _load_libraries(package)
                    importlib.import_module(package)


def _load_libraries(package: str) -> None:
    """Load what is large of a package; what cannot be loaded fails in its import's own words."""
    if package not in _LIBRARIES or sys.platform == "win32":
        return
    spec = importlib.util.find_spec(package)
    with suppress(OSError, AttributeError):  # an interpreter without a loader to be asked
        load = ctypes.CDLL(None).dlopen
        load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        for folder in spec.submodule_search_locations or () if spec else ():
            for library in Path(folder).glob(_LIBRARIES[package]):
                load(os.fsencode(library), os.RTLD_NOW)
