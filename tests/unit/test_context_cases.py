"""What is shown of other files at a cursor. Cases: ``cases/context``.

The first block is the code at the cursor, those that follow are files of the workspace; ``path=``
is where each stands. ``budget=`` are characters, headers included.
"""

from pathlib import Path

import pytest

from dsc_lsp import context
from dsc_lsp.repository.indexing import finish, refresh
from dsc_lsp.repository.plan import Recent
from dsc_lsp.repository.store import Store
from dsc_lsp.repository.workspace import Workspace
from tests import documents
from tests.documents import Case


@pytest.mark.parametrize("case", documents.cases("context"))
def test_context(case: Case, tmp_path: Path, *, update: bool) -> None:
    for block in case.blocks[1:]:
        if block.kind != "expect":
            file = tmp_path / block.options["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text + "\n", encoding="utf-8")
    store = Store(None)
    list(refresh(tmp_path, store))
    finish(store)
    options = case.code.options
    plan = context.plan(case.cursor(), options["path"], Workspace(tmp_path, store), Recent(), None)
    shown = context.fitted(plan, int(options["budget"]), "#{}\n".format, len)
    case.check(shown.text.removesuffix("\n"), update=update)
