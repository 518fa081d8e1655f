"""The ways to show other files that are compared by bits per byte."""

import dataclasses

from dsc_lsp.measure.context_worth import Way, shown
from dsc_lsp.repository.plan import Piece, Plan

PLAN = Plan(
    (
        Piece("base.py", ((0, "class Base: ..."),), 9.0, "imported"),
        Piece("user.py", ((0, "class User(Base): ..."),), 1.0, "imported"),
    ),
    {"user.py": ("base.py",), "base.py": ()},
    {},
)
WAY = Way("a way", 480, 400)


def test_what_is_imported_comes_first_or_the_worthiest_last() -> None:
    assert shown(PLAN, WAY, len) == (
        "#base.py\nclass Base: ...\n#user.py\nclass User(Base): ...\n"
    )
    by_worth = shown(PLAN, dataclasses.replace(WAY, dependency_order=False), len)
    assert by_worth.index("user.py") < by_worth.index("base.py")


def test_without_tokens_there_is_none() -> None:
    assert shown(PLAN, dataclasses.replace(WAY, context_tokens=0), len) == ""
