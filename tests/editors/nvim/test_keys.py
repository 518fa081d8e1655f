"""The keys of a real Neovim: a word, a line, another suggestion, and what they did before."""

import pytest

from tests.editors.nvim.driver import Nvim, Start, ready
from tests.editors.sandbox import Sandbox

pytestmark = pytest.mark.editor


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
