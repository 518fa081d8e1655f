"""How others choose context, for comparison only: the published methods, on our index.

Each returns texts, best first; ``filled`` cuts them at a budget.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from dsc_lsp.measure.context_holes import ContextHole
from dsc_lsp.repository.store import CHUNK_LINES
from dsc_lsp.repository.words import words_of
from dsc_lsp.repository.workspace import Workspace

_JACCARD_LINES = 50
_BM25_LINES = 20
_RECENT_CHUNKS = 16
_RECENT_LINES = 64


@dataclass(frozen=True)
class Repository:
    """What the baselines look at: texts by path, and what each file imports."""

    texts: Mapping[str, str]
    imported: Mapping[str, Sequence[str]]
    workspace: Workspace
    windows: Sequence[tuple[str, str, frozenset[str]]]
    """Path, text and words of each 50 lines."""


def prepared(
    texts: Mapping[str, str], imported: Mapping[str, Sequence[str]], workspace: Workspace
) -> Repository:
    """Return a repository with its windows cut."""
    windows = [
        (path, window, _words(window))
        for path, text in texts.items()
        for window in _cut(text, _JACCARD_LINES)
    ]
    return Repository(texts, imported, workspace, windows)


def whole_imports(hole: ContextHole, repository: Repository) -> Iterator[str]:
    """Yield the imported files, whole, in the order in which they are imported."""
    for path in repository.imported.get(hole.path, ()):
        yield f"#{path}\n{repository.texts[path]}"


def jaccard(hole: ContextHole, repository: Repository) -> Iterator[str]:
    """Yield windows of 50 lines by Jaccard similarity to the 50 lines before the cursor (Cody)."""
    sought = _words(_before(hole, _JACCARD_LINES))
    scored = [
        (len(sought & words) / max(1, len(sought | words)), number)
        for number, (path, _, words) in enumerate(repository.windows)
        if path != hole.path
    ]
    for _, number in sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:100]:
        path, text, _ = repository.windows[number]
        yield f"#{path}\n{text}"


def bm25(hole: ContextHole, repository: Repository) -> Iterator[str]:
    """Yield chunks of 20 lines by BM25 with the words of the 20 lines before (Tabby)."""
    sought = dict.fromkeys(_words(_before(hole, _BM25_LINES)), 1.0)
    for hit in repository.workspace.search(sought, 200):
        if hit.path == hole.path:
            continue
        lines = repository.texts[hit.path].split("\n")[hit.first_line :][:CHUNK_LINES]
        yield f"#{hit.path}\n" + "\n".join(lines) + "\n"


def recent(hole: ContextHole, repository: Repository) -> Iterator[str]:
    """Yield 16 chunks of 64 lines of files looked at before (llama.vim).

    Nobody has looked at anything here, so we suppose: the imported files and those in the same
    folder, at random places.
    """
    folder = hole.path.rpartition("/")[0]
    visited = [*repository.imported.get(hole.path, ())]
    visited += [p for p in repository.texts if p.rpartition("/")[0] == folder and p != hole.path]
    random = Random(f"{hole.path}:{hole.cursor.position}")
    for _ in range(_RECENT_CHUNKS if visited else 0):
        lines = repository.texts[random.choice(visited)].split("\n")
        start = random.randrange(max(1, len(lines) - _RECENT_LINES))
        yield "\n".join(lines[start : start + _RECENT_LINES]) + "\n"


BASELINES: Mapping[str, Callable[[ContextHole, Repository], Iterator[str]]] = {
    "whole imports": whole_imports,
    "jaccard": jaccard,
    "bm25": bm25,
    "recent": recent,
}


def filled(texts: Iterable[str], budget: int, count: Callable[[str], int]) -> str:
    """Return the lines of the texts, one after the other, that fit into a budget of tokens."""
    result: list[str] = []
    for text in texts:
        for line in text.splitlines(keepends=True):
            budget -= count(line)
            if budget < 0:
                return "".join(result)
            result.append(line)
    return "".join(result)


def _before(hole: ContextHole, lines: int) -> str:
    document, place = hole.cursor.document, hole.cursor.position.line
    above = document.lines[max(0, place - lines) : place]
    return "".join(above) + hole.cursor.line_before


def _words(text: str) -> frozenset[str]:
    return frozenset(
        word for name in re.findall(r"[^\W\d]\w{2,}", text) for word in words_of(name)
    )


def _cut(text: str, size: int) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for start in range(0, max(1, len(lines)), size):
        yield "".join(lines[start : start + size])
