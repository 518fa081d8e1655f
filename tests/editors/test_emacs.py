"""Emacs, the real one, in a terminal: ghost text under eglot and lsp-mode, and its failures."""

import platform
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.editors.programs import installed
from tests.editors.sandbox import EDITORS, Sandbox, kill_server, until
from tests.editors.terminal import Terminal, terminal

pytestmark = pytest.mark.editor

SCRIPTED = (sys.executable, "-m", "tests.editors.scripted_server", "--stdio")
EGLOT = """
(dsc-eglot-setup)
(add-hook 'python-mode-hook #'eglot-ensure)
"""
LSP_MODE = """
(dolist (name '("lsp-mode-10.0.0" "dash-2.20.0" "f-0.21.0" "ht-2.3" "lv-0.15.0"
                "markdown-mode-2.8" "s-1.13.0" "spinner-1.7.4"))
  (add-to-list 'load-path (concat (getenv "ELPA") name)))
(setq lsp-auto-guess-root t lsp-headerline-breadcrumb-enable nil lsp-enable-file-watchers nil
      lsp-enable-suggest-server-download nil lsp-keymap-prefix nil)
(load "lsp-mode-autoloads")
(require 'lsp-inline-completion)
(dsc-lsp-setup)
(add-hook 'python-mode-hook #'lsp)
"""
GHOST = "m(item.price for item in items)"
WHOLE = "total = sum(item.price for item in items)"

Start = Callable[..., Terminal]


@pytest.fixture
def start(home: Sandbox) -> Iterator[Start]:
    """Return a function that starts Emacs in a file, set up for one of the clients."""
    cache = installed("emacs")
    with ExitStack() as started:

        def begin(
            client: str,
            text: str = "",
            command: tuple[str, ...] = SCRIPTED,
            environment: dict[str, str] | None = None,
        ) -> Terminal:
            file = home.file("main.py", text)
            init = home.home / "init.el"
            words = " ".join(f'"{word}"' for word in command)
            init.write_text(
                "(setq native-comp-jit-compilation nil native-comp-enable-subr-trampolines nil"
                " inhibit-startup-screen t"
                " make-backup-files nil create-lockfiles nil"
                " python-indent-guess-indent-offset nil)\n"
                f"(add-to-list 'load-path \"{EDITORS / 'emacs'}\")\n(require 'dsc)\n"
                f"(setq dsc-command '({words}))\n{client}"
            )
            root = cache / "emacs/usr"
            [shared] = (root / "share/emacs").glob("[0-9]*")
            [dump] = root.glob("libexec/emacs/*/*/*.pdmp")
            variables = {
                "EMACSLOADPATH": str(shared / "lisp"),
                "EMACSDATA": str(shared / "etc"),
                "EMACSDOC": str(shared / "etc"),
                "EMACSPATH": str(dump.parent),
                "ELPA": f"{root}/share/emacs/site-lisp/elpa-src/",
                **(environment or {}),
            }
            emacs = [str(root / "bin/emacs-nox"), f"--dump-file={dump}", "-nw", "-Q"]
            return started.enter_context(
                terminal(cache, home, [*emacs, "-l", str(init), str(file)], variables)
            )

        yield begin


def ready(editor: Terminal, home: Sandbox) -> Terminal:
    home.until_event("loaded")
    # Behind the name in the mode line stands who serves the buffer.
    until(
        lambda: re.search(r"main\.py .*\bdsc\b", editor.screen()),
        lambda: f"a buffer that is served\n{editor.screen()}",
    )
    return editor


def before_point(editor: Terminal) -> str:
    """Return what stands before the cursor on screen, without the margin."""
    column, row = editor.cursor()
    return editor.screen().splitlines()[row][:column].strip()


def saved(editor: Terminal, home: Sandbox, text: str) -> None:
    """Check what is in the file after saving it."""
    editor.press("C-x", "C-s")
    file = home.project / "main.py"
    until(
        lambda: file.read_text() == text,
        lambda: f"{text!r} in the file; there is {file.read_text()!r}\n{editor.screen()}",
    )


