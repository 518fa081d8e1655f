"""How a real Neovim is set up, and what the settings let it tell the server."""

import json
from pathlib import Path

import pytest

from tests.editors.nvim.driver import OLD, SCRIPTED, Kind, Nvim, Start, ready
from tests.editors.sandbox import Sandbox

pytestmark = pytest.mark.editor


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


def test_a_server_that_runs_already_is_shown_too(start: Start, home: Sandbox, kind: Kind) -> None:
    if kind is OLD:
        pytest.skip("this Neovim has no vim.lsp.config")
    command = f"cmd = vim.json.decode([==[{json.dumps(SCRIPTED)}]==])"
    code = f"vim.lsp.config('dsc', {{ {command} }}) vim.lsp.enable('dsc')"
    editor = ready(start(options=None, before=code), home)
    editor.lua(f"require('dsc').setup({{ {command} }})")
    editor.type("ians")
    editor.until_ghost("wer = 42")
    editor.type("<M-]>")
    editor.until_ghost("wer = None (2/3)")


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
