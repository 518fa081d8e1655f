"""What the engine is told at a cursor, and how much room there is for it and for the answer."""

from dataclasses import dataclass

from dsc_lsp import context, prompt
from dsc_lsp.context import Context
from dsc_lsp.document import Cursor
from dsc_lsp.engine.base import Engine, Prompt, PromptPart, Tokenizer
from dsc_lsp.models import ModelFamily
from dsc_lsp.prompt import Terms
from dsc_lsp.repository import Repository
from dsc_lsp.repository.plan import Plan
from dsc_lsp.settings import Settings

_LEAST_CONTEXT_TOKENS = 32
_NO_CONTEXT = Context("", ())


def prompt_at(
    cursor: Cursor, settings: Settings, engine: Engine, repository: Repository | None = None
) -> Prompt:
    """Return what the engine is told at a cursor when nothing was typed there before."""
    return prompt.build_prompt(cursor, terms_at(cursor, settings, engine, repository))


def terms_at(
    cursor: Cursor,
    settings: Settings,
    engine: Engine,
    repository: Repository | None,
    *,
    anew: bool = True,
) -> Terms:
    """Return what besides the document decides on a prompt; of a repository what is planned.

    ``anew`` says that the prompt will not go on from the last one.
    """
    text = context_at(cursor, settings, engine, repository, anew=anew).text
    part = PromptPart(engine.tokenizer.encode(text) if text else (), text)
    return Terms(engine.family, engine.tokenizer, _prompt_tokens(settings, engine), part)


def context_at(
    cursor: Cursor,
    settings: Settings,
    engine: Engine,
    repository: Repository | None,
    *,
    anew: bool = True,
) -> Context:
    """Return what the engine is told of other files at a cursor."""
    family = engine.family
    room = min(_prompt_tokens(settings, engine), family.prompt_tokens)
    most = int(room * family.context_share)
    if repository is None or not settings.repository_context or most < _LEAST_CONTEXT_TOKENS:
        return _NO_CONTEXT
    fit = _Fit(most, family, engine.tokenizer)
    return repository.shown(cursor, fit, anew=anew) or _NO_CONTEXT


def most_new_tokens(settings: Settings, engine: Engine) -> int:
    """Return how long the answer may be: no longer than what is left to say it to."""
    return min(settings.max_new_tokens, _context_tokens(settings, engine) // 2)


@dataclass(frozen=True)
class _Fit:
    """Makes the context of a plan, within some tokens; on any thread."""

    most: int
    family: ModelFamily
    tokenizer: Tokenizer

    def __call__(self, plan: Plan) -> Context:
        header = self.family.file_header
        return context.fitted(
            plan,
            self.most,
            lambda path: header.format(path=path),
            lambda text: len(self.tokenizer.encode(text)),
        )


def _prompt_tokens(settings: Settings, engine: Engine) -> int:
    return _context_tokens(settings, engine) - most_new_tokens(settings, engine)


def _context_tokens(settings: Settings, engine: Engine) -> int:
    return min(settings.context_tokens, engine.context_tokens)