def test_eglot_typed_text_gets_ghost_text_and_tab_takes_it(start: Start, home: Sandbox) -> None:
    editor = ready(start(EGLOT), home)
    editor.type("total = su")
    editor.until(WHOLE)
    assert before_point(editor) == "total = su"
    editor.press("Tab")
    saved(editor, home, WHOLE + "\n")


def test_eglot_undo_takes_the_suggestion_back_and_nothing_else(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start(EGLOT), home)
    editor.type("total = su")
    editor.until(WHOLE)
    editor.press("Tab")
    until(lambda: before_point(editor) == WHOLE, editor.screen)
    # Saving would add a line break, which would be undone first.
    editor.press("C-x", "u")
    until(lambda: before_point(editor) == "total = su", editor.screen)
    saved(editor, home, "total = su\n")


def test_eglot_words_lines_and_characters_of_all_widths(start: Start, home: Sandbox) -> None:
    editor = ready(start(EGLOT, '# é☃😀\n\nafter = "é☃😀"\n'), home)
    editor.press("C-n")
    editor.type("x = 'é☃😀'; greeting = ")
    editor.until('greeting = "é☃😀 naïve"')
    editor.press("M-f", "M-f")
    editor.until('greeting = "é☃😀 naïve"')
    editor.press("C-e")
    saved(editor, home, '# é☃😀\nx = \'é☃😀\'; greeting = "é☃😀 naïve"\nafter = "é☃😀"\n')
    editor.press("C-a", "C-k")
    editor.type("def ar")
    editor.until("def area(width, height):")
    editor.press("M-f")
    editor.until("def area(width, height):")
    editor.press("C-e")
    editor.until("    return width * height")
    editor.press("C-e")
    block = "def area(width, height):\n    return width * height"
    saved(editor, home, f'# é☃😀\n{block}\nafter = "é☃😀"\n')


def test_eglot_typing_along_and_typing_something_else(start: Start, home: Sandbox) -> None:
    editor = ready(start(EGLOT), home)
    editor.type("total = su")
    editor.until(WHOLE)
    editor.type("m(it")
    until(lambda: before_point(editor) == "total = sum(it", editor.screen)
    editor.until(WHOLE)
    editor.press("C-g")
    editor.until_gone("item.price")
    editor.type("e")
    editor.until(WHOLE)
    editor.type("x")
    editor.until_gone("item.price")
    saved(editor, home, "total = sum(itex\n")


def test_eglot_moving_away_takes_the_ghost_text_away(start: Start, home: Sandbox) -> None:
    editor = ready(start(EGLOT), home)
    editor.type("total = su")
    editor.until(WHOLE)
    editor.press("C-b")
    editor.until_gone("item.price")
    saved(editor, home, "total = su\n")


def test_eglot_next_and_previous_show_the_alternatives_in_turn(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start(EGLOT), home)
    editor.type("ans")
    editor.until("answer = 42")
    for key, shown in (
        ("M-n", "answer = None (2/3)"),
        ("M-n", "answer = 7 * 6 (3/3)"),
        ("M-n", "answer = 42 (1/3)"),
        ("M-p", "answer = 7 * 6 (3/3)"),
    ):
        editor.press(key)
        editor.until(shown)
    editor.press("Tab")
    saved(editor, home, "answer = 7 * 6\n")


def test_eglot_next_asks_where_nothing_is_shown(start: Start, home: Sandbox) -> None:
    editor = ready(start(EGLOT), home)
    editor.type("ans")
    editor.until("answer = 42")
    editor.press("C-g")
    editor.until_gone("= 42")
    editor.press("M-x")
    editor.type("dsc-next")
    editor.press("Enter")
    editor.until("answer = 42 (1/3)")


