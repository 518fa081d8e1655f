"""To bring a folder's index up to date: what is new is read, what is gone is forgotten."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import platformdirs

from dsc_lsp.repository.files import FileState, presentable, read, state_of, walk
from dsc_lsp.repository.imports import go_module, script_aliases
from dsc_lsp.repository.store import UNSAVED, Store, structure_of

_BATCH = 64
_STRUCTURES = 16
_LARGEST_CONFIGURATION = 100_000
_KEPT_SECONDS = 60 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the changed files have been read; all of them when the texts are complete."""

    done: int
    of: int


def index_path(root: Path) -> Path:
    """Return where the index of a folder is kept: in the user's cache, by the folder's path."""
    name = hashlib.sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    return platformdirs.user_cache_path("dsc-lsp") / "index" / f"{name[:24]}.sqlite"


def forget_old_indexes(folder: Path) -> None:
    """Delete the indexes that nobody has used for two months."""
    for file in folder.glob("*.sqlite*"):
        try:
            if time.time() - file.stat().st_mtime > _KEPT_SECONDS:
                file.unlink()
        except OSError:
            continue


def refresh(root: Path, store: Store) -> Iterator[Progress]:
    """Bring texts up to date with the disk, batch by batch; then structures, as long as asked.

    Whoever iterates may do other things in between, or stop.
    """
    known = store.states()
    unsaved = {path for path, state in known.items() if state.changed_ns == UNSAVED}
    changed = [
        state
        for state in walk(root)
        if known.pop(state.path, None) != state and state.path not in unsaved
    ]
    store.remove(known.keys() - unsaved)
    _keep_facts(root, store)
    done = 0
    for batch in _batches(changed, _BATCH):
        store.put((state, read(root, state.path)) for state in batch)
        done += len(batch)
        yield Progress(done, len(changed))
    if not changed:
        yield Progress(0, 0)


def structures(store: Store) -> Iterator[int]:
    """Parse the files whose structure is not known, batch by batch; yields how many were left."""
    while paths := store.without_structure(_STRUCTURES):
        files = [file for path in paths if (file := store.file(path)) is not None]
        store.set_structures(
            (file.path, file.changed_ns, structure_of(file.path, file.text)) for file in files
        )
        yield len(paths)


def reread(root: Path, store: Store, paths: Iterable[str]) -> None:
    """Read files anew, or forget them if they are gone or may not be read; relative paths."""
    for path in paths:
        state = state_of(root, path)
        if state is None:
            store.remove([path])
            continue
        store.put([(state, read(root, path))])
        _parse(store, path)


def keep_unsaved(store: Store, path: str, text: str) -> None:
    """Know a text as an editor has it, without its secrets."""
    store.put([(FileState(path, len(text), UNSAVED), presentable(text))])
    _parse(store, path)


def forget_unsaved(store: Store) -> None:
    """Forget what editors had and never closed: they have ended since."""
    states = store.states().values()
    store.remove([state.path for state in states if state.changed_ns == UNSAVED])


def _parse(store: Store, path: str) -> None:
    file = store.file(path)
    if file is not None:
        store.set_structures([(path, file.changed_ns, structure_of(path, file.text))])


def _keep_facts(root: Path, store: Store) -> None:
    pairs = script_aliases(_text(root / "tsconfig.json") or _text(root / "jsconfig.json"))
    aliases = "\n".join("\t".join(pair) for pair in pairs)
    for name, value in (("aliases", aliases), ("go_module", go_module(_text(root / "go.mod")))):
        if store.fact(name) != value:
            store.set_fact(name, value)


def _text(path: Path) -> str:
    try:
        if path.is_symlink() or not path.is_file():
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LARGEST_CONFIGURATION)
    except OSError:
        return ""


def _batches(states: list[FileState], size: int) -> Iterator[list[FileState]]:
    rest = iter(states)
    while batch := list(islice(rest, size)):
        yield batch
