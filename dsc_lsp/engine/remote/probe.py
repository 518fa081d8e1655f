"""What a server turns out to be: kind, model, and how it likes to be asked; looked at once."""

import time
from dataclasses import dataclass, field
from typing import Any

from dsc_lsp.engine.base import Tokenizer
from dsc_lsp.engine.remote import faults
from dsc_lsp.engine.remote.connection import Answer, Connection
from dsc_lsp.engine.remote.dialects import MALFORMED, Ask, Chunk
from dsc_lsp.engine.remote.faults import RemoteError
from dsc_lsp.engine.remote.servers import (
    GENERIC,
    MODELS,
    SERVERS,
    TGI,
    Server,
    lists_models,
    rows_of,
)

# Every tokenizer of the family cuts this in the same way.
_TEXT = "def f(x):\n"
_LONGEST_NAME = 200
NOT_THIS_WAY = {400, 415, 422}
"""How servers refuse a form of request that they do not know."""


@dataclass(frozen=True, slots=True)
class Found:
    """A server, the model to ask for, all that it serves, and how many tokens fit if it tells."""

    server: Server
    model: str
    models: tuple[str, ...]
    context_tokens: int | None


@dataclass(frozen=True, slots=True)
class Manners:
    """How to ask: with ids or text, and whether the server begins a text itself.

    ``tokenizer_fits`` is whether the server counts tokens as ours does, ``None`` where it does not
    say. ``latency_ms`` is how long one token took.
    """

    takes_ids: bool
    adds_bos: bool
    tokenizer_fits: bool | None
    latency_ms: float = field(compare=False)


async def find(connection: Connection, kind: str, model: str) -> Found:
    """Look at a server; ``kind`` is the name of a row of the table, or ``auto``.

    Raises:
        RemoteError: it does not answer, or serves nothing.
    """
    answers: dict[str, Answer | None] = {}

    async def answer_at(path: str) -> Answer | None:
        if path not in answers:
            try:
                answers[path] = await connection.get(connection.endpoint.root + path)
            except RemoteError as error:
                if error.status is None or error.status in {401, 403}:
                    raise
                answers[path] = None
        return answers[path]

    listed = await answer_at(MODELS)
    server = next((row for row in SERVERS if row.name == kind), None)
    for row in SERVERS if server is None else ():
        if row.sign is None:
            continue
        path, gives_away = row.sign
        answer = await answer_at(path)
        if answer is not None and gives_away(answer):
            server = row
            break
    models = tuple(str(row["id"]) for row in rows_of(listed)) if listed else ()
    if not (model or models or server is TGI):
        speaks = server is not None or (listed is not None and lists_models(listed))
        raise (faults.nameless if speaks else faults.unreadable)(connection.endpoint)
    server = server or GENERIC
    chosen = model or next(iter(models), "tgi")
    context = None
    if server.context is not None:
        path, keys = server.context
        context = _number_at(await answer_at(path), keys)
    return Found(server, chosen[:_LONGEST_NAME], models, context)


async def learn(
    connection: Connection, found: Found, tokenizer: Tokenizer | None, begin_of_text: str
) -> Manners:
    """Ask for single tokens to see how a server takes prompts.

    ``tokenizer`` is the served model's, or ``None`` if we have none.
    """
    start = time.perf_counter()
    told = (await _ask(connection, found, _TEXT)).prompt_tokens
    latency = (time.perf_counter() - start) * 1000
    adds_bos = found.server.adds_bos
    if tokenizer is None:
        return Manners(False, adds_bos, None, latency)
    ids = tokenizer.encode(_TEXT)
    fits = None
    if told is not None:
        fits = told - len(ids) in {0, 1}
        adds_bos = told > len(ids) if fits else adds_bos
    takes_ids = (
        found.server.takes_ids
        and fits is not False
        and await _takes_ids(connection, found, (tokenizer.control(begin_of_text), *ids))
    )
    return Manners(takes_ids, adds_bos, fits, latency)


async def _takes_ids(connection: Connection, found: Found, ids: tuple[int, ...]) -> bool:
    try:
        told = (await _ask(connection, found, ids)).prompt_tokens
    except RemoteError as error:
        if error.status in NOT_THIS_WAY:
            return False
        raise
    return told is None or told == len(ids)


async def _ask(connection: Connection, found: Found, prompt: tuple[int, ...] | str) -> Chunk:
    """Ask for one token; returns what was told about the whole."""
    server, chunks = found.server, list[Any]()
    body = server.request(Ask(found.model, prompt, 1))
    if "stream" in body:  # one object tells more: usage is standard there
        body |= {"stream": False}
        body.pop("stream_options", None)
    await connection.post(connection.endpoint.root + server.path, body, chunks.append)
    try:
        read = [server.read(chunk) for chunk in chunks if chunk is not None]
    except MALFORMED as error:
        raise faults.unreadable(connection.endpoint) from error
    if not read:
        raise faults.unreadable(connection.endpoint)
    if any(chunk.has_failed for chunk in read):
        raise faults.failed_midway(connection.endpoint)
    return next((chunk for chunk in reversed(read) if chunk.prompt_tokens is not None), read[-1])


def _number_at(answer: Answer | None, keys: tuple[str | int, ...]) -> int | None:
    value: Any = answer.json if answer is not None else None
    try:
        for key in keys:
            value = value[key]
    except MALFORMED:
        return None
    return value if type(value) is int and value > 0 else None
