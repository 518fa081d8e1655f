"""Alternatives begin with other visible text than the answer, the likelier ones first."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import GenerationRequest, Prompt, PromptPart, Token
from dsc_lsp.engine.branching import branch_of
from dsc_lsp.engine.choice import choose
from dsc_lsp.engine.local import LocalEngine
from dsc_lsp.engine.lookup import LookupEngine
from dsc_lsp.engine.opening import open_local
from dsc_lsp.lookup import Continuation
from tests.checkpoints import make_checkpoint

WORDS = [b"", b"a", b" a", b"b", b" ", b"\n", b"ab", b"c", b"<end>", b"<other>"]
END, OTHER = 8, 9


def text_after(generated: Sequence[int]) -> bytes:
    return b"".join(WORDS[token] for token in generated)


def beginnings(rows: Sequence[Sequence[float]], rank: int) -> list[int]:
    """What is generated of a rank, up to an end."""
    branch = branch_of(rank, text_after, control={END, OTHER}, end=END) if rank else None
    generated: list[int] = []
    for row in rows:
        token, logprob = choose(np.array(row), generated, branch=branch)
        assert logprob == pytest.approx(row[token] - np.log(np.exp(row).sum()))
        if token in (END, OTHER):
            break
        generated.append(token)
    return generated


@given(
    st.lists(
        st.lists(
            st.integers(-50, 50).map(lambda whole: whole / 10),
            min_size=len(WORDS),
            max_size=len(WORDS),
            unique=True,
        ),
        min_size=4,
        max_size=4,
    )
)
def test_alternatives_differ_where_the_visible_text_begins(rows: list[list[float]]) -> None:
    first = beginnings(rows, 0)
    blanks = next((n for n, token in enumerate(first) if WORDS[token].strip()), len(first))
    likelihood = math.inf
    texts = [WORDS[token].strip() for token in first[blanks : blanks + 1]]
    for rank in range(1, 6):
        said = beginnings(rows, rank)
        assert said[:blanks] == first[:blanks], "the blanks before it are the answer's"
        if len(said) <= blanks:
            continue
        row = rows[blanks]
        assert row[said[blanks]] < likelihood, "likelier ones come first"
        likelihood = row[said[blanks]]
        assert WORDS[said[blanks]].strip() not in (b"", *texts)
        texts.append(WORDS[said[blanks]].strip())
        rest = [max(range(len(row)), key=row.__getitem__) for row in rows[blanks + 1 :]]
        assert said[blanks + 1 :] == rest[: len(said) - blanks - 1], "it goes on as is likeliest"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    checkpoint = make_checkpoint(tmp_path_factory.mktemp("models") / "deepseek-coder-tiny-base")
    engine = open_local(
        str(checkpoint), device="cpu", context_tokens=200, report=lambda _text, _percent: None
    )
    yield engine
    engine.close()


def tokens_of(engine: LocalEngine, text: str, rank: int, *, heal: bool = False) -> list[Token]:
    bos = PromptPart((engine.tokenizer.control(engine.family.begin_of_text),), "", control=True)
    prompt = Prompt((bos, PromptPart(engine.tokenizer.encode(text), text)))
    request = GenerationRequest(prompt, 6, heal=heal, rank=rank)
    return list(engine.generate(request, CancelToken()).tokens)


def test_each_alternative_reads_only_the_end_of_the_prompt_again(engine: LocalEngine) -> None:
    tokens_of(engine, "x = f(", 0)
    prompt = Prompt((PromptPart(tuple(engine._room.cache.ids[:7]), ""),))
    alternative = engine.generate(GenerationRequest(prompt, 6, rank=1), CancelToken())
    assert alternative.reused_tokens == alternative.prompt_tokens - 1


@pytest.mark.parametrize("heal", [False, True])
def test_an_alternative_is_what_the_model_says_after_its_first_token(
    engine: LocalEngine, *, heal: bool
) -> None:
    texts: list[bytes] = []
    for rank in range(4):
        tokens = tokens_of(engine, "x = av", rank, heal=heal)
        data = b"".join(token.data for token in tokens)
        texts.append(data.lstrip()[:1])
        # A token for each byte, so that a word that is healed is written as it stands.
        first = tokens[0].data.decode("latin-1")
        if first.isascii():
            rest = tokens_of(engine, "x = av" + first, 0)
            assert [token.id for token in tokens[1:]] == [token.id for token in rest[:5]]
    assert len(set(texts)) == 4


def test_where_only_one_beginning_is_possible_there_is_no_alternative(engine: LocalEngine) -> None:
    size = engine.tokenizer.size
    assert not tokens_of(engine, "x = f(", size)


class Followed:
    """``one`` and ``two`` after ``=``, with the same blanks before them."""

    files = 1

    def after(self, generated: str) -> Sequence[Continuation]:
        if not generated:
            return [Continuation(" one()", " ", 5, 0.6), Continuation(" two", " ", 5, 0.3)]
        if generated == " ":
            found = {"one()": ("one", 0.5), "two": ("two", 0.3), "one": ("one", 0.1)}
            return [Continuation(text, word, 6, weight) for text, (word, weight) in found.items()]
        return [Continuation("()", "()", 6, 0.9)] if generated == " two" else []


@pytest.mark.parametrize(("rank", "said"), [(0, b" one"), (1, b" two()"), (2, b" ")])
def test_the_lookup_has_alternatives_too(rank: int, said: bytes) -> None:
    request = GenerationRequest(Prompt(()), 5, Followed(), rank=rank)
    tokens = LookupEngine().generate(request, CancelToken()).tokens
    assert b"".join(token.data for token in tokens) == said
