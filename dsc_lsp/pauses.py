"""What keeps the interpreter from pausing while somebody types."""

import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SWITCH_SECONDS = 0.0005
_COLLECTED_AFTER = (150, 50, 100)
_LIBRARIES = {
    "numpy": "_core/_multiarray_umath.*",
    "torch": "lib/libtorch_python.*",
}
"""By package, the library that all others which are large are loaded with."""


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


def load_libraries(*packages: str) -> None:
    """Load what packages that are about to be imported consist of, and let other threads go on.

    Importing loads the same libraries with the interpreter's lock in hand, so that a key waits
    for 300 ms where it is torch and for 8 where it is NumPy. Does nothing for a package that is
    imported or missing, nor on Windows; what cannot be loaded fails when it is imported, in its
    package's own words. Blocking, so meant for threads other than the event loop's.
    """
    if sys.platform == "win32":
        return
    with suppress(OSError, AttributeError):  # an interpreter without a loader to be asked
        load = ctypes.CDLL(None).dlopen
        load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        for package in packages:
            for library in _libraries(package):
                load(os.fsencode(library), os.RTLD_NOW)


def _libraries(package: str) -> Iterator[Path]:
    spec = None if package in sys.modules else importlib.util.find_spec(package)
    for folder in spec.submodule_search_locations or () if spec else ():
        yield from Path(folder).glob(_LIBRARIES[package])
