"""What the user of a real Neovim is told when the server cannot be."""

import sys

import pytest

from tests.editors.nvim.driver import Nvim, Start, ready
from tests.editors.sandbox import Sandbox, kill_server, until

pytestmark = pytest.mark.editor


def test_a_server_that_is_killed_is_told_and_can_be_started_again(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start(), home)
    kill_server(home)
    editor.until_told("the server ended unexpectedly (signal 9)", ":Dsc restart")
    editor.type(":Dsc restart<CR>")
    editor.until_attached()
    home.until_event("loaded", times=2)
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")


def test_a_wrong_path_is_told_with_the_remedy(start: Start) -> None:
    editor = start(options={"cmd": ["/nowhere/dsc-lsp", "--stdio"]})
    editor.until_told(
        "dsc: `/nowhere/dsc-lsp` cannot be found or run", "pip install", "setup({ cmd"
    )


def test_a_python_without_the_server_is_told_with_the_remedy(start: Start, home: Sandbox) -> None:
    editor = start(
        options={"cmd": [sys.executable, "-S", "-m", "dsc_lsp", "--stdio"]},
        environment={"PYTHONPATH": ""},
    )
    editor.until_told("No module named", "this Python has no dsc-lsp", "pip install")


def test_nothing_of_the_workspace_is_run(start: Start, home: Sandbox) -> None:
    for folder in (".", ".venv/bin", "bin"):
        (home.project / folder).mkdir(parents=True, exist_ok=True)
        program = home.file(f"{folder}/dsc-lsp", f"#!/bin/sh\necho ran >> {home.home}/ran\n")
        program.chmod(0o755)
    editor = start(
        {"cmd": ["dsc-lsp", "--stdio"]}, environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    editor.until_told("dsc: `dsc-lsp` cannot be found or run", "pip install", "setup({ cmd")
    assert not (home.home / "ran").exists()


def test_a_crash_at_the_start_is_told_with_its_reason(start: Start) -> None:
    editor = start(environment={"DSC_TEST_CRASH": "1"})
    editor.until_told("the test wants a crash", ":checkhealth dsc")


def test_something_that_is_no_dsc_lsp_is_told(start: Start, home: Sandbox) -> None:
    program = home.file("impostor", "#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    editor = start(options={"cmd": [str(program), "--stdio"]})
    editor.until_told("is not a dsc-lsp that works (exit code 0, and no version)")


def test_a_buffer_that_is_no_file_on_this_machine_is_told(editor: Nvim) -> None:
    editor.lua("vim.cmd.file('box://elsewhere/main.py'); vim.bo.filetype = 'python'")
    editor.until_told("box://elsewhere/main.py is no file on this machine")


def test_checkhealth_says_what_is_there(start: Start, home: Sandbox) -> None:
    editor = ready(start(), home)
    editor.type(":checkhealth dsc<CR>")
    until(lambda: "dsc-lsp doctor" in editor.text(), editor.text)
    report = editor.text()
    assert "dsc-lsp 0" in report
    assert sys.executable in report
    assert "The server runs with 1 buffer\n" in report
    assert "ERROR" not in report


def test_checkhealth_says_what_is_missing(start: Start) -> None:
    editor = start(options={"cmd": ["/nowhere/dsc-lsp", "--stdio"]})
    editor.type(":checkhealth dsc<CR>")
    until(lambda: "cannot be found or run" in editor.text(), editor.text)
    assert "ERROR" in editor.text()
