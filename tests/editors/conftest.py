"""The marker ``editor``: tests in real editors, which run with ``pytest -m editor`` only."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.sandbox import Sandbox, sandbox


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "editor: needs a real editor; run with -m editor")
    if "editor" in config.getoption("markexpr"):
        # A run that is stopped from outside tidies up as one that is interrupted does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these tests out unless they were asked for."""
    if "editor" in config.getoption("markexpr"):
        return
    for item in items:
        if item.get_closest_marker("editor"):
            item.add_marker(pytest.mark.skip(reason="needs a real editor; run with -m editor"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Sandbox]:
    """Return a sandbox, which must be empty of processes when the test is over."""
    with sandbox(tmp_path) as prepared:
        yield prepared


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Return a sandbox for the tests of a module that need no editor of their own."""
    with sandbox(tmp_path_factory.mktemp("shared")) as prepared:
        yield prepared
