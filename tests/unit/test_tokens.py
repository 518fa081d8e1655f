"""Text to ids and back: on a tokenizer made here, and on DeepSeek-Coder's where it is at hand."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer

from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.tokens import CheckpointTokenizer, load_tokenizer, text_decoder
from dsc_lsp.models import DEEPSEEK_CODER_BASE
from tests.checkpoints import write_tokenizer
from tests.unit.test_document import TEXTS

DEEPSEEK = Path(__file__).parents[3] / "shared" / "data" / "deepseek-coder-tokenizer"
needs_deepseek = pytest.mark.skipif(
    not DEEPSEEK.is_dir(), reason="DeepSeek-Coder's tokenizer is not beside the repository"
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> CheckpointTokenizer:
    path = tmp_path_factory.mktemp("small") / "tokenizer.json"
    write_tokenizer(path)
    return load_tokenizer(path, DEEPSEEK_CODER_BASE)


@pytest.fixture(scope="module")
def deepseek() -> CheckpointTokenizer:
    return load_tokenizer(DEEPSEEK / "tokenizer.json", DEEPSEEK_CODER_BASE)


def decoded(tokenizer: CheckpointTokenizer, ids: tuple[int, ...]) -> str:
    return b"".join(map(tokenizer.bytes_of, ids)).decode()


@given(text=TEXTS)
def test_what_is_encoded_comes_back(small: CheckpointTokenizer, text: str) -> None:
    ids = small.encode(text)
    assert decoded(small, ids) == text
    assert small.encode(text) == ids, "from the cache, too"


def test_long_lines_come_back(small: CheckpointTokenizer) -> None:
    text = "größe = 1; " * 1_000
    assert decoded(small, small.encode(text)) == text


def test_control_tokens_in_code_are_text(small: CheckpointTokenizer) -> None:
    for name in DEEPSEEK_CODER_BASE.control_tokens:
        ids = small.encode(f"x = '{name}'\n{name}")
        assert small.control(name) not in ids
        assert decoded(small, ids) == f"x = '{name}'\n{name}"


def test_control_tokens_have_an_id_each(small: CheckpointTokenizer) -> None:
    names = DEEPSEEK_CODER_BASE.control_tokens
    assert len({small.control(name) for name in names}) == len(names)


def test_half_a_surrogate_pair_is_a_question_mark(small: CheckpointTokenizer) -> None:
    assert decoded(small, small.encode("a\ud83db")) == "a?b"


def test_an_id_past_the_vocabulary_stands_for_nothing(small: CheckpointTokenizer) -> None:
    assert small.bytes_of(1_000_000) == b""


@given(text=TEXTS, cuts=st.lists(st.integers(0, 200), max_size=8))
def test_pieces_of_bytes_decode_like_the_whole(text: str, cuts: list[int]) -> None:
    data = text.encode()
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    decode = text_decoder()
    pieces = [decode(data[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    said = "".join(pieces)
    whole = text.replace("\r\n", "\n").replace("\r", "\n")
    assert said == whole or (text.endswith("\r") and said == whole[:-1])


def test_bytes_that_are_no_utf8_are_left_out() -> None:
    decode = text_decoder()
    assert decode(b"a\xff\xc3") + decode(b"b\xc3") + decode(b"\xa9c") == "abéc"


# What may be wrong with the file. Each fault changes the description; the message must say
# what is wrong and what to do.
Description = dict[str, Any]
AGAIN = "Download the checkpoint again"
OTHER = "Choose a DeepSeek-Coder checkpoint"


def _no_model(description: Description) -> Description:
    del description["model"]
    return description


def _odd_model(description: Description) -> Description:
    description["model"]["type"] = "Oracle"
    return description


def _no_control_tokens(description: Description) -> Description:
    description["added_tokens"] = description["added_tokens"][:2]
    return description


def _loses_white_space(description: Description) -> Description:
    description["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{"type": "WhitespaceSplit"}, description["pre_tokenizer"]],
    }
    return description


def _loses_letters(description: Description) -> Description:
    description["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}],
    }
    return description


def _joins_line_breaks(description: Description) -> Description:
    description["model"]["vocab"]["ĊĊ"] = 1_000
    description["model"]["merges"] = [["Ċ", "Ċ"]]
    return description


@pytest.mark.parametrize(
    ("fault", "cause", "remedy"),
    [
        pytest.param(_no_model, "not a readable tokenizer", AGAIN, id="no model"),
        pytest.param(_odd_model, "not a usable tokenizer", AGAIN, id="odd model"),
        pytest.param(lambda _: [], "not a readable tokenizer", AGAIN, id="a list"),
        pytest.param(lambda _: {}, "not a readable tokenizer", AGAIN, id="empty"),
        pytest.param(
            lambda old: old | {"added_tokens": ["x"]},
            "not a readable tokenizer",
            AGAIN,
            id="odd added tokens",
        ),
        pytest.param(_no_control_tokens, "<｜fim▁hole｜>", OTHER, id="no control tokens"),
        pytest.param(
            _loses_white_space, "white space or letters are lost", AGAIN, id="loses white space"
        ),
        pytest.param(_loses_letters, "white space or letters are lost", AGAIN, id="loses letters"),
        pytest.param(_joins_line_breaks, "across line breaks", OTHER, id="joins line breaks"),
    ],
)
def test_a_faulty_tokenizer_is_refused(
    tmp_path: Path, fault: Callable[[Description], object], cause: str, remedy: str
) -> None:
    path = tmp_path / "tokenizer.json"
    write_tokenizer(path)
    path.write_text(json.dumps(fault(json.loads(path.read_text()))))
    with pytest.raises(EngineError) as caught:
        load_tokenizer(path, DEEPSEEK_CODER_BASE)
    assert str(path) in str(caught.value)
    assert cause in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"added_tokens": [', id="cut off"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", id="LFS pointer"),
    ],
)
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=f"not a readable tokenizer.*{AGAIN}"):
        load_tokenizer(path, DEEPSEEK_CODER_BASE)


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(EngineError, match=r"tokenizer\.json is missing\. Download"):
        load_tokenizer(path, DEEPSEEK_CODER_BASE)


def test_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="not a readable tokenizer"):
        load_tokenizer(tmp_path, DEEPSEEK_CODER_BASE)


def test_a_tokenizer_that_cuts_and_pads_does_neither_here(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    write_tokenizer(path)
    fast = FastTokenizer.from_file(str(path))
    fast.enable_truncation(max_length=64)
    fast.enable_padding(length=128)
    fast.save(str(path))
    tokenizer = load_tokenizer(path, DEEPSEEK_CODER_BASE)
    assert decoded(tokenizer, tokenizer.encode("a" * 500)) == "a" * 500


@needs_deepseek
def test_deepseek_coder_encodes_as_its_vectors_say(deepseek: CheckpointTokenizer) -> None:
    vectors = json.loads((DEEPSEEK / "llama_cpp_vectors.json").read_text(encoding="utf-8"))
    assert len(vectors) == 47
    for vector in vectors:
        assert list(deepseek.encode(vector["text"])) == vector["ids"], vector["text"]
        assert vector["roundtrip"] is (
            decoded(deepseek, tuple(vector["ids"])) == vector["text"]
        ), vector["text"]


@needs_deepseek
@given(text=TEXTS)
def test_deepseek_coder_gives_back_what_it_encodes(
    deepseek: CheckpointTokenizer, text: str
) -> None:
    assert decoded(deepseek, deepseek.encode(text)) == text


@needs_deepseek
def test_deepseek_coder_takes_control_tokens_in_code_for_text(
    deepseek: CheckpointTokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    ids = deepseek.encode("x = '<｜fim▁hole｜>'  # <|EOT|>")
    assert all(token < 32013 for token in ids)
    assert decoded(deepseek, ids) == "x = '<｜fim▁hole｜>'  # <|EOT|>"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@needs_deepseek
def test_deepseek_coder_has_its_control_tokens(deepseek: CheckpointTokenizer) -> None:
    assert [deepseek.control(name) for name in DEEPSEEK_CODER_BASE.control_tokens] == [
        32013,
        32016,
        32015,
        32017,
        32014,
        32021,
    ]


@needs_deepseek
def test_deepseek_coder_writes_umlauts_with_added_tokens(deepseek: CheckpointTokenizer) -> None:
    assert decoded(deepseek, deepseek.encode("für")) == "für"
    assert decoded(deepseek, tuple(range(32000, 32013))) == "õ÷ÁýÀÿøúþüùöû"
    assert 32009 in deepseek.encode("für")


@needs_deepseek
def test_deepseek_coder_encodes_lines_as_it_encodes_the_text(
    deepseek: CheckpointTokenizer,
) -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    fast = FastTokenizer.from_file(str(DEEPSEEK / "tokenizer.json"))
    plain = text.replace("｜", "|")
    plain = plain.replace("<|EOT|>", "")
    assert list(deepseek.encode(plain)) == fast.encode(plain, add_special_tokens=False).ids
