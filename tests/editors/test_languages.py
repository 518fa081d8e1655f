"""The editors' lists of languages name every language that the server has a row for."""

import re
import tomllib

import pytest

from dsc_lsp.languages import LANGUAGES
from tests.editors.sandbox import EDITORS

# What an editor calls a language, where that is not the protocol's identifier.
NVIM_NAMES = {"cs": "csharp", "cuda": "cuda-cpp", "sh": "shellscript"}
HELIX_NAMES = {"c-sharp": "csharp", "tsx": "typescriptreact"}


def served_in_nvim() -> set[str]:
    text = (EDITORS / "nvim/lua/dsc/server.lua").read_text()
    [filetypes] = re.findall(r"filetypes = \{([^}]*)\}", text)
    return {NVIM_NAMES.get(name, name) for name in re.findall(r"'([^']+)'", filetypes)}


def served_in_helix() -> set[str]:
    given = tomllib.loads((EDITORS / "helix/languages.toml").read_text())["language"]
    return {HELIX_NAMES.get(language["name"], language["name"]) for language in given}


def served_in_emacs() -> set[str]:
    text = (EDITORS / "emacs/dsc.el").read_text()
    [modes] = re.findall(r"\(defcustom dsc-modes\s+'\((.*?)\)\s+\"", text, re.DOTALL)
    return set(re.findall(r"\([\w+-]+ \. \"([\w+-]+)\"\)", modes))


@pytest.mark.parametrize(
    "served",
    [served_in_nvim(), served_in_helix(), served_in_emacs()],
    ids=["nvim", "helix", "emacs"],
)
def test_every_language_is_served(served: set[str]) -> None:
    missing = [row.name for row in LANGUAGES if not served.intersection(row.identifiers)]
    assert missing == []
