"""To bring a folder's index up to date: what is new is read, what is gone is forgotten."""

import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dsc_lsp.repository.contents import contents_of
from dsc_lsp.repository.files import may_be_shown, read, state_of, walk
from dsc_lsp.repository.imports import go_module, script_aliases
from dsc_lsp.repository.paths import FileState
from dsc_lsp.repository.preparing import Prepared, parsed, prepared
from dsc_lsp.repository.store import UNSAVED, Store
from dsc_lsp.repository.texts import presentable

_FILES_A_TRANSACTION = 128
_MOST_NEAR = 32
_LARGEST_CONFIGURATION = 100_000
_KEPT_SECONDS = 60 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the changed files are in the index."""

    done: int
    of: int


def forget_old_indexes(folder: Path) -> None:
    """Delete the indexes that nobody has used for two months."""
    for file in folder.glob("*.sqlite*"):
        try:
            if time.time() - file.stat().st_mtime > _KEPT_SECONDS:
                file.unlink()
        except OSError:
            continue


def refresh(root: Path, store: Store, *, at_once: bool = False) -> Iterator[Progress]:
    """Bring an index up to date with the disk, some files at a time, but for their structures.

    Whoever iterates may do other things in between, or stop. ``at_once`` is whether several
    processes may read and parse.
    """
    known = store.states()
    unsaved = {path for path, state in known.items() if state.changed_ns == UNSAVED}
    found = {state.path: state for state in walk(root) if state.path not in unsaved}
    changed = [state for path, state in found.items() if known.get(path) != state]
    store.remove(known.keys() - found.keys() - unsaved)
    _keep_facts(root, store)
    done, waiting = 0, Prepared()
    for files in prepared(root, changed, at_once=at_once):
        waiting += files
        # Large transactions: each adds a segment to the index of words, to be merged later.
        if len(waiting) >= _FILES_A_TRANSACTION:
            _put(store, waiting, known)
            done, waiting = done + len(waiting), []
        yield Progress(done, len(changed))
    _put(store, waiting, known)
    yield Progress(len(changed), len(changed))


def structured(store: Store, *, at_once: bool = False) -> Iterator[None]:
    """Parse the files that are unparsed, some at a time, as ``refresh`` reads them.

    Files that come meanwhile may be left.
    """
    for structures in parsed(store, at_once=at_once):
        store.put_structures(structures)
        yield


def finish(store: Store) -> None:
    """Do here and now what may wait: parse what is unparsed, free what is kept of old texts."""
    for _ in structured(store):
        pass
    while store.sweep():
        pass


def _put(store: Store, files: Prepared, known: Mapping[str, FileState]) -> None:
    """Put files into the index, but for those that somebody has put there meanwhile."""
    store.put((s, c) for s, c in files if store.state(s.path) == known.get(s.path))


def reread(root: Path, store: Store, paths: Iterable[str]) -> None:
    """Read files anew, or forget them if they are gone or may not be read; relative paths."""
    gone, found = list[str](), Prepared()
    for path in paths:
        state = state_of(root, path)
        if state is None:
            gone.append(path)
            continue
        text = read(root, path)
        found.append((state, None if text is None else contents_of(text)))
    store.remove(gone)
    store.put(found)


def read_near(root: Path, store: Store, path: str) -> list[str]:
    """Read the files beside one that are not in the index; return those that are in it then.

    The nearest by name, if there are many.
    """
    folder = path[: path.rfind("/") + 1]
    try:
        names = sorted(entry.name for entry in os.scandir(root / folder) if entry.is_file())
    except OSError:
        return []
    place = bisect_left(names, path[len(folder) :])
    nearest = sorted(range(len(names)), key=lambda number: abs(number - place))
    beside = (folder + names[number] for number in nearest)
    near = list(islice((one for one in beside if may_be_shown(root, one)), _MOST_NEAR))
    reread(root, store, [one for one in near if store.state(one) is None])
    return near


def keep_unsaved(store: Store, path: str, text: str) -> None:
    """Know a text as an editor has it, without its secrets."""
    shown = presentable(text)
    contents = None if shown is None else contents_of(shown)
    store.put([(FileState(path, len(text), UNSAVED), contents)])


def forget_unsaved(store: Store) -> None:
    """Forget what editors had and never closed: they have ended since."""
    states = store.states().values()
    store.remove([state.path for state in states if state.changed_ns == UNSAVED])


def _keep_facts(root: Path, store: Store) -> None:
    pairs = script_aliases(_text(root / "tsconfig.json") or _text(root / "jsconfig.json"))
    aliases = "\n".join("\t".join(pair) for pair in pairs)
    known = store.facts()
    for name, value in (("aliases", aliases), ("go_module", go_module(_text(root / "go.mod")))):
        if known.get(name, "") != value:
            store.set_fact(name, value)


def _text(path: Path) -> str:
    try:
        if path.is_symlink() or not path.is_file():
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LARGEST_CONFIGURATION)
    except OSError:
        return ""
