"""What the model reads at a cursor. Cases: ``cases/prompt``.

Options of the code: ``family=`` (``base``, ``starter``, ``instruct``), ``budget=`` in tokens and
``repeat=N`` (every line of the code but the cursor's is there ``N`` times). Every code point is
a token here. Control tokens are shown in brackets, without the letters around their names.
"""

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.completion import prompt_at
from dsc_lsp.document import Cursor, Document, Position, split_lines
from dsc_lsp.engine.base import Prompt, PromptPart
from dsc_lsp.models import (
    DEEPSEEK_CODER_BASE,
    DEEPSEEK_CODER_INSTRUCT,
    STARTER,
    ModelFamily,
)
from dsc_lsp.prompt import Prompts, Terms, build_prompt
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
    prompt = build_prompt(cursor, Terms(FAMILIES[options["family"]], LetterTokenizer(), budget))
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
    prompt = build_prompt(cursor, Terms(DEEPSEEK_CODER_BASE, tokenizer, 1000))
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
    cursor = cursor_in(newline.join(before) + CARET + newline.join(after))
    terms = Terms(family, LetterTokenizer(), budget)
    check_prompt(build_prompt(cursor, terms), cursor, terms)


def check_prompt(prompt: Prompt, cursor: Cursor, terms: Terms) -> None:
    """Check that a prompt is the text around the cursor, within its budget."""
    assert len(prompt.ids) <= min(terms.budget, terms.family.prompt_tokens)
    document, (line, column) = cursor.document, cursor.position
    left = "".join(document.lines[:line]) + document.lines[line][:column]
    right = document.lines[line][column:] + "".join(document.lines[line + 1 :])
    assert prompt.parts[0].control
    texts = [part.text for part in prompt.parts if not part.control]
    if len(texts) == 1:
        assert terms.family.fim is None or not right.strip()
        assert _plain_text(left).endswith(texts[0])
    else:
        prefix, suffix, *typed = texts
        assert _plain_text(left).endswith(prefix + "".join(typed))
        assert _plain_text(right).startswith(suffix)
        assert right.strip()


_TYPED = st.text(st.sampled_from("ab( \n\t\r🙂"), max_size=9)
_PLACE = st.tuples(st.integers(0, 30), st.integers(0, 14))
_ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("type"), _TYPED),
        st.tuples(st.just("type"), _TYPED),
        st.tuples(st.just("delete"), st.integers(1, 9)),
        st.tuples(st.just("jump"), _PLACE),
        st.tuples(st.just("edit elsewhere"), _PLACE, _PLACE, _TYPED),
        st.tuples(st.just("pause")),
    ),
    max_size=25,
)


@given(
    lines=_LINES,
    newline=_BREAKS,
    start=_PLACE,
    actions=_ACTIONS,
    family=_FAMILY,
    budget=st.integers(4, 400),
)
def test_whatever_is_done_to_a_document_its_prompt_is_the_text_around_the_cursor(
    lines: list[str],
    newline: str,
    start: tuple[int, int],
    actions: list[tuple[Any, ...]],
    family: ModelFamily,
    budget: int,
) -> None:
    document = Document.of(newline.join(lines))
    cursor = Cursor(document, document.clamp(Position(*start)))
    terms, prompts = Terms(family, LetterTokenizer(), budget), Prompts()
    for action in actions:
        cursor = _after(action, cursor)
        prompt = prompts.at(cursor, terms)
        check_prompt(prompt, cursor, terms)
        if action[0] == "pause":
            assert prompts.anew(cursor, terms) == build_prompt(cursor, terms)


def _after(action: tuple[Any, ...], cursor: Cursor) -> Cursor:
    document, at = cursor.document, cursor.position
    if action[0] == "type":
        end = _behind(at, action[1])
        document = document.replace(at, at, action[1], document.version + 1)
        return Cursor(document, document.clamp(end))
    if action[0] == "delete":
        start = document.clamp(Position(at.line, at.column - action[1]))
        return Cursor(document.replace(start, at, "", document.version + 1), start)
    if action[0] == "jump":
        return Cursor(document, document.clamp(Position(*action[1])))
    if action[0] == "edit elsewhere":
        first, last = Position(*action[1]), Position(*action[2])
        document = document.replace(first, last, action[3], document.version + 1)
    return Cursor(document, document.clamp(at))


def _behind(at: Position, text: str) -> Position:
    *above, last = split_lines(text)
    return Position(at.line + len(above), len(last) + (0 if above else at.column))


