"""What the model reads at a cursor. Cases: ``cases/prompt``.

Options of the code: ``family=`` (``base``, ``starter``, ``instruct``), ``budget=`` in tokens and
``repeat=N`` (every line of the code but the cursor's is there ``N`` times). Every code point is
a token here. Control tokens are shown in brackets, without the letters around their names.
"""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.completion import prompt_at
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine.base import Prompt
from dsc_lsp.models import (
    DEEPSEEK_CODER_BASE,
    DEEPSEEK_CODER_INSTRUCT,
    STARTER,
    ModelFamily,
)
from dsc_lsp.prompt import build_prompt
from dsc_lsp.settings import Settings
from tests import documents
from tests.documents import CARET, Case, cursor_in
from tests.scripted import LetterTokenizer, ScriptedEngine

FAMILIES = {
    "base": DEEPSEEK_CODER_BASE,
    "starter": STARTER,
    "instruct": DEEPSEEK_CODER_INSTRUCT,
}


@pytest.mark.parametrize("case", documents.cases("prompt"))
def test_prompt(case: Case, *, update: bool) -> None:
    options = case.code.options
    budget = int(options.get("budget", "16384"))
    code = _repeated(case.code.text, int(options.get("repeat", "1")))
    cursor = cursor_in(code, language=case.code.kind)
    prompt = build_prompt(cursor, FAMILIES[options["family"]], LetterTokenizer(), budget)
    assert len(prompt.ids) <= budget
    case.check(_shown(prompt), update=update)


def _repeated(code: str, times: int) -> str:
    lines = code.split("\n")
    return "\n".join(
        line for line in lines for _ in range(1 if CARET in line or not line else times)
    )


def _shown(prompt: Prompt) -> str:
    return "".join(
        f"[{part.text.strip('<｜|>').replace('▁', ' ')}]" if part.control else part.text
        for part in prompt.parts
    )


def _plain_text(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def test_control_tokens_in_code_are_text() -> None:
    cursor = cursor_in(f"x = '<｜fim▁hole｜>'{CARET}\n<｜fim▁end｜>")
    tokenizer = LetterTokenizer()
    prompt = build_prompt(cursor, DEEPSEEK_CODER_BASE, tokenizer, 1000)
    fim = DEEPSEEK_CODER_BASE.fim
    assert fim is not None
    for name in (fim.begin, fim.hole, fim.end):
        assert prompt.ids.count(tokenizer.control(name)) == 1
    assert [part.control for part in prompt.parts] == [True, True, False, True, False, True]


@pytest.mark.parametrize(("new", "context"), [(64, 4096), (512, 128), (64, 64)])
def test_prompt_and_answer_share_the_context(new: int, context: int) -> None:
    engine = ScriptedEngine("", context_tokens=context)
    cursor = cursor_in("x = 1\n" * 5_000 + CARET)
    settings = Settings(max_new_tokens=new, context_tokens=16_384)
    read = len(prompt_at(cursor, settings, engine).ids)
    budget = context - min(new, context // 2)
    assert budget // 2 <= read <= budget


_LINES = st.lists(st.text(st.sampled_from("ab(é🙂 \t"), max_size=12), max_size=60)
_BREAKS = st.sampled_from(["\n", "\r\n", "\r"])
_FAMILY = st.sampled_from(list(FAMILIES.values()))


@given(before=_LINES, after=_LINES, newline=_BREAKS, family=_FAMILY, budget=st.integers(4, 600))
def test_a_prompt_keeps_to_its_budget_and_to_the_text(
    before: list[str], after: list[str], newline: str, family: ModelFamily, budget: int
) -> None:
    left, right = newline.join(before), newline.join(after)
    prompt = build_prompt(cursor_in(left + CARET + right), family, LetterTokenizer(), budget)
    assert len(prompt.ids) <= min(budget, family.prompt_tokens)
    texts = [part.text for part in prompt.parts if not part.control]
    if len(texts) == 1:
        assert family.fim is None or not right.strip()
        assert _plain_text(left).endswith(texts[0])
    else:
        prefix, suffix, *typed = texts
        assert _plain_text(left).endswith(prefix + "".join(typed))
        assert _plain_text(right).startswith(suffix)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize(
    ("above", "below", "budget"),
    [
        pytest.param(5, 5, 16_384, id="all fits"),
        pytest.param(2_000, 5, 1_000, id="long above"),
        pytest.param(2_000, 2_000, 2_000, id="long around"),
        pytest.param(2_000, 0, 600, id="at the end"),
        pytest.param(40, 40, 200, id="small budget"),
    ],
)
def test_typing_changes_the_start_of_the_prompt_seldom(
    family: ModelFamily, above: int, below: int, budget: int
) -> None:
    code = "".join(f"line({number})\n" for number in range(above))
    rest = "\n" + "".join(f"more({number})\n" for number in range(below))
    typed = "    total = first + second * third\n" * 6
    assert _changes_while_typing(family, code, typed, rest, budget) <= len(typed) // 20


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("budget", [300, 2_000])
def test_typing_in_one_huge_line_changes_the_start_of_the_prompt_seldom(
    family: ModelFamily, budget: int
) -> None:
    code = "a(b,c);" * 5_000
    typed = "total=first+second*third;" * 8
    assert _changes_while_typing(family, code, typed, code, budget) <= len(typed) // 20


def _changes_while_typing(
    family: ModelFamily, code: str, typed: str, rest: str, budget: int
) -> int:
    """Type letter by letter; return at how many letters the engine had to read again.

    It need not, if the old prompt is a prefix of the new one as far as nothing is closed behind
    it: up to the text before the cursor where the model continues text, or, with a middle that
    begins above the cursor, up to that middle. Where it begins at the cursor, the suffix is read
    again anyway, so that only the prefix is looked at.
    """
    document = Document.of(code, language="python")
    position = document.clamp(Position(len(document.rows), 0))
    document = document.replace(position, position, rest, 0)
    changes, before = 0, ()
    for letter in typed:
        document = document.replace(position, position, letter, 0)
        line, column = position
        position = Position(line + 1, 0) if letter == "\n" else Position(line, column + 1)
        prompt = build_prompt(Cursor(document, position), family, LetterTokenizer(), budget)
        stable = _growing_part(prompt)
        changes += bool(before) and stable[: len(before)] != before
        before = stable
    return changes


def _growing_part(prompt: Prompt) -> tuple[int, ...]:
    parts = prompt.parts
    if sum(part.control for part in parts) == 1 or len(parts) == 7:
        return prompt.ids
    return dataclasses.replace(prompt, parts=parts[: 1 + 2]).ids
