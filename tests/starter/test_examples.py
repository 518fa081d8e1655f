"""Training examples are cut from a file without losing or adding a character."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.starter import examples, rows, vocabulary

LINES = st.lists(st.text(" ab_(:'#é1", max_size=30), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def encoder() -> vocabulary.Encoder:
    return vocabulary.Encoder(vocabulary.train(["def ab(a, b):\n    return a_b\n"] * 5, 300))


def source(lines: list[str], encoder: vocabulary.Encoder) -> examples.SourceText:
    return examples.source_text("package/module.py", "\n".join(lines) + "\n", encoder)


@given(lines=LINES, seed=st.integers(0, 1000))
def test_parts_join_to_the_text(encoder: vocabulary.Encoder, lines: list[str], seed: int):
    text = source(lines, encoder)
    random = examples.seeded(seed)
    hole = examples.random_hole(text, random.randrange(len(text.lines)), random)
    before = "".join(text.lines[: hole.anchor])
    last = hole.end_line + 1 if hole.suffix_end is None else hole.suffix_end
    shown = "".join(text.lines[:last])
    middle = examples.typed_text(text, hole) + examples.rest_text(text, hole)
    joined = before + middle + suffix_text(text, hole)
    if hole.suffix_end is None:
        assert shown.startswith(joined)
        assert "\n" not in shown[len(joined) :].rstrip("\n")
    else:
        assert joined == shown


@given(lines=LINES, seed=st.integers(0, 1000), length=st.integers(80, 600))
def test_the_prompt_is_laid_out_as_the_server_does(
    encoder: vocabulary.Encoder, lines: list[str], seed: int, length: int
):
    text = source(lines, encoder)
    random = examples.seeded(seed)
    hole = examples.random_hole(text, random.randrange(len(text.lines)), random)
    example = examples.fill_in_the_middle(text, hole, encoder, length, random=random)
    if example is None:
        return
    prompt = example.prompt
    assert len(prompt) + len(example.rest) <= length
    assert prompt[:2] == [encoder.begin_of_text, encoder.fim_begin]
    begin, end = prompt.index(encoder.fim_hole), prompt.index(encoder.fim_end)
    before = "".join(text.lines[: hole.anchor])
    prefix = encoder.decode(prompt[2:begin])
    assert before.endswith(prefix)
    assert prefix == "" or len(prefix) == len(before) or before[-len(prefix) - 1] == "\n"
    assert suffix_text(text, hole).startswith(encoder.decode(prompt[begin + 1 : end]))
    assert encoder.decode(prompt[end + 1 :]) == examples.typed_text(text, hole)
    assert example.rest[-1] == encoder.end_of_text
    assert encoder.decode(example.rest[:-1]) == examples.rest_text(text, hole)


@pytest.mark.parametrize(
    ("line", "anchor"), [(0, 0), (7, 0), (15, 0), (16, 8), (23, 8), (24, 16), (100, 88)]
)
def test_the_anchor_is_8_to_15_lines_above(line: int, anchor: int):
    assert examples.anchor_line(line) == anchor


def test_a_header_names_the_file_in_the_prefix(encoder: vocabulary.Encoder):
    text = source([f"a{number} = b" for number in range(40)], encoder)
    hole = examples.rest_of_line_hole(text, 30, 3)
    head = encoder.encode("#package/module.py\n")
    example = examples.fill_in_the_middle(text, hole, encoder, 1000, head=head)
    assert example
    prefix = encoder.decode(example.prompt[2 : example.prompt.index(encoder.fim_hole)])
    assert prefix.startswith("#package/module.py\na0 = b\n")


def test_rows_are_full_and_follow_from_the_seed(encoder: vocabulary.Encoder):
    texts = [source([f"a{number} = b(a)" for number in range(80)], encoder) for _ in range(3)]
    files = rows.collection(texts, [()] * len(texts))

    def row(seed: int) -> tuple[examples.Tokens, np.ndarray]:
        return rows.random_row(files, encoder, 257, examples.seeded(seed))

    for seed in range(30):
        tokens, weights = row(seed)
        assert len(tokens) == len(weights) == 257
        assert tokens[0] == encoder.begin_of_text
        assert np.array_equal(tokens, row(seed)[0])
    assert any(encoder.fim_end in row(seed)[0] for seed in range(30))
    assert any(encoder.fim_end not in row(seed)[0] for seed in range(30))


def test_weights_belong_to_what_the_model_writes(encoder: vocabulary.Encoder):
    texts = [source([f"a{number} = b(a)" for number in range(80)], encoder)]
    files = rows.collection(texts, [()] * len(texts))
    for seed in range(30):
        tokens, weights = rows.random_row(files, encoder, 400, examples.seeded(seed))
        if encoder.fim_end in tokens:
            written = tokens[weights == rows.REST_WEIGHT]
            assert written[-1] == encoder.end_of_text


def suffix_text(text: examples.SourceText, hole: examples.Hole) -> str:
    """Return the text after the middle, as far as it is shown."""
    if hole.suffix_end is None:
        return ""
    after = text.lines[hole.end_line + 1 : hole.suffix_end]
    return text.lines[hole.end_line][hole.end_column :] + "".join(after)
