"""What the model should see of other files at a cursor, ranked and within a budget of tokens.

``plan`` ranks pieces and is slow (it searches the index); ``fitted`` makes the text of a plan and
is fast. A plan is kept as long as it is nearly as good as a new one: the context stands first in
the prompt, so that another context means that everything is read again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dsc_lsp.context.assembly import Chosen, choose, in_order, render
from dsc_lsp.context.definitions import pieces_of_definitions
from dsc_lsp.context.near import near
from dsc_lsp.context.recent import pieces_of_edits
from dsc_lsp.context.similar import similar
from dsc_lsp.document import Cursor
from dsc_lsp.repository.files import language_name
from dsc_lsp.repository.imports import imports
from dsc_lsp.repository.plan import Piece, Plan, Recent
from dsc_lsp.repository.workspace import Workspace

__all__ = ["Context", "Plan", "fitted", "plan"]

_WORTH_OF_SIMILAR = 3.0
_WORTH_KEPT = 0.7
_TYPICAL_BUDGET = 1_000
_CHARACTERS_A_TOKEN = 3.4


@dataclass(frozen=True, slots=True)
class Context:
    """The text that stands before the code of the current file, and what it consists of."""

    text: str
    files: tuple[Chosen, ...]


def plan(
    cursor: Cursor, path: str, workspace: Workspace, recent: Recent, before: Plan | None
) -> Plan:
    """Return what of the workspace could help at a cursor in the file ``path``, by worth.

    Returns ``before`` if what it shows is worth nearly as much here as what a new plan would.
    """
    new = _plan(cursor, path, workspace, recent)
    if before is None:
        return new
    shown = _shown(before)
    for file in shown:
        known = workspace.file(file.path)
        if known is None or known.number != before.numbers.get(file.path):
            return new
    return before if _worth(shown, new) >= _WORTH_KEPT * _worth(_shown(new), new) else new


def fitted(
    plan: Plan, budget: int, header: Callable[[str], str], count: Callable[[str], int]
) -> Context:
    """Return the context of a plan within ``budget`` tokens, in the order of dependency.

    ``header`` is what stands above a file, ``count`` counts the tokens of whole lines.
    """
    files = in_order(choose(plan.pieces, budget, header, count), plan.imports)
    return Context(render(files, header), tuple(files))


def _plan(cursor: Cursor, path: str, workspace: Workspace, recent: Recent) -> Plan:
    around = near(cursor)
    text = cursor.document.text
    entries = workspace.resolve(path, imports(text, language_name(path)))
    alike = similar(path, around, workspace, recent.viewed)
    best = max((piece.worth for piece in alike.pieces), default=1.0) or 1.0
    found = [
        Piece(p.path, p.lines, _WORTH_OF_SIMILAR * (p.worth / best) ** 2, p.why)
        for p in alike.pieces
    ]
    found += pieces_of_definitions(path, text, entries, around, workspace, used=alike.used)
    found += pieces_of_edits(recent)
    found.sort(key=lambda piece: -piece.worth)
    kept = tuple(found[:_MOST_PIECES])
    shown = dict.fromkeys(piece.path for piece in kept)
    graph = {
        file: tuple(dict.fromkeys(t for _, ts in workspace.imports_of(file) for t in ts))
        for file in shown
    }
    files = ((path, workspace.file(path)) for path in shown)
    return Plan(kept, graph, {path: file.number for path, file in files if file is not None})


_MOST_PIECES = 1_500


def _shown(plan: Plan) -> list[Chosen]:
    """Return what a plan shows, as closely as the decision for another one needs it."""

    def header(path: str) -> str:
        return f"#{path}\n"

    def count(text: str) -> int:
        return round(len(text) / _CHARACTERS_A_TOKEN)

    return choose(plan.pieces, _TYPICAL_BUDGET, header, count)


def _worth(shown: list[Chosen], plan: Plan) -> float:
    """Return what lines are worth by a plan."""
    by_line: dict[tuple[str, int], float] = {}
    for piece in plan.pieces:
        number = piece.lines[-1][0]
        by_line[piece.path, number] = max(by_line.get((piece.path, number), 0.0), piece.worth)
    return sum(by_line.get((file.path, number), 0.0) for file in shown for number, _ in file.lines)
