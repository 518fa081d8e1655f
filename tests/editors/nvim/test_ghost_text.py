"""Ghost text in a real Neovim: where it stands, when it goes, and what taking it leaves."""

from dataclasses import replace

import pytest

from tests.editors.nvim.driver import NATIVE, Edit, Kind, Nvim, Start, ready
from tests.editors.sandbox import Sandbox, until

pytestmark = pytest.mark.editor


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


def test_dismissed_ghost_text_is_gone_until_the_next_key(editor: Nvim) -> None:
    editor.type("itotal = su")
    editor.until_ghost("m(item.price for item in items)")
    editor.type("<C-]>")
    editor.until_ghost("")
    editor.type("m")
    editor.until_ghost("(item.price for item in items)")


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
