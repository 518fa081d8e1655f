"""What a file imports and which files that is. Cases: ``cases/imports``.

The option ``path=`` is where the code stands, and ``files=`` names the files of the workspace,
with commas between; ``go=`` is the root's Go module, ``alias=PREFIX:FOLDER`` one of a
``tsconfig.json``.
"""

import pytest

from dsc_lsp.languages import language_of
from dsc_lsp.repository.imports import Paths, go_module, imports, resolve, script_aliases
from tests import documents
from tests.documents import Case


@pytest.mark.parametrize("case", documents.cases("imports"))
def test_imports(case: Case, *, update: bool) -> None:
    options = case.code.options
    prefix, _, folder = options.get("alias", ":").partition(":")
    paths = Paths(
        frozenset(options["files"].split(",")),
        root_name=options.get("root", "project"),
        aliases=((prefix, folder),) if prefix else (),
        go_module=options.get("go", ""),
    )
    language = language_of(case.code.kind).name
    lines: list[str] = []
    for entry in imports(case.code.text, language):
        found = resolve(entry, options["path"], language, paths)
        name = f" {entry.name}" if entry.name else ""
        lines.append(f"{entry.module}{name} as {entry.local}: {' '.join(found) or '–'}")
    case.check("\n".join(lines), update=update)


def test_a_tsconfig_is_read_with_its_comments_and_trailing_commas() -> None:
    text = """{
      // where our code is
      "compilerOptions": {"baseUrl": "./src", "paths": {"@/*": ["./*"], "~lib": ["lib/index"],}, },
    }"""
    assert script_aliases(text) == (("@/", "src"), ("~lib", "src/lib/index"), ("", "src"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"compilerOptions": 3}', '{"a": 1}'])
def test_an_odd_tsconfig_names_nothing(text: str) -> None:
    assert script_aliases(text) == ()


def test_a_go_module_is_named_by_its_file() -> None:
    assert (
        go_module("// comment\nmodule example.com/shop/v2\n\ngo 1.22\n") == "example.com/shop/v2"
    )
    assert not go_module("go 1.22\n")