class Typist:
    """Changes a document and asks for a prompt after each change."""

    def __init__(self, code: str, terms: Terms) -> None:
        self.cursor = cursor_in(code, language="python")
        self.terms = terms
        self.prompts = Prompts()
        self._known: tuple[int, ...] = ()
        self.new_tokens()

    def new_tokens(self) -> int:
        """Return how many tokens of the prompt here the last one did not begin with."""
        prompt = self.prompts.at(self.cursor, self.terms)
        check_prompt(prompt, self.cursor, self.terms)
        pairs = zip(prompt.ids, self._known, strict=False)
        self._known = prompt.ids
        return len(prompt.ids) - sum(
            1 for _ in itertools.takewhile(lambda ab: ab[0] == ab[1], pairs)
        )

    def press(self, key: str) -> int:
        """Type a key."""
        self.cursor = _after(("type", key), self.cursor)
        return self.new_tokens()

    def is_anchored_anew(self) -> bool:
        """Whether the prompt is as if nothing had been typed before."""
        here = self.prompts.at(self.cursor, self.terms)
        return here == build_prompt(self.cursor, self.terms)


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
def test_a_key_costs_a_token_but_for_a_few(
    family: ModelFamily, above: int, below: int, budget: int
) -> None:
    code = "".join(f"line({number})\n" for number in range(above)) + CARET + "\n"
    code += "".join(f"more({number})\n" for number in range(below))
    typist = Typist(code, Terms(family, LetterTokenizer(), budget))
    typed = "    total = first + second * third\n" * 6
    costs = [typist.press(key) for key in typed]
    assert sum(cost > 1 for cost in costs) <= len(typed) // 20


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("budget", [300, 2_000])
def test_a_key_in_one_huge_line_costs_a_token_but_for_a_few(
    family: ModelFamily, budget: int
) -> None:
    code = "a(b,c);" * 5_000
    typist = Typist(code + CARET + code, Terms(family, LetterTokenizer(), budget))
    typed = "total=first+second*third;" * 8
    costs = [typist.press(key) for key in typed]
    assert sum(cost > 1 for cost in costs) <= len(typed) // 20


_WITH_FIM = pytest.mark.parametrize(
    "family", [DEEPSEEK_CODER_BASE, STARTER], ids=["base", "starter"]
)
_CODE = "import a\n" * 20 + "x = (‸)\n" + "print(x)\n" * 20


@_WITH_FIM
@pytest.mark.parametrize(
    "action",
    [
        pytest.param(("jump", (3, 0)), id="up"),
        pytest.param(("jump", (30, 2)), id="down"),
        pytest.param(("edit elsewhere", (0, 0), (0, 0), "b"), id="edited above"),
        pytest.param(("edit elsewhere", (40, 0), (41, 0), ""), id="edited below"),
        pytest.param(("edit elsewhere", (20, 10), (20, 10), ")"), id="edited behind the cursor"),
    ],
)
def test_the_anchor_is_given_up(family: ModelFamily, action: tuple[Any, ...]) -> None:
    typist = Typist(_CODE, Terms(family, LetterTokenizer(), 600))
    for key in "value":
        typist.press(key)
    typist.cursor = _after(action, typist.cursor)
    typist.new_tokens()
    assert typist.is_anchored_anew()


@_WITH_FIM
def test_the_anchor_is_kept_while_what_was_typed_is_changed(family: ModelFamily) -> None:
    typist = Typist(_CODE, Terms(family, LetterTokenizer(), 600))
    costs = [typist.press(key) for key in "value = old\n  "]
    typist.cursor = _after(("delete", 1), typist.cursor)
    costs.append(typist.new_tokens())
    costs += [typist.press(key) for key in "more"]
    assert costs == [1] * 14 + [0] + [1] * 4


@_WITH_FIM
def test_deleting_key_by_key_past_the_anchor_costs_once(family: ModelFamily) -> None:
    typist = Typist(
        _CODE.replace("x = (", "value = some.function("), Terms(family, LetterTokenizer(), 600)
    )
    costs: list[int] = []
    for _ in range(len("value = some.function(")):
        typist.cursor = _after(("delete", 1), typist.cursor)
        costs.append(typist.new_tokens())
    assert sum(cost > 1 for cost in costs) == (family.anchor_lines is None)
    assert costs[0] > 1 or family.anchor_lines is not None


def test_the_middle_grows_to_a_limit_and_is_anchored_anew_in_a_pause() -> None:
    terms = Terms(DEEPSEEK_CODER_BASE, LetterTokenizer(), 1000)
    typist = Typist(_CODE, terms)
    costs = [typist.press(key) for key in " " * 500]
    often = sum(cost > 1 for cost in costs)
    assert 2 <= often <= 5
    assert not typist.is_anchored_anew()
    typist.prompts.anew(typist.cursor, terms)
    assert typist.is_anchored_anew()
    typist.new_tokens()
    assert typist.press("x") == 1


def test_other_terms_need_another_anchor() -> None:
    terms = Terms(DEEPSEEK_CODER_BASE, LetterTokenizer(), 600)
    typist = Typist(_CODE, terms)
    typist.press("v")
    for other in (
        dataclasses.replace(terms, budget=300),
        dataclasses.replace(terms, family=STARTER),
        dataclasses.replace(terms, context=PromptPart((1, 2), "ab")),
    ):
        assert typist.prompts.at(typist.cursor, other) == build_prompt(typist.cursor, other)
