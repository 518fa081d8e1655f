"""What a small build leaves, for all tests of this folder."""

from pathlib import Path

import pytest

from dsc_lsp.starter import build
from tests.starter import smoke


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that holds the work and the output of a smoke build."""
    path = tmp_path_factory.mktemp("starter")
    assert build.main(smoke.arguments(path)) == 0
    return path
