"""What of other files is shown at a cursor, within its budget and in its order."""

from pathlib import Path
from textwrap import indent

import pytest

from dsc_lsp import context
from dsc_lsp.context.assembly import Chosen, choose, in_order, render
from dsc_lsp.document import Cursor
from dsc_lsp.repository.indexing import finish, keep_unsaved, refresh
from dsc_lsp.repository.plan import Piece, Plan, Recent
from dsc_lsp.repository.store import Store
from dsc_lsp.repository.workspace import Workspace
from tests.documents import cursor_in

FILES = {
    "shop/__init__.py": "from .client import Client\n",
    "shop/client.py": (
        "class Base:\n    def inherited_call(self): ...\n\n\n"
        "class Client(Base):\n    def __init__(self, host: str) -> None:\n"
        "        self.host = host\n\n"
        "    def fetch_all(self, limit: int) -> list[str]:\n        return [secret_of_body]\n"
    ),
    "shop/keys.py": 'def load_key():\n    password = "hunter22"\n    return 1\n',
    "shop/similar.py": (
        "def total_of(rows):\n    for row in rows:\n        subtotal_here(row.amount)\n"
    ),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for path, text in FILES.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    store = Store(None)
    list(refresh(tmp_path, store))
    return Workspace(tmp_path, store)


def plan_at(marked: str, workspace: Workspace, before: Plan | None = None) -> Plan:
    return context.plan(at(marked), "shop/main.py", workspace, Recent(), before)


def at(marked: str) -> Cursor:
    return cursor_in(marked, language="python", uri="file:///shop/main.py")


def text_of(plan: Plan, budget: int = 400) -> str:
    text = context.fitted(plan, budget, "#{}\n".format, len).text
    assert len(text) <= budget
    return text


def test_files_that_are_not_parsed_yet_are_shown_as_they_are_afterwards(
    workspace: Workspace,
) -> None:
    marked = "from .client import Client\n\n\ndef main():\n    client = Client()\n    client.‸"
    assert workspace.store.unparsed_count() == len(workspace.store.paths())
    unparsed = text_of(plan_at(marked, workspace))
    finish(workspace.store)
    assert workspace.store.unparsed_count() == 0
    assert text_of(plan_at(marked, Workspace(workspace.root, workspace.store))) == unparsed != ""


@pytest.mark.parametrize("start", ["from .client import Client", "from shop import Client"])
def test_members_of_the_type_before_the_dot_are_shown_without_bodies(
    workspace: Workspace, start: str
) -> None:
    shown = text_of(plan_at(f"{start}\n\nclient = Client('x')\nrows = client.‸", workspace))
    assert "#shop/client.py\nclass " in shown
    assert "    def fetch_all(self, limit: int) -> list[str]:\n" in shown
    assert "    def inherited_call(self)" in shown


def test_code_like_that_at_the_cursor_is_shown(workspace: Workspace) -> None:
    shown = text_of(plan_at("def other(rows):\n    for row in rows:\n        ‸", workspace))
    assert "subtotal_here(row.amount)" in shown


_COPY = """\
def total_of(rows):
    for row in rows:
        subtotal_here(row.amount)
"""


@pytest.mark.parametrize(
    "marked",
    [
        _COPY + "\n\ndef other(rows):\n    for row in rows:\n        ‸",
        "def other(rows):\n    for row in rows:\n        ‸\n\n\n" + _COPY,
        "class Other:\n" + indent(_COPY, "    ") + "\n    for row in rows:\n        ‸",
    ],
)
def test_what_stands_near_the_cursor_is_not_shown_once_more(
    workspace: Workspace, marked: str
) -> None:
    assert "similar.py" not in text_of(plan_at(marked, workspace))


def test_what_stands_pages_above_is_not_shown_once_more(workspace: Workspace) -> None:
    far = _COPY + "\n" * 150 + "def other(rows):\n    for row in rows:\n        ‸"
    assert "subtotal_here" not in text_of(plan_at(far, workspace))


def test_of_code_that_was_copied_the_rest_is_shown(workspace: Workspace) -> None:
    rest = "        tell_everybody(row)\n    return rows\n"
    (workspace.root / "shop/similar.py").write_text(FILES["shop/similar.py"] + rest)
    list(refresh(workspace.root, workspace.store))
    workspace.renew()
    shown = text_of(plan_at(_COPY + "        ‸", workspace))
    assert f"#shop/similar.py\n{rest}" in shown


@pytest.mark.parametrize(("copied", "shown"), [("subtotal_here(1)", True), ("found = 1", False)])
def test_what_was_copied_in_the_current_file_is_there_already(
    workspace: Workspace, copied: str, *, shown: bool
) -> None:
    plan = context.plan(
        at("found = 1\n‸"), "shop/main.py", workspace, Recent(copied=(copied,)), None
    )
    assert (copied in text_of(plan)) == shown


def test_a_secret_never_is(workspace: Workspace) -> None:
    shown = text_of(
        plan_at("from .keys import load_key\n\npassword = load_key‸", workspace), 4_000
    )
    assert "def load_key" in shown
    assert "hunter22" not in shown
    keep_unsaved(
        workspace.store, "shop/keys.py", 'token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"'
    )
    assert "ghp_" not in (workspace.store.text("shop/keys.py") or "")


@pytest.mark.parametrize("budget", [0, 5, 17, 60, 150])
def test_a_small_budget_is_kept(workspace: Workspace, budget: int) -> None:
    text_of(plan_at("from .client import Client\nClient.‸", workspace), budget)


def test_the_plan_stays_while_it_is_nearly_as_good(workspace: Workspace) -> None:
    code = "from .client import Client\n\nclient = Client('x')\nrows = client.‸"
    first = plan_at(code, workspace)
    assert plan_at(code.replace("‸", "f‸"), workspace, first).kept is first


def test_what_is_imported_comes_first_and_circles_are_broken() -> None:
    files = [Chosen(path, (), (), 1.0) for path in "abcd"]
    graph = {"a": ("b",), "b": ("c",), "c": ("b", "outside"), "d": ()}
    order = [file.path for file in in_order(files, graph)]
    assert order == ["d", "b", "a", "c"]


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        # In a circle the file with the fewest imports left comes first.
        ({"a": "bc", "b": "c", "c": "ab", "d": ""}, "dbac"),
        # Of equals that which most others need, though its name comes last.
        ({"a": "d", "b": "d", "c": "", "d": "a"}, "cdab"),
        # Of these the first by name.
        ({"a": "b", "b": "c", "c": "d", "d": "a"}, "adcb"),
        # Without a circle nothing comes before what it imports.
        ({"a": "bd", "b": "c", "c": "d", "d": ""}, "dcba"),
    ],
)
def test_circles_are_broken_where_least_is_missing(graph: dict[str, str], expected: str) -> None:
    files = [Chosen(path, (), (), 1.0) for path in reversed(graph)]
    assert "".join(file.path for file in in_order(files, graph)) == expected


