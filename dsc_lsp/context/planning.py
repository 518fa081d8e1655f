"""The plan at a cursor: what of the workspace could help there, by worth."""

from dataclasses import replace

from dsc_lsp.context.assembly import Chosen, choose
from dsc_lsp.context.copies import Copies
from dsc_lsp.context.definitions import pieces_of_definitions
from dsc_lsp.context.near import around, near
from dsc_lsp.context.recent import pieces_of_changes, pieces_of_clipboard, pieces_of_edits
from dsc_lsp.context.similar import similar
from dsc_lsp.context.usage import used_after_receiver
from dsc_lsp.document import Cursor
from dsc_lsp.repository.contents import Structure, is_slow_to_parse
from dsc_lsp.repository.plan import Piece, Plan, Recent
from dsc_lsp.repository.workspace import Workspace

_WORTH_OF_SIMILAR = 6.0
_WORTH_OF_USED = 3.0
_WORTH_KEPT = 0.7
_MOST_PIECES = 1_000
_TYPICAL_BUDGET = 1_000
_CHARACTERS_A_TOKEN = 3.4


def planned(
    cursor: Cursor, path: str, workspace: Workspace, recent: Recent, before: Plan | None
) -> Plan:
    """Return a new plan; it ``kept`` the one before if that is nearly as good (see ``plan``)."""
    new = _plan(cursor, path, workspace, recent)
    if before is None:
        return new
    shown = _shown(before)
    if any(workspace.number(file.path) != before.numbers.get(file.path) for file in shown):
        return new
    is_kept = _worth(shown, new) >= _WORTH_KEPT * _worth(_shown(new), new)
    return replace(new, kept=before) if is_kept else new


def _plan(cursor: Cursor, path: str, workspace: Workspace, recent: Recent) -> Plan:
    close = near(cursor, recent.reported)
    alike = similar(path, close, workspace, recent.viewed)
    used = used_after_receiver(path, close, workspace)
    best = max((piece.worth for piece in alike.pieces), default=1.0) or 1.0
    definitions = pieces_of_definitions(
        path,
        cursor.document,
        _own(cursor, path, workspace),
        close,
        workspace,
        used=used.names,
        telling=alike.telling,
        most=_MOST_PIECES,
    )
    excerpts = [
        *(
            Piece(p.path, p.lines, _WORTH_OF_SIMILAR * (p.worth / best) ** 2, p.why)
            for p in alike.pieces
        ),
        *(replace(piece, worth=_WORTH_OF_USED * piece.worth) for piece in used.pieces),
        *pieces_of_edits(recent, workspace),
        *pieces_of_changes(path, workspace),
        *pieces_of_clipboard(recent),
    ]
    # A definition whose header stands further off, as many do by chance, is another one.
    known = Copies.of(f"{close.text_before}\n{close.text_after}")
    found = [*Copies.of(around(cursor)).without_runs(excerpts), *known.without_known(definitions)]
    found.sort(key=lambda piece: -piece.worth)
    kept = tuple(found[:_MOST_PIECES])
    shown = dict.fromkeys(piece.path for piece in kept)
    graph = {
        file: tuple(dict.fromkeys(t for _, ts in workspace.imports_of(file) for t in ts))
        for file in shown
    }
    numbers = ((path, workspace.number(path)) for path in shown)
    return Plan(kept, graph, {path: number for path, number in numbers if number is not None})


def _own(cursor: Cursor, path: str, workspace: Workspace) -> Structure:
    """Return what the current file defines and imports but for the line that is being written.

    So it is asked once a line and not once a key. A very long file is as it was last saved.
    """
    if is_slow_to_parse(cursor.document.length):
        return workspace.structure(path)
    lines, place = cursor.document.lines, cursor.position.line
    return workspace.structure_of(path, "".join((*lines[:place], "\n", *lines[place + 1 :])))


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
