"""Neovim, the real one: ghost text, its keys, and what the user is told when it cannot be."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.editors.nvim import MIDDLE, NATIVE, OLD, Kind, Nvim, nvim
from tests.editors.programs import installed
from tests.editors.sandbox import Sandbox, kill_server, until

pytestmark = pytest.mark.editor

SCRIPTED = [sys.executable, "-m", "tests.editors.scripted_server", "--stdio"]
KINDS = [
    pytest.param(NATIVE, id="0.12"),
    pytest.param(MIDDLE, id="0.11"),
    pytest.param(OLD, id="0.10"),
]

Start = Callable[..., Nvim]
Edit = Callable[[str], Nvim]


@pytest.fixture(params=KINDS, scope="module")
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture(scope="module")
def shared(kind: Kind, shared_home: Sandbox) -> Iterator[Nvim]:
    """Return an editor with a scripted server that is ready."""
    file = shared_home.file("first.py", "")
    with nvim(installed("nvim"), kind, shared_home, file, options={"cmd": SCRIPTED}) as editor:
        yield ready(editor, shared_home)


@pytest.fixture
def edit(shared: Nvim, shared_home: Sandbox) -> Iterator[Edit]:
    """Return a function that opens a file with a text in the shared editor."""
    number = len(list(shared_home.project.iterdir()))

    def begin(text: str) -> Nvim:
        shared.edit(shared_home.file(f"file{number}.py", text))
        return shared

    yield begin
    shared.api.command("Dsc enable")


@pytest.fixture
def editor(edit: Edit) -> Nvim:
    """Return the shared editor in an empty file."""
    return edit("")


@pytest.fixture
def start(kind: Kind, home: Sandbox) -> Iterator[Start]:
    """Return a function that starts an editor of the test's own in a file."""
    with ExitStack() as started:

        def begin(options: dict[str, Any] | None = None, **more: Any) -> Nvim:
            file = home.file("main.py", "")
            more = {"options": {"cmd": SCRIPTED, **(options or {})}, **more}
            return started.enter_context(nvim(installed("nvim"), kind, home, file, **more))

        yield begin


def ready(editor: Nvim, home: Sandbox) -> Nvim:
    editor.until_attached()
    home.until_event("loaded")
    return editor


def test_typed_text_gets_ghost_text_and_tab_takes_it(editor: Nvim) -> None:
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")
    editor.type("<Tab>")
    editor.until_text("total = sum(item.price for item in items)")
    editor.until_ghost("")
    assert editor.cursor() == (1, len("total = sum(item.price for item in items)"))


def test_a_block_stands_on_lines_of_its_own(edit: Edit) -> None:
    editor = edit("before = 1\n\nafter = 2\n")
    editor.type("jidef area(width, height):")
    editor.until_ghost("\n    return width * height")
    editor.type("<Tab>")
    block = "def area(width, height):\n    return width * height"
    editor.until_text(f"before = 1\n{block}\nafter = 2")
    assert editor.cursor() == (3, len("    return width * height"))


def test_undo_takes_the_suggestion_back_and_nothing_else(editor: Nvim) -> None:
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")
    editor.type("<Tab>")
    editor.until_text("total = sum(item.price for item in items)")
    editor.type("  # all<Esc>")
    editor.until_text("total = sum(item.price for item in items)  # all")
    editor.type("u")
    editor.until_text("total = sum(item.price for item in items)")
    editor.type("u")
    editor.until_text("total = su")
    editor.type("<C-r>")
    editor.until_text("total = sum(item.price for item in items)")


def test_text_of_characters_of_all_widths_is_completed_in_its_place(edit: Edit) -> None:
    editor = edit('é☃😀 = 1; \n"é☃😀"\n')
    editor.type("Agreeting = ")
    editor.until_ghost('"é☃😀 naïve"')
    editor.type("<Tab>")
    editor.until_text('é☃😀 = 1; greeting = "é☃😀 naïve"\n"é☃😀"')
    editor.type("<Esc>")
    editor.until_mode("n")


def test_a_suggestion_is_taken_word_by_word_and_then_to_the_end_of_the_line(
    editor: Nvim,
) -> None:
    editor.type("idef ar")
    editor.until_ghost("ea(width, height):")
    for text, rest in (
        ("def area", "(width, height):"),
        ("def area(", "width, height):"),
        ("def area(width", ", height):"),
    ):
        editor.type("<M-Right>")
        editor.until_text(text)
        editor.until_ghost(rest)
        # Neovim's own asks again, and is told the same, whatever the server has prepared by then.
        editor.stays_ghost(rest)
    editor.type("<M-C-Right>")
    editor.until_text("def area(width, height):")
    editor.until_ghost("\n    return width * height")
    editor.type("<M-Right>")
    editor.until_text("def area(width, height):\n    return")
    editor.until_ghost(" width * height")
    editor.type("<M-C-Right>")
    editor.until_text("def area(width, height):\n    return width * height")


