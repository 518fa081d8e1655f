"""What the server relies on in the starter's tokenizer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from dsc_lsp import models
from dsc_lsp.starter import vocabulary

CODE = '''class Shape:
    """A shape."""

    def area(self, width_in_cm, height_in_cm):
        if width_in_cm:
            for index in range(10):
                return self.width_in_cm * height_in_cm + index
\tdef tab(self):
\t\treturn None
'''


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return vocabulary.train([CODE] * 20, 500)


@pytest.fixture(scope="module")
def encoder(tokenizer: Tokenizer) -> vocabulary.Encoder:
    return vocabulary.Encoder(tokenizer)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80) | st.text(
    " \t\r\n_a1(é中:", max_size=40
)


@given(text=TEXT)
def test_round_trip(encoder: vocabulary.Encoder, text: str):
    assert encoder.decode(encoder.encode(text)) == text


@given(text=TEXT)
def test_the_rest_of_a_line_round_trips_too(encoder: vocabulary.Encoder, text: str):
    assert encoder.decode(encoder.encode_rest(text)) == text


@given(first=TEXT, second=TEXT)
def test_a_newline_is_a_hard_boundary(tokenizer: Tokenizer, first: str, second: str):
    plain = vocabulary.without_control_tokens(tokenizer)

    def encode(text: str) -> list[int]:
        return plain.encode(text, add_special_tokens=False).ids

    assert encode(first + "\n" + second) == encode(first + "\n") + encode(second)


@given(text=TEXT, name=st.sampled_from(models.STARTER.control_tokens))
def test_user_text_holds_no_control_tokens(encoder: vocabulary.Encoder, text: str, name: str):
    assert not encoder.control_ids.intersection(encoder.encode(text + name + text))


def test_line_ends_are_single_tokens(encoder: vocabulary.Encoder):
    pieces = [encoder.decode([token]) for token in encoder.encode("x\r\n\n")]
    assert pieces == ["x", "\r", "\n", "\n"]


@pytest.mark.parametrize("indentation", ["    ", " " * 8, " " * 12, " " * 16, "\t", "\t\t"])
def test_indentation_is_one_token(encoder: vocabulary.Encoder, indentation: str):
    pieces = [encoder.decode([token]) for token in encoder.encode(indentation + "return")]
    assert pieces[0] == indentation


def test_a_rest_begins_with_no_indentation(encoder: vocabulary.Encoder):
    def pieces(ids: list[int]) -> list[str]:
        return [encoder.decode([token]) for token in ids]

    assert pieces(encoder.encode_rest("  in")) == [" ", " in"]
    assert pieces(encoder.encode("  in"))[-1] != " in"


def test_control_tokens_are_added_as_in_deepseek_coder(tokenizer: Tokenizer):
    added = tokenizer.get_added_tokens_decoder()
    special = {token.content: token.special for token in added.values()}
    assert set(special) == set(models.STARTER.control_tokens)
    assert {name for name, is_special in special.items() if not is_special} == {
        models.DEEPSEEK_FIM.begin,
        models.DEEPSEEK_FIM.hole,
        models.DEEPSEEK_FIM.end,
    }
    assert min(added) == tokenizer.get_vocab_size() - len(added)