def test_lsp_mode_next_and_previous_show_the_alternatives_in_turn(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start(LSP_MODE), home)
    editor.type("ans")
    editor.until("answer = 42")
    for key, shown, number in (
        ("M-n", "answer = None", "2/3"),
        ("M-n", "answer = 7 * 6", "3/3"),
        ("C-n", "answer = 42", "1/3"),
        ("M-p", "answer = 7 * 6", "3/3"),
    ):
        editor.press(key)
        editor.until(shown, f"Completion {number}")
    editor.press("Tab")
    saved(editor, home, "answer = 7 * 6\n")


def test_lsp_mode_typed_text_gets_ghost_text_and_tab_takes_it(start: Start, home: Sandbox) -> None:
    editor = ready(start(LSP_MODE, "# é☃😀\n"), home)
    editor.press("C-n")
    editor.type('"é☃😀"; total = su')
    editor.until(WHOLE)
    editor.press("Tab")
    saved(editor, home, f'# é☃😀\n"é☃😀"; {WHOLE}\n')


def test_lsp_mode_a_block(start: Start, home: Sandbox) -> None:
    editor = ready(start(LSP_MODE), home)
    editor.type("def area(width, height):")
    editor.until("    return width * height")
    editor.press("Tab")
    saved(editor, home, "def area(width, height):\n    return width * height\n")


def test_lsp_mode_words_and_lines_with_characters_of_all_widths(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start(LSP_MODE, "# é☃😀\n\nafter = 1\n"), home)
    editor.press("C-n")
    editor.type("x = 'é☃😀'; greeting = ")
    editor.until('greeting = "é☃😀 naïve"')
    editor.press("M-f", "M-f")
    editor.until('greeting = "é☃😀 naïve"')
    editor.press("C-e")
    saved(editor, home, "# é☃😀\nx = 'é☃😀'; greeting = \"é☃😀 naïve\"\nafter = 1\n")


def test_lsp_mode_a_block_is_taken_word_by_word_and_line_by_line(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start(LSP_MODE, "\nafter = 1\n"), home)
    editor.type("def ar")
    editor.until("def area(width, height):")
    # What is left stands there at once; lsp-mode asks again only after a while.
    editor.press("M-f", "C-e")
    editor.until("    return width * height")
    editor.press("M-f", "M-f", "C-e")
    block = "def area(width, height):\n    return width * height"
    saved(editor, home, f"{block}\nafter = 1\n")


CLIENTS = pytest.mark.parametrize("client", [EGLOT, LSP_MODE], ids=["eglot", "lsp-mode"])


@CLIENTS
def test_each_part_and_the_end_of_a_suggestion_are_told_once(
    start: Start, home: Sandbox, client: str
) -> None:
    editor = ready(start(client), home)
    editor.type("greeting = ")
    editor.until('greeting = "é☃😀 naïve"')
    told = []
    for key, event in (
        ("M-f", "dsc.partiallyAccepted 1 1"),
        ("M-f", "dsc.partiallyAccepted 1 4"),
        ("C-e", "dsc.accepted 1"),
    ):
        editor.press(key)
        home.until_event(event)
        told.append(event)
        assert home.acceptances() == told


@CLIENTS
def test_a_wrong_path_is_told_with_the_remedy(start: Start, client: str) -> None:
    editor = start(client, command=("/nowhere/dsc-lsp", "--stdio"))
    editor.until("/nowhere/dsc-lsp", "cannot be found or run", "pip install dsc-lsp")


@CLIENTS
def test_a_python_without_the_server_is_told_with_the_remedy(start: Start, client: str) -> None:
    editor = start(
        client,
        command=(sys.executable, "-S", "-m", "dsc_lsp", "--stdio"),
        environment={"PYTHONPATH": ""},
    )
    editor.until("this Python has no dsc-lsp", "pip install dsc-lsp")


@CLIENTS
def test_a_crash_at_the_start_is_told_with_its_reason(start: Start, client: str) -> None:
    editor = start(client, environment={"DSC_TEST_CRASH": "1"})
    editor.until("the test wants a crash", "pip install dsc-lsp")