def test_each_part_and_the_end_of_a_suggestion_are_told_once(start: Start, home: Sandbox) -> None:
    editor = ready(start(), home)
    editor.type("idef ar")
    editor.until_ghost("ea(width, height):")
    for key, rest in (("<M-Right>", "(width, height):"), ("<M-Right>", "width, height):")):
        editor.type(key)
        editor.until_ghost(rest)
    editor.type("<M-C-Right>")
    home.until_event("dsc.accepted 1")
    assert home.acceptances() == [
        "dsc.partiallyAccepted 1 2",
        "dsc.partiallyAccepted 1 1",
        "dsc.accepted 1",
    ]


def test_the_length_of_a_part_is_told_in_utf_16_units(start: Start, home: Sandbox) -> None:
    editor = ready(start(), home)
    editor.type("igreeting = ")
    editor.until_ghost('"é☃😀 naïve"')
    editor.type("<M-Right>")
    editor.until_ghost('é☃😀 naïve"')
    editor.type("<M-Right>")
    home.until_event("dsc.partiallyAccepted 1 4")
    assert home.acceptances()[0] == "dsc.partiallyAccepted 1 1"
    assert len(home.acceptances()) == 2


def test_the_user_asks_for_other_suggestions_and_goes_through_them(editor: Nvim) -> None:
    editor.type("ianswer = ")
    editor.until_ghost("42")
    for key, shown in (
        ("<M-]>", "None (2/3)"),
        ("<M-]>", "7 * 6 (3/3)"),
        ("<M-]>", "42 (1/3)"),
        ("<M-[>", "7 * 6 (3/3)"),
    ):
        editor.type(key)
        editor.until_ghost(shown)
    editor.type("<Tab>")
    editor.until_text("answer = 7 * 6")


def test_asking_for_others_where_there_are_none_changes_nothing(editor: Nvim) -> None:
    editor.type("idef ar")
    editor.until_ghost("ea(width, height):")
    editor.type("<M-]><M-[><Tab>")
    editor.until_text("def area(width, height):")


def test_words_are_characters_of_all_scripts(editor: Nvim) -> None:
    editor.type('igreeting = "')
    for text, rest in (
        ('greeting = "', 'é☃😀 naïve"'),
        ('greeting = "é☃😀', ' naïve"'),
        ('greeting = "é☃😀 naïve', '"'),
    ):
        editor.until_text(text)
        editor.until_ghost(rest)
        editor.type("<M-Right>")
    editor.until_text('greeting = "é☃😀 naïve"')


def test_what_was_typed_along_a_suggestion_is_not_inserted_twice(
    editor: Nvim,
) -> None:
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")
    editor.type("m(it<Tab>")
    editor.until_text("total = sum(item.price for item in items)")


def test_something_else_typed_takes_the_suggestion_away(editor: Nvim) -> None:
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")
    editor.type("b<Tab>")
    editor.until_text("total = sub\t")
    editor.until_ghost("")


def test_leaving_insert_mode_cancels_what_is_under_way(start: Start, home: Sandbox) -> None:
    editor = ready(start(environment={"DSC_TEST_TOKEN_SECONDS": "60"}), home)
    editor.type("itotal = su")
    home.until_event("asked")
    editor.type("<Esc>")
    home.until_event("cancelled")
    assert editor.ghost() == ""


def test_leaving_insert_mode_takes_the_ghost_text_away(editor: Nvim) -> None:
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")
    editor.type("<Esc>")
    editor.until_ghost("")
    editor.type("a")
    editor.until_ghost("m(item.price for item in items)")


def test_a_file_with_dos_line_endings_keeps_them_and_gets_no_others(edit: Edit) -> None:
    editor = edit("before = 1\r\n\r\nafter = 2\r\n")
    assert editor.lua("return vim.bo.fileformat") == "dos"
    editor.type("jidef area(width, height):")
    until(lambda: "return" in editor.ghost(), "ghost text")
    editor.type("<Tab>")
    block = "def area(width, height):\n    return width * height"
    editor.until_text(f"before = 1\n{block}\nafter = 2")


