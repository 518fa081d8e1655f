"""Helix, the real one, in a terminal, with the ``languages.toml`` that we give to its users."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.editors.other_server import NAME
from tests.editors.programs import cache_folder, installed
from tests.editors.sandbox import EDITORS, REPOSITORY, Sandbox, kill_server, until
from tests.editors.terminal import Terminal, terminal

pytestmark = pytest.mark.editor

SCRIPTED = f"exec {sys.executable} -m tests.editors.scripted_server"
OTHER = f"exec {sys.executable} -m tests.editors.other_server"
ITEM = "sum(item.price for item in items)"
WHOLE = f"total = {ITEM}"

Start = Callable[..., Terminal]


@pytest.fixture
def start(home: Sandbox) -> Iterator[Start]:
    """Return a function that starts Helix in a file, with programs on its PATH."""
    cache = installed("helix")
    with ExitStack() as started:

        def begin(text: str = "", more: str = "", **programs: str | None) -> Terminal:
            configuration = home.home / "config/helix"
            configuration.mkdir(parents=True)
            (configuration / "languages.toml").write_text(
                (EDITORS / "helix/languages.toml").read_text() + more
            )
            folder = home.home / "bin"
            folder.mkdir()
            for name, script in ({"dsc_lsp": SCRIPTED} | programs).items():
                if script is not None:
                    write_program(folder / name.replace("_", "-"), script)
            file = home.file("main.py", text)
            root = cache / "helix/usr/lib/hx"
            variables = {
                "PATH": f"{folder}:{home.environment['PATH']}",
                "PYTHONPATH": str(REPOSITORY),
                "HELIX_RUNTIME": str(root / "runtime"),
            }
            hx = [str(root / "hx"), str(file)]
            return started.enter_context(terminal(cache, home, hx, variables))

        yield begin


def ready(editor: Terminal, home: Sandbox) -> Terminal:
    home.until_event("loaded")
    editor.until("main.py")
    return editor


def write_program(path: Path, script: str) -> None:
    path.write_text(f'#!/bin/sh\n{script} "$@"\n')
    path.chmod(0o755)


def saved(editor: Terminal, home: Sandbox, text: str) -> None:
    """Check what is in the file after saving it."""
    editor.press("Escape")
    # What comes with Escape would be Meta.
    editor.until(" NOR ")
    editor.type(":w")
    editor.press("Enter")
    file = home.project / "main.py"

    def content() -> str:
        # While it saves, Helix moves the old file away first.
        with suppress(FileNotFoundError):
            return file.read_text()
        return ""

    until(
        lambda: content() == text,
        lambda: f"{text!r} in the file; there is {content()!r}\n{editor.screen()}",
    )


def test_a_suggestion_stands_in_the_popup_and_is_taken(start: Start, home: Sandbox) -> None:
    editor = ready(start(), home)
    editor.type("itotal = su")
    editor.until(ITEM)
    editor.press("Tab")
    # What is chosen has its text in the buffer and the whole of it beside the popup.
    editor.until(WHOLE, "dsc-lsp, scripted")
    editor.press("Enter")
    saved(editor, home, WHOLE + "\n")


def test_a_block_is_asked_for_and_inserted_on_lines_of_its_own(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start("before = 1\n\nafter = 2\n"), home)
    editor.type("jidef area(width, height):")
    # Helix opens its popup by itself in words only.
    editor.press("C-x")
    editor.until("return width * height")
    editor.press("Tab", "Enter")
    block = "def area(width, height):\n    return width * height"
    saved(editor, home, f"before = 1\n{block}\nafter = 2\n")


def test_text_of_characters_of_all_widths_is_completed_in_its_place(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start('# é☃😀\n\nafter = "é☃😀"\n'), home)
    editor.type("jix = 'é☃😀'; greeting")
    editor.until('greeting = "é☃😀 naïve"')
    editor.press("Tab", "Enter")
    saved(editor, home, '# é☃😀\nx = \'é☃😀\'; greeting = "é☃😀 naïve"\nafter = "é☃😀"\n')


def test_what_was_typed_since_the_popup_opened_is_not_inserted_twice(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start(), home)
    editor.type("ians")
    editor.until("answer = 42")
    editor.type("we")
    editor.until("1  answe", "answer = 42")
    editor.press("Tab", "Enter")
    saved(editor, home, "answer = 42\n")


def test_it_stands_behind_another_server_in_the_same_popup(start: Start, home: Sandbox) -> None:
    editor = ready(start(pylsp=OTHER), home)
    editor.type("itot")
    editor.until(NAME, WHOLE)
    editor.press("Tab")
    editor.until(f"1  {WHOLE}")
    editor.press("Tab")
    editor.until(f"1  {NAME}")
    editor.press("Enter")
    saved(editor, home, NAME + "\n")


NOT_STARTED = "dsc-lsp does not start (`dsc-lsp --version` says why): install it, :lsp-restart"


def test_a_wrong_path_is_told_and_mended_without_leaving(start: Start, home: Sandbox) -> None:
    program = home.home / "bin/dsc-lsp"
    editor = start(dsc_lsp=None)
    editor.until(NOT_STARTED)
    write_program(program, SCRIPTED)
    editor.type(":lsp-restart")
    editor.press("Enter")
    ready(editor, home)
    editor.type("itotal = su")
    editor.until(ITEM)


def test_a_python_without_the_server_is_told(start: Start) -> None:
    editor = start(dsc_lsp=f"PYTHONPATH= exec {sys.executable} -S -m dsc_lsp")
    editor.until(NOT_STARTED)


def test_a_crash_at_the_start_is_told_and_the_log_has_its_reason(start: Start) -> None:
    answers = 'case "$*" in *--version*) exit;; esac'
    editor = start(dsc_lsp=f"{answers}; echo the shelf is empty >&2; exit 3 #")
    editor.until("Language server exited: dsc")
    editor.type(":log-open")
    editor.press("Enter")
    editor.until('dsc err <- "the shelf is empty')


def test_a_server_that_is_killed_is_told_and_can_be_started_again(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start(), home)
    kill_server(home)
    editor.until("Language server exited: dsc")
    editor.type(":lsp-restart")
    editor.press("Enter")
    home.until_event("loaded", times=2)
    editor.type("itotal = su")
    editor.until(ITEM)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('maxLines = "many"', "dsc.maxLines"),
        ("maxDocumentCharacters = 1000", "no suggestions in files of more than 1000 characters"),
    ],
    ids=["a wrong setting", "a file that is too long"],
)
def test_what_the_server_says_is_shown(start: Start, setting: str, said: str) -> None:
    editor = start("# long\n" * 200, more=f"[language-server.dsc.config]\n{setting}\n")
    editor.until(said)


def test_every_language_of_the_file_has_the_server_behind_its_own(
    start: Start, home: Sandbox
) -> None:
    start()
    given = tomllib.loads((EDITORS / "helix/languages.toml").read_text())["language"]
    for language in given:
        report = health(home, language["name"])
        servers = re.findall("[✓✘] ([^ :]+): ", report)
        assert servers[-1] == "dsc"
        assert len(servers) > 1
        assert "✓ dsc: /" in report


def health(home: Sandbox, language: str) -> str:
    """Return what ``hx --health`` says of a language, without colours."""
    hx = cache_folder() / "helix/usr/lib/hx/hx"
    environment = home.environment | {"PATH": f"{home.home}/bin:{home.environment['PATH']}"}
    ended = subprocess.run(
        [hx, "--health", language], env=environment, capture_output=True, text=True, check=True
    )
    return re.sub(r"\x1b\[[0-9;]*m", "", ended.stdout)