@CLIENTS
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (':maxLines "many"', "dsc.maxLines"),
        (":maxDocumentCharacters 1000", "no suggestions in files of more than 1000 characters"),
    ],
    ids=["a wrong setting", "a file that is too long"],
)
def test_what_the_server_says_is_shown(start: Start, client: str, setting: str, said: str) -> None:
    editor = start(f"(setq dsc-settings '({setting})){client}", "# long\n" * 200)
    editor.until(said)


@CLIENTS
def test_a_project_may_not_say_what_is_run(start: Start, home: Sandbox, client: str) -> None:
    program = home.file("evil", f"#!/bin/sh\ntouch {home.home}/ran\n")
    program.chmod(0o755)
    home.file(".dir-locals.el", f'((python-mode . ((dsc-command . ("{program}")))))')
    editor = start(client)
    editor.until("variables that are risky", "dsc-command")
    editor.type("n")
    ready(editor, home)
    assert not (home.home / "ran").exists()


def test_eglot_a_server_that_is_killed_is_started_again(start: Start, home: Sandbox) -> None:
    # On its own eglot waits three seconds, so that it does not go round in circles.
    editor = ready(start(EGLOT + "(setq eglot-autoreconnect t)"), home)
    kill_server(home)
    home.until_event("loaded", times=2)
    editor.type("total = su")
    editor.until(WHOLE)


def test_lsp_mode_a_server_that_is_killed_is_told_and_started_again(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start(LSP_MODE), home)
    kill_server(home)
    editor.until("exited (check corresponding stderr buffer", "Do you want to restart it?")
    editor.type("y")
    home.until_event("loaded", times=2)
    editor.type("total = su")
    editor.until(WHOLE)


def test_the_check_says_whether_the_server_can_be_started(start: Start) -> None:
    editor = start("")
    for command, said in ((SCRIPTED, "works"), (("/nowhere",), "cannot be found or run")):
        words = " ".join(f'"{word}"' for word in command)
        editor.press("M-:")
        editor.type(f"(setq dsc-command '({words}))")
        editor.press("Enter", "M-x")
        editor.type("dsc-check")
        editor.press("Enter")
        editor.until(said)


def test_a_buffer_without_a_server_is_told(start: Start, tmp_path: Path) -> None:
    editor = start("(require 'dsc-mode)")
    editor.until("main.py")
    editor.press("M-x")
    editor.type("dsc-mode")
    editor.press("Enter")
    editor.until("no language server with ghost text has this buffer yet; try M-x eglot")


# TRAMP's own tests have such a method: a shell on this machine stands for another one.
MOCK = """
(require 'tramp)
(add-to-list 'tramp-methods
             '("mock" (tramp-login-program "sh") (tramp-login-args (("-i")))
               (tramp-remote-shell "/bin/sh") (tramp-remote-shell-args ("-c"))
               (tramp-connection-timeout 10)))
(add-to-list 'tramp-default-host-alist (list "\\`mock\\'" nil (system-name)))
(setq auto-save-default nil tramp-verbose 1 enable-remote-dir-locals nil vc-handled-backends nil)
"""


@CLIENTS
def test_a_remote_file_is_told_that_its_machine_has_no_server(
    start: Start, home: Sandbox, client: str
) -> None:
    editor = start(client + MOCK, command=("/nowhere/dsc-lsp", "--stdio"))
    editor.until("/nowhere/dsc-lsp", "cannot be found or run")
    open_remotely(editor, home)
    editor.until(f"`/nowhere/dsc-lsp --stdio' on {platform.node()} cannot be found or run")


@CLIENTS
def test_a_remote_file_is_served_by_its_own_machine(
    start: Start, home: Sandbox, client: str
) -> None:
    editor = ready(start(client + MOCK), home)
    open_remotely(editor, home)
    home.until_event("loaded", times=2)
    editor.type("total = su")
    editor.until(WHOLE)
    editor.press("Tab")
    saved(editor, home, WHOLE + "\n")


def open_remotely(editor: Terminal, home: Sandbox) -> None:
    """Go to the same file as if it were on another machine."""
    editor.press("C-x", "C-f", "C-a", "C-k")
    editor.type(f"/mock::{home.project}/main.py")
    editor.press("Enter")
