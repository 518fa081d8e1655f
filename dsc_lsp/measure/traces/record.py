"""Make a typing trace of how a file in a git repository has grown.

``python -m dsc_lsp.measure.traces.record FILE BEFORE AFTER --output TRACE.jsonl``

What each commit between two revisions removed is deleted, what it added is typed key by key, from
top to bottom, as in an editor that indents: the blanks before a line come with the line break.
So the texts, their places and the order of the commits are real; git does not know keys. Their
order within a commit and all times are made up, by seed: people type about five keys a second,
pause at ends of words and lines and longer between changes and commits, and now and then mistype
a key and take it back.
"""

import argparse
import difflib
import itertools
import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from dsc_lsp.document import Position, indentation, split_lines
from dsc_lsp.languages import language_of
from dsc_lsp.measure.traces import Edit, Trace, write_trace

_KEY_MS = 140
_WORD_MS = 120
_LINE_MS = 700
_JUMP_MS = 2500
_COMMIT_MS = 20_000
_MISTYPED = 0.015


def trace_of(name: str, versions: Sequence[str], *, seed: int = 0, limit: int = 400) -> Trace:
    """Return the trace that makes each version of a file of the one before.

    Only the first ``limit`` edits of it, and at least one version, from which it starts.
    """
    language = language_of("", name)
    identifier = language.identifiers[0] if language.identifiers else ""
    edits = tuple(itertools.islice(_edits(versions, seed), limit))
    return Trace(name, identifier, versions[0], edits)


def main() -> None:
    """Write the trace of one file from one revision to a later one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", help="a path inside the repository")
    parser.add_argument("before", help="a revision")
    parser.add_argument("after", help="a later revision")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=400)
    chosen = parser.parse_args()
    revisions = _revisions(chosen.file, chosen.before, chosen.after)
    versions = [_git("show", f"{revision}:{chosen.file}") for revision in revisions]
    trace = trace_of(chosen.file, versions, seed=chosen.seed, limit=chosen.limit)
    write_trace(trace, chosen.output)
    print(f"{chosen.output}: {len(trace.edits)} edits, {trace.edits[-1].ms / 1000:.0f} s")


def _revisions(path: str, before: str, after: str) -> list[str]:
    """Return the revisions in which the file is another one than before, the first included."""
    changed = _git("rev-list", "--reverse", f"{before}..{after}", "--", path).split()
    return [before, *changed]


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _edits(versions: Sequence[str], seed: int) -> Iterator[Edit]:
    rhythm, ms = random.Random(seed), 0
    for before, after in itertools.pairwise(versions):
        for edit in _change(before, after, ms, rhythm):
            yield edit
            ms = edit.ms
        ms += round(rhythm.uniform(0.5, 1.5) * _COMMIT_MS)


def _change(before: str, after: str, ms: int, rhythm: random.Random) -> Iterator[Edit]:
    old, new = split_lines(before), split_lines(after)
    shift = 0
    for tag, first, last, start, end in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if tag == "equal":
            continue
        ms += round(rhythm.uniform(0.5, 1.5) * _JUMP_MS)
        here = Position(first + shift, 0)
        if last > first:
            yield Edit(ms, here, Position(last + shift, 0), "")
        for edit in _typed("".join(new[start:end]), here, ms, rhythm):
            yield edit
            ms = edit.ms
        shift += (end - start) - (last - first)


def _typed(text: str, at: Position, ms: int, rhythm: random.Random) -> Iterator[Edit]:
    """Type lines above the line that ``at`` begins: an empty line first, then key by key."""
    if not text:
        return
    ms += _KEY_MS
    yield Edit(ms, at, at, "\n")
    for key in _keys(text.removesuffix("\n")):
        pause = _LINE_MS if key[0] == "\n" else _KEY_MS + (_WORD_MS if key == " " else 0)
        ms += round(rhythm.uniform(0.4, 1.6) * pause)
        if key.isalpha() and rhythm.random() < _MISTYPED:
            wrong = Edit(ms, at, at, rhythm.choice("aeionrst"))
            ms += 2 * _KEY_MS
            yield wrong
            yield Edit(ms, at, wrong.cursor, "")
            ms += _KEY_MS
        edit = Edit(ms, at, at, key)
        yield edit
        at = edit.cursor


def _keys(text: str) -> Iterator[str]:
    """Yield what each key inserts: the blanks at the start of a line come with its break."""
    for number, line in enumerate(text.split("\n")):
        blanks = indentation(line)
        if number or blanks:
            yield ("\n" if number else "") + blanks
        yield from line[len(blanks) :]


if __name__ == "__main__":
    main()
