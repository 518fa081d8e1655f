"""A llama-server that serves the embedded starter, for all tests of this folder."""

from collections.abc import Iterator

import pytest

from dsc_lsp.models import STARTER_CHECKPOINT
from tests.remote.llama_server import LlamaServer, installed_command, serve_checkpoint


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """A running server with one slot; a test that kills it must start it again."""
    installed_command()
    server = serve_checkpoint(STARTER_CHECKPOINT, tmp_path_factory.mktemp("llama"))
    yield server
    server.kill()
