"""What the model wrote last and nobody was shown, so that typing the word on needs no model.

Nothing was shown because it was not sure enough or because nothing was left of it. A model that
writes the word at the cursor anew (``engine.healing``) is held to one more character at the next
key: where it had chosen that one anyway it writes the same, so there is nothing to be said again
unless the rest is likelier by itself than the whole was.
"""

import dataclasses
from collections.abc import Sequence

from dsc_lsp.engine.base import Prompt, Token


class Withheld:
    """The last answer that was not shown; engine thread only."""

    def __init__(self) -> None:
        self._prompt = ("", "")
        self._tokens: tuple[Token, ...] = ()

    def remember(self, model: str, prompt: Prompt, tokens: Sequence[Token]) -> None:
        """Keep what a model wrote after a prompt instead of what it wrote before; may be empty."""
        self._prompt, self._tokens = (model, _text(prompt)), tuple(tokens)

    def rest_at(self, model: str, prompt: Prompt) -> tuple[Token, ...]:
        """Return what is left where the prompt is the last one and more of the word, as written.

        Nothing if something else was typed or is shown to the model. A token that was typed in
        part counts as certain: how likely its end is after its beginning is not known.
        """
        last_model, last = self._prompt
        text = _text(prompt) if self._tokens else ""
        more = text[len(last) :]
        if model != last_model or not text.startswith(last) or not _is_within_a_word(more):
            return ()
        typed = more.encode("utf-8", "replace")
        for number, token in enumerate(self._tokens):
            if not typed:
                return self._tokens[number:]
            if not token.data.startswith(typed[: len(token.data)]):
                return ()
            if len(typed) < len(token.data):
                begun = dataclasses.replace(token, data=token.data[len(typed) :], logprob=0.0)
                return (begun, *self._tokens[number + 1 :])
            typed = typed[len(token.data) :]
        return ()


def _text(prompt: Prompt) -> str:
    return "".join(part.text for part in prompt.parts)


def _is_within_a_word(text: str) -> bool:
    return text.replace("_", "a").isalnum()
