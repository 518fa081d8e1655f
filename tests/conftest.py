"""Options and settings of all tests; how cases are written stands in ``tests/documents.py``."""

import gc
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

# Every run tries the same examples: a failure is a failure of the change, and stays one.
hypothesis.settings.register_profile(
    "dsc-lsp", derandomize=True, deadline=None, database=None, max_examples=100
)
hypothesis.settings.load_profile("dsc-lsp")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update``."""
    parser.addoption(
        "--update",
        action="store_true",
        help="write what came out into the expect blocks of tests/cases and into docs/settings.md",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker ``slow``: tests of minutes, which run with ``pytest -m slow`` only."""
    config.addinivalue_line("markers", "slow: takes minutes or the network; run with -m slow")


class _ByModule(LoadScopeScheduling):
    """Give a module to one process, and to the same one a folder whose tests share things."""

    _SHARING = ("tests/remote/", "tests/starter/")

    def _split_scope(self, nodeid: str) -> str:
        folder = next((one for one in self._SHARING if nodeid.startswith(one)), None)
        return folder or super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Return who deals tests out to the processes."""
    return _ByModule(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests out unless they were asked for."""
    if "slow" in config.getoption("markexpr"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow; run with -m slow"))


def pytest_collectstart() -> None:
    """Look for no garbage until all is imported: again and again, that takes 2 s."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, not among all that was imported for them."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether what comes out shall be written down instead of compared."""
    return bool(request.config.getoption("--update"))


@pytest.fixture(scope="session", autouse=True)
def _apart_from_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests and the servers they start a configuration, log and cache of their own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
            patch.setenv(name, str(home))
        yield
