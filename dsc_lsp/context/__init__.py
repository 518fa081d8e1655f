"""What the model should see of other files at a cursor, ranked and within a budget of tokens.

``plan`` ranks pieces and is slow (it searches the index); ``fitted`` makes the text of a plan and
is fast. A plan is kept as long as it is nearly as good as a new one: the context stands first in
the prompt, so that another context means that everything is read again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsc_lsp.context.assembly import Chosen, choose, in_order, render
from dsc_lsp.document import Cursor
from dsc_lsp.repository.plan import Plan, Recent

if TYPE_CHECKING:
    from dsc_lsp.repository.workspace import Workspace

__all__ = ["Context", "Plan", "fitted", "plan"]


@dataclass(frozen=True, slots=True)
class Context:
    """The text that stands before the code of the current file, and what it consists of."""

    text: str
    files: tuple[Chosen, ...]


def plan(
    cursor: Cursor, path: str, workspace: "Workspace", recent: Recent, before: Plan | None
) -> Plan:
    """Return what of the workspace could help at a cursor in the file ``path``, by worth.

    ``before`` is what is shown now; the new plan has it as ``kept`` if that is worth nearly as
    much here.
    """
    # What searches and parses is imported by whoever plans, not by a server that starts.
    from dsc_lsp.context.planning import planned

    return planned(cursor, path, workspace, recent, before)


def fitted(
    plan: Plan, budget: int, header: Callable[[str], str], count: Callable[[str], int]
) -> Context:
    """Return the context of a plan within ``budget`` tokens, in the order of dependency.

    ``header`` is what stands above a file, ``count`` counts the tokens of whole lines.
    """
    files = in_order(choose(plan.pieces, budget, header, count), plan.imports)
    return Context(render(files, header), tuple(files))
