"""Every option that the documents give to a command is one of that command."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsc_lsp.cli import main
from dsc_lsp.starter import build

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HISTORY = {"log.md", "decisions.md"}  # what commands were called then

_COMMAND = re.compile(r"(?:dsc-lsp (?P<name>[a-z]+)|dsc_lsp\.starter\.build)\b(?P<rest>[^`\n#]*)")
_OPTION = re.compile(r"(?<!\S)\[?(--[a-z][a-z-]+)")


def commands() -> Iterator[tuple[str, str, str]]:
    """Yield document, command and option for each option that a document gives to a command."""
    for document in DOCUMENTS:
        if document.name in HISTORY:
            continue
        text = document.read_text(encoding="utf-8").replace("\\\n", " ")
        for found in _COMMAND.finditer(text):
            for option in _OPTION.findall(found["rest"]):
                yield document.name, found["name"] or "starter.build", option


def options_of(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    helped = {"starter.build": lambda: build.main(["--help"])}
    with pytest.raises(SystemExit):
        helped.get(command, lambda: main([command, "--help"]))()
    return set(re.findall(r"--[a-zA-Z][a-zA-Z-]+", capsys.readouterr().out))


def test_documented_options_exist(capsys: pytest.CaptureFixture[str]):
    given = set(commands())
    named = {(command, option) for _, command, option in given}
    assert {
        ("eval", "--run-tests"),
        ("eval", "--retrieved"),
        ("starter.build", "--until"),
    } <= named
    known = {command: options_of(command, capsys) for command, _ in named}
    assert {one for one in given if one[2] not in known[one[1]]} == set()