def test_a_file_that_is_gone_is_forgotten(workspace: Workspace) -> None:
    (workspace.root / "shop/similar.py").unlink()
    (workspace.root / "shop/client.py").write_text("class Renamed: ...\n")
    list(refresh(workspace.root, workspace.store))
    assert "shop/similar.py" not in workspace.store.paths()
    found = [workspace.store.search([word], 5) for word in ("renamed", "inherited_call")]
    assert [[hit.path for hit in hits] for hits in found] == [["shop/client.py"], []]


def test_a_broken_index_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    store = Store(path)
    assert store.paths() == frozenset()
    store.close()


def test_a_decorated_base_and_one_of_the_current_file_hand_their_members_down(
    workspace: Workspace,
) -> None:
    (workspace.root / "shop/client.py").write_text(
        "from dataclasses import dataclass\n\n\n@dataclass\n@other(\n    1\n)\n"
        "class Client(Base):\n    def fetch_all(self): ...\n\n\n"
        "class Base:\n    def inherited_call(self): ...\n"
    )
    list(refresh(workspace.root, workspace.store))
    workspace.renew()
    code = (
        "from .client import Client\n\n\nclass Mine(Client): ...\n\n\n"
        "class Own(Mine):\n    def run(self):\n        self.‸"
    )
    plan = plan_at(code, workspace)
    whys = {piece.lines[-1][1].strip(): piece.why for piece in plan.pieces}
    assert whys["def fetch_all(self):"] == "inherited from Client"
    assert whys["def inherited_call(self):"] == "inherited from Base"


