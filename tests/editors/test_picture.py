"""The picture of Neovim in the READMEs: a real screen, the embedded starter's ghost text."""

import os

import pytest

from tests.editors.picture import ghost_text_screen, svg
from tests.editors.programs import installed
from tests.editors.sandbox import REPOSITORY, Sandbox

pytestmark = pytest.mark.editor


def test_the_picture_shows_the_starters_ghost_text(home: Sandbox) -> None:
    drawn = svg(ghost_text_screen(installed("nvim"), home))
    # What is typed and what is suggested have colours of their own.
    assert "path." in drawn
    assert "exists():" in drawn
    if os.environ.get("DSC_UPDATE_PICTURES"):
        (REPOSITORY / "docs/pictures/nvim.svg").write_text(drawn)
