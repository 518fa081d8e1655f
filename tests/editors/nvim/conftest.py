"""A Neovim of each version: one that tests share, or one of a test's own."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.editors.nvim.driver import (
    MIDDLE,
    NATIVE,
    OLD,
    SCRIPTED,
    Edit,
    Kind,
    Nvim,
    Start,
    nvim,
    ready,
)
from tests.editors.programs import installed
from tests.editors.sandbox import Sandbox

KINDS = [
    pytest.param(NATIVE, id="0.12"),
    pytest.param(MIDDLE, id="0.11"),
    pytest.param(OLD, id="0.10"),
]


@pytest.fixture(params=KINDS, scope="module")
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture(scope="module")
def shared(kind: Kind, shared_home: Sandbox) -> Iterator[Nvim]:
    """Return an editor with a scripted server that is ready."""
    file = shared_home.file("first.py", "")
    with nvim(installed("nvim"), kind, shared_home, file, options={"cmd": SCRIPTED}) as editor:
        yield ready(editor, shared_home)


@pytest.fixture
def edit(shared: Nvim, shared_home: Sandbox) -> Iterator[Edit]:
    """Return a function that opens a file with a text in the shared editor."""
    number = len(list(shared_home.project.iterdir()))

    def begin(text: str) -> Nvim:
        shared.edit(shared_home.file(f"file{number}.py", text))
        return shared

    yield begin
    shared.api.command("Dsc enable")


@pytest.fixture
def editor(edit: Edit) -> Nvim:
    """Return the shared editor in an empty file."""
    return edit("")


@pytest.fixture
def start(kind: Kind, home: Sandbox) -> Iterator[Start]:
    """Return a function that starts an editor of the test's own in a file."""
    with ExitStack() as started:

        def begin(options: dict[str, Any] | None = None, **more: Any) -> Nvim:
            file = home.file("main.py", "")
            more = {"options": {"cmd": SCRIPTED, **(options or {})}, **more}
            return started.enter_context(nvim(installed("nvim"), kind, home, file, **more))

        yield begin