def test_what_a_package_hands_on_is_its_own(workspace: Workspace) -> None:
    plan = plan_at("import shop\n\nshop.‸", workspace)
    why = {piece.lines[-1][1].strip(): piece.why for piece in plan.pieces}
    assert why["class Client(Base):"] == "of the module shop"


def test_a_long_header_is_short_until_its_name_is_near(workspace: Workspace) -> None:
    (workspace.root / "shop/client.py").write_text(
        "class Client:\n    def fetch_all(\n        self,\n        limit: dict[str, int] = {},\n"
        "        *,\n        order=(1, 2),\n    ) -> None: ...\n"
        + "# too long to be shown whole\n"
        * 200
    )
    list(refresh(workspace.root, workspace.store))
    workspace.renew()
    start = "from .client import Client\n\nclient = Client()\nclient."
    assert "    def fetch_all(self, limit, *, order)\n" in text_of(plan_at(start + "‸", workspace))
    called = text_of(plan_at(start + "fetch_all(‸", workspace))
    assert "        limit: dict[str, int] = {},\n" in called


def test_a_short_imported_file_is_shown_whole_where_there_is_room(workspace: Workspace) -> None:
    plan = plan_at("from .client import Client\n\nclient = Client('x')\nclient.‸", workspace)
    whole = "".join(f"{line}\n" for line in FILES["shop/client.py"].split("\n") if line.strip())
    assert f"#shop/client.py\n{whole}" in text_of(plan, 2_000)
    assert "secret_of_body" not in text_of(plan, 200)
    assert "return 1" not in text_of(plan, 2_000), "of a file that is not imported"


@pytest.mark.parametrize("worth", [1.0, 9.0])
def test_a_whole_file_stands_for_what_is_shown_of_it(worth: float) -> None:
    text = ("def add(", "    one,", "    two,", "):", "    return one + two")
    whole = Piece("a.py", tuple(enumerate(text)), worth, "short", is_whole=True)
    brief = Piece("a.py", ((0, "def add("), (1, "one, two)")), 5.0, "near")
    shown = "".join(f"{line}\n" for line in ("#a.py", *text))
    for budget, expected in (
        (len(shown), shown),
        (len(shown) - 1, "#a.py\ndef add(\none, two)\n"),
    ):
        chosen = choose((brief, whole), budget, "#{}\n".format, len)
        assert render(chosen, "#{}\n".format) == expected


def test_very_long_files_are_left_to_the_process_that_indexes(workspace: Workspace) -> None:
    """Searching their trees would hold the event loop: 14 ms in a file of 500,000 characters."""
    filling = "print(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)\n" * 4_000
    assert len(filling) > 200_000
    main = f"from .client import Client\n{filling}\nclient = Client()\n"
    (workspace.root / "shop/client.py").write_text(FILES["shop/client.py"] + filling)
    (workspace.root / "shop/main.py").write_text(main)
    list(refresh(workspace.root, workspace.store))
    workspace.renew()
    assert "of Client, the type of client" not in reasons(f"{main}client.‸", workspace)
    assert workspace.imports_of("shop/main.py") == ()
    finish(workspace.store)
    workspace.renew()
    assert "of Client, the type of client" in reasons(f"{main}client.‸", workspace)
    assert workspace.imports_of("shop/main.py") != ()


def reasons(marked: str, workspace: Workspace) -> set[str]:
    return {piece.why for piece in plan_at(marked, workspace).pieces}
