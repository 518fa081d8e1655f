"""An engine without a model: it says what a test tells it to say, token by token."""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import TypeAlias

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import Generation, GenerationRequest, Token
from dsc_lsp.models import DEEPSEEK_CODER_BASE, ModelFamily

_FIRST_CONTROL_ID = 0x110000


class LetterTokenizer:
    """A tokenizer with a token for each code point, and control tokens behind them."""

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def control(self, name: str) -> int:
        return _FIRST_CONTROL_ID + DEEPSEEK_CODER_BASE.control_tokens.index(name)


Answer: TypeAlias = str | tuple[str, ...] | Exception


class ScriptedEngine:
    """Answers each request with the next of ``answers``, and goes on with the last one.

    A text is said in tokens of a few bytes, which split characters; an exception is raised
    where the first token would be. A tuple of texts is an answer with its alternatives, by rank;
    an alternative belongs to the answer given last, and one that is not there is empty.
    ``before_token`` is called with the number of each token before it is said, on the engine's
    thread: there a test can wait, or raise. ``logprob`` is each token's, ``None`` where nobody
    tells it.
    """

    name = "scripted"

    def __init__(
        self,
        *answers: Answer,
        family: ModelFamily = DEEPSEEK_CODER_BASE,
        context_tokens: int = 4096,
        before_token: Callable[[int], None] = lambda _number: None,
        logprob: float | None = -0.5,
    ) -> None:
        self.family = family
        self.tokenizer = LetterTokenizer()
        self.context_tokens = context_tokens
        self.requests: list[GenerationRequest] = []
        self.said: list[bytes] = []
        self.closed = False
        self._answers = list(answers)
        self._last: Answer = self._answers[0] if answers else ""
        self._before_token = before_token
        self._logprob = logprob

    def generate(self, request: GenerationRequest, cancel: CancelToken) -> Generation:
        self.requests.append(request)
        if not request.rank:
            self._last = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        tokens = self._tokens(_of_rank(self._last, request.rank), request.max_new_tokens, cancel)
        return Generation(len(request.prompt.ids), 0, tokens)

    def close(self) -> None:
        self.closed = True

    def _tokens(
        self, answer: str | Exception, max_new_tokens: int, cancel: CancelToken
    ) -> Iterator[Token]:
        if isinstance(answer, Exception):
            raise answer
        for number, data in enumerate(byte_tokens(answer)[:max_new_tokens]):
            self._before_token(number)
            cancel.check()
            self.said.append(data)
            yield Token(number, data, self._logprob)


def _of_rank(answer: Answer, rank: int) -> str | Exception:
    if isinstance(answer, Exception):
        return answer
    texts = answer if isinstance(answer, tuple) else (answer,)
    return texts[rank] if rank < len(texts) else ""


def byte_tokens(text: str, sizes: Sequence[int] = (3, 1, 2, 5)) -> list[bytes]:
    """Split a text into tokens of so many bytes, over and over."""
    data, tokens, start, size = text.encode(), list[bytes](), 0, cycle(sizes)
    while start < len(data):
        end = start + next(size)
        tokens.append(data[start:end])
        start = end
    return tokens