def test_keys_without_a_suggestion_do_what_they_did_before(start: Start, home: Sandbox) -> None:
    editor = ready(
        start(
            before="vim.keymap.set('i', '<M-Right>', 'mapped')\n"
            "vim.keymap.set('i', '<M-C-Right>', function() return '<Space>!' end,"
            " { expr = true })"
        ),
        home,
    )
    editor.type("ix<Tab>y<M-Right><M-C-Right>")
    editor.until_text("x\tymapped !")


def test_ghost_text_is_turned_off_and_on(editor: Nvim) -> None:
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")
    editor.type("<Cmd>Dsc toggle<CR>")
    editor.until_ghost("")
    assert "ghost text is off" in editor.messages()
    editor.type("m")
    editor.until_text("total = sum")
    editor.type("<Tab>")
    editor.until_text("total = sum\t")
    editor.type("<BS><Cmd>Dsc enable<CR>(")
    editor.until_ghost("item.price for item in items)")


def test_next_and_previous_show_the_alternatives_in_turn(editor: Nvim) -> None:
    editor.type("ians")
    editor.until_ghost("wer = 42")
    for key, shown in (
        ("<M-]>", "wer = None (2/3)"),
        ("<M-]>", "wer = 7 * 6 (3/3)"),
        ("<M-]>", "wer = 42 (1/3)"),
        ("<M-[>", "wer = 7 * 6 (3/3)"),
    ):
        editor.type(key)
        editor.until_ghost(shown)
    editor.type("<Tab>")
    editor.until_text("answer = 7 * 6")
    editor.type("<CR>ans")
    editor.until_ghost("wer = 42")
    editor.type("<M-[>")
    editor.until_ghost("wer = 7 * 6 (3/3)")
    editor.type("<Esc>u")
    editor.until_text("answer = 7 * 6")


def test_next_asks_where_nothing_is_shown(editor: Nvim) -> None:
    editor.type("ians")
    editor.until_ghost("wer = 42")
    editor.type("<C-]>")
    editor.until_ghost("")
    editor.type("<M-]>")
    editor.until_ghost("wer = 42 (1/3)")
    editor.type("<Tab>")
    editor.until_text("answer = 42")


def test_dismissed_ghost_text_is_gone_until_the_next_key(editor: Nvim) -> None:
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")
    editor.type("<C-]>")
    editor.until_ghost("")
    editor.type("m")
    editor.until_ghost("(item.price for item in items)")


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


def test_what_is_copied_is_told_where_the_settings_want_it(start: Start, home: Sandbox) -> None:
    editor = ready(start({"settings": {"clipboardContext": True}}), home)
    editor.type("ione = 1<CR>é☃😀 = 2<CR>three = 3<Esc>gg0")
    find_fault(editor, "Two is missing")
    editor.type("yyjyt<Space>dd0xix<Esc>")
    editor.until_text("one = 1\nxhree = 3")
    for text in ("one = 1\n", "é☃😀", "é☃😀 = 2\n"):
        home.until_event(f"copied {json.dumps(text)}")
    # Elsewhere than in a file that it serves a password may be yanked.
    editor.type(":enew<CR>isecret<Esc>yy:buffer main.py<CR>ggyy")
    home.until_event('copied "one = 1\\n"', times=2)
    assert len(told(home)) == 4


def test_diagnostics_of_others_are_told_where_the_settings_want_it(
    start: Start, home: Sandbox
) -> None:
    editor = ready(start({"settings": {"diagnosticsContext": True}}), home)
    editor.type("ione = 1<CR>two = 2<Esc>yy")
    editor.until_text("one = 1\ntwo = 2")
    find_fault(editor, "Two is missing")
    home.until_event(f"reported {json.dumps(['main.py', [1, 'Two is missing']])}")
    find_fault(editor)
    # The first was told when the server came.
    home.until_event('reported ["main.py"]', times=2)
    assert len(told(home)) == 3


def test_nothing_is_told_where_no_setting_wants_it(start: Start, home: Sandbox) -> None:
    editor = ready(start(), home)
    editor.type("ione = 1<CR>two = 2<Esc>yy")
    find_fault(editor, "Two is missing")
    editor.type("ototal = su")
    editor.until_ghost("m(item.price for item in items)")
    assert told(home) == []


def find_fault(editor: Nvim, *messages: str) -> None:
    """Let another tool find this in the second line, and nothing else in the buffer."""
    code = "vim.diagnostic.set(vim.api.nvim_create_namespace('linter'), 0, ...)"
    editor.lua(code, [{"lnum": 1, "col": 0, "message": message} for message in messages])


