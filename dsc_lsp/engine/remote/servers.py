"""The kinds of servers, one row each: how to know them, what to send, what they do by themselves.

What is written here was measured where the row says so, else read in the server's documentation
and source. To support another kind, add a row; what no row describes is ``generic``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from dsc_lsp.engine.remote import dialects
from dsc_lsp.engine.remote.connection import Answer
from dsc_lsp.engine.remote.dialects import Ask, Chunk

Sign: TypeAlias = tuple[str, Callable[[Answer], bool]]
"""A path below the root, and whether its answer gives a kind away."""


@dataclass(frozen=True, slots=True)
class Server:
    """One kind.

    ``takes_ids`` says whether it is worth to try a prompt of token ids, ``adds_bos`` whether it
    puts the beginning-of-text token before a prompt of text; both are probed where that is
    possible. ``extra`` are fields beyond the standard ones, ``stop_ids_field`` the one for ids
    that end the answer, ``names_ids_field`` the one that has likely tokens named by their ids,
    for who asks with ids. ``context`` is a path and the keys to the number of tokens that fit,
    ``most_others`` how many of the likeliest tokens it tells at a place.
    """

    name: str
    path: str
    body: Callable[[Ask], dict[str, Any]]
    read: Callable[[Any], Chunk]
    takes_ids: bool
    adds_bos: bool
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stop_ids_field: str = ""
    names_ids_field: str = ""
    sign: Sign | None = None
    context: tuple[str, tuple[str | int, ...]] | None = None
    most_others: int = 0

    def request(self, ask: Ask) -> dict[str, Any]:
        """Return the body of a request."""
        body = dict(self.extra) | self.body(ask)
        if self.stop_ids_field and ask.stop_ids:
            body[self.stop_ids_field] = ask.stop_ids
        if self.names_ids_field and ask.others and not isinstance(ask.prompt, str):
            body[self.names_ids_field] = True
        return body


def lists_models(answer: Answer) -> bool:
    """Return whether an answer to ``/v1/models`` is a list of models, be it an empty one."""
    return isinstance(answer.json, dict) and isinstance(answer.json.get("data"), list)


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    """Return the rows of an answer to ``/v1/models``, each with a text as its ``id``."""
    rows = answer.json["data"] if lists_models(answer) else []
    return [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]


def _owned_by(owner: str) -> Sign:
    return MODELS, lambda answer: any(row.get("owned_by") == owner for row in rows_of(answer))


def _has(path: str, *keys: str) -> Sign:
    return (
        path,
        lambda answer: isinstance(answer.json, dict) and all(key in answer.json for key in keys),
    )


def _loads_models(answer: Answer) -> bool:
    paths = answer.json.get("paths") if isinstance(answer.json, dict) else None
    return isinstance(paths, dict) and "/load_model" in paths


MODELS = "/v1/models"

GENERIC = Server(
    "generic",
    path="/v1/completions",
    body=dialects.openai_body,
    read=dialects.openai_read,
    takes_ids=True,
    adds_bos=False,
    most_others=5,
)

VLLM = replace(
    GENERIC,
    name="vllm",
    extra={
        "add_special_tokens": False,
        "return_token_ids": True,
        "logprobs": 0,
        "stream_options": {"include_usage": True},
    },
    stop_ids_field="stop_token_ids",
    names_ids_field="return_tokens_as_token_ids",
    sign=_owned_by("vllm"),
    context=(MODELS, ("data", 0, "max_model_len")),
    most_others=20,
)

# Measured with 0.7.0: only the entries of logprobs tell the ids and bytes of tokens.
LLAMA_SERVER = replace(
    GENERIC,
    name="llama-server",
    adds_bos=True,
    extra={"cache_prompt": True, "logprobs": 1},
    sign=_owned_by("llamacpp"),
    context=("/props", ("default_generation_settings", "n_ctx")),
    most_others=20,
)

# Measured with 5.23.0: ids are refused (400), so are unknown fields (422); no logprobs, no [DONE];
# /v1/models lists what is in the hub's cache, and fails (500) where there is none.
TRANSFORMERS = replace(
    GENERIC,
    name="transformers",
    takes_ids=False,
    sign=("/openapi.json", _loads_models),
    most_others=0,
)

OLLAMA = Server(
    "ollama",
    path="/api/generate",
    body=dialects.ollama_body,
    read=dialects.ollama_read,
    takes_ids=False,
    adds_bos=True,
    extra={"logprobs": True},
    sign=_has("/api/version", "version"),
    most_others=20,
)

TGI = Server(
    "tgi",
    path="/generate_stream",
    body=dialects.tgi_body,
    read=dialects.tgi_read,
    takes_ids=False,
    adds_bos=True,
    sign=_has("/info", "model_id", "max_total_tokens"),
    context=("/info", ("max_total_tokens",)),
    most_others=5,
)

# In the order in which they are recognised.
SERVERS = (VLLM, LLAMA_SERVER, OLLAMA, TGI, TRANSFORMERS, GENERIC)
