"""Identifiers are found as they are written, and by what they are made of."""

import pytest

from dsc_lsp.repository.words import words, words_of


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("user", ("user",)),
        ("get_user_name", ("get_user_name", "get", "user", "name")),
        ("getUserName", ("getusername", "get", "user", "name")),
        ("HTTPServer", ("httpserver", "http", "server")),
        ("__init__", ("__init__", "init")),
        ("is_a_b", ("is_a_b",)),
        ("to_to_value_value", ("to_to_value_value", "value")),
        ("utf8_text", ("utf8_text", "utf", "text")),
        ("größe_der_zahl", ("größe_der_zahl", "der", "zahl")),
        ("n" * 100, ("n" * 80, "n" * 100)),
    ],
)
def test_an_identifier_and_its_parts(identifier: str, expected: tuple[str, ...]) -> None:
    assert words_of(identifier) == expected
    assert list(words([f"{identifier} = {identifier}"])) == [" ".join(expected)]


def test_words_of_a_text_do_not_depend_on_its_other_characters() -> None:
    text = "first_word = 0x1f + 12ab + ab * _ + __x2(getUserName)\n"
    plain, other = words([text, text + "\u2026"])
    assert plain == other == "first_word first word __x2 getusername get user name"