def told(home: Sandbox) -> list[str]:
    """Return what the server was told beside the protocol."""
    return [event for event in home.events() if event.startswith(("copied", "reported"))]


def test_settings_may_be_given_to_neovim_itself(start: Start, home: Sandbox, kind: Kind) -> None:
    if kind is OLD:
        pytest.skip("this Neovim has no vim.lsp.config")
    # The second may be set by a user only, so it must have come with initialize.
    own = "{ clipboardContext = true, contextTokens = 512 }"
    editor = ready(
        start(before=f"vim.lsp.config('dsc', {{ settings = {{ dsc = {own} }} }})"), home
    )
    editor.type("ione = 1<Esc>yy")
    home.until_event('copied "one = 1\\n"')
    editor.lua("vim.lsp.config('dsc', { settings = { dsc = { candidates = 2 } } })")
    editor.type(":Dsc restart<CR>")
    home.until_event("loaded", times=2)
    editor.until_attached()
    editor.type("oans")
    editor.until_ghost("wer = 42")
    editor.type("<M-[>")
    editor.until_ghost("wer = None (2/2)")
    editor.type("<Esc>yy")
    home.until_event('copied "ans\\n"')
    assert "dsc." not in editor.messages()


def test_a_wrong_setting_and_a_file_that_is_too_long_are_told(start: Start, home: Sandbox) -> None:
    wanted = {"maxLines": "many", "maxDocumentCharacters": 1000}
    editor = ready(start({"settings": wanted}), home)
    editor.until_told("dsc.maxLines")
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")
    editor.type("<Esc>:call setline(2, repeat('x', 2000))<CR>Am")
    editor.until_told("no suggestions in files of more than 1000 characters")


def test_in_0_12_ghost_text_may_be_the_modules_own(
    start: Start, home: Sandbox, kind: Kind
) -> None:
    if kind is not NATIVE:
        pytest.skip("this Neovim has no ghost text of its own")
    editor = ready(start({"native": False}), home)
    editor.kind = replace(kind, is_native=False)
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")
    editor.type("<Tab>")
    editor.until_text("total = sum(item.price for item in items)")


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


def test_without_the_module_neovims_own_config_starts_the_server(
    start: Start, home: Sandbox, kind: Kind
) -> None:
    if kind is OLD:
        pytest.skip("this Neovim has no vim.lsp.config")
    words = ", ".join(f"'{word}'" for word in SCRIPTED)
    code = f"vim.lsp.config('dsc', {{ cmd = {{ {words} }} }}) vim.lsp.enable('dsc')"
    if kind.is_native:
        code += " vim.lsp.inline_completion.enable()"
    editor = ready(start(options=None, before=code), home)
    if kind.is_native:
        editor.type("itotal = su")
        editor.until_ghost("m(item.price for item in items)")


def test_the_entry_for_lspconfig_starts_the_server(start: Start, home: Sandbox) -> None:
    # What nvim-lspconfig's older form makes of an entry.
    code = """
        local entry = require('lspconfig.configs.dsc').default_config
        assert(entry.cmd[1] == 'dsc-lsp')
        vim.api.nvim_create_autocmd('FileType', {
          pattern = entry.filetypes,
          callback = function(event)
            vim.lsp.start(vim.tbl_extend('force', entry, {
              name = 'dsc',
              cmd = vim.json.decode([==[COMMAND]==]),
              root_dir = entry.root_dir(vim.api.nvim_buf_get_name(event.buf)),
            }), { bufnr = event.buf })
          end,
        })
    """
    editor = ready(start(options=None, before=code.replace("COMMAND", json.dumps(SCRIPTED))), home)
    assert editor.lua("return vim.lsp.get_clients()[1].config.root_dir") == str(home.project)


def test_the_help_is_found_by_its_tags(editor: Nvim, tmp_path: Path) -> None:
    doc = editor.lua("return vim.fn.globpath(vim.o.runtimepath, 'doc/dsc.txt')")
    copy = tmp_path / "doc"
    copy.mkdir(parents=True)
    (copy / "dsc.txt").write_text(Path(doc).read_text())
    editor.api.command(f"helptags {copy}")
    editor.api.command(f"set runtimepath+={copy.parent}")
    for tag in ("dsc", "dsc-setup", "dsc-keys", ":Dsc", "dsc.accept()"):
        editor.api.command(f"help {tag}")
        assert editor.lua("return vim.fn.expand('%:t')") == "dsc.txt"
