"""Against a real llama-server that serves the embedded starter (skipped where there is none)."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.completion import complete, prompt_at
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, GenerationRequest
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.protocol.client import Client, connected, insertion
from tests.remote.llama_server import LlamaServer
from tests.remote.places import CODE, LOCAL, cursor_at, places


def remote_settings(server: LlamaServer) -> Settings:
    # Nothing is withheld: what is tested is whether the server answers, not whether it is sure.
    return Settings(
        remote_url=f"{server.root}/v1",
        remote_fallback=False,
        remote_seconds=60,
        max_new_tokens=16,
        min_confidence=0,
    )


@pytest.fixture(scope="module")
def engine(llama_server: LlamaServer) -> Iterator[Engine]:
    engine = open_engine(remote_settings(llama_server), lambda _message, _percent: None)
    yield engine
    engine.close()


def test_it_says_what_the_local_engine_says(engine: Engine) -> None:
    local = open_engine(LOCAL, lambda _message, _percent: None)
    assert engine.family is local.family
    for cursor in places():
        prompt = prompt_at(cursor, LOCAL, engine)
        assert prompt == prompt_at(cursor, LOCAL, local)
        # Neither healing nor interpolation, which the local engine alone can do.
        request = GenerationRequest(prompt, 16)
        theirs = list(engine.generate(request, CancelToken()).tokens)
        ours = list(local.generate(request, CancelToken()).tokens)
        assert [(token.id, token.data) for token in theirs] == [
            (token.id, token.data) for token in ours
        ]
        for one, other in zip(theirs, ours, strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=2e-3)
    local.close()


def test_its_alternatives_are_those_of_the_local_engine(engine: Engine) -> None:
    local = open_engine(LOCAL, lambda _message, _percent: None)
    compared = 0
    for cursor in places()[::2]:
        prompt = prompt_at(cursor, LOCAL, engine)
        for rank in range(1, 4):
            request = GenerationRequest(prompt, 8, rank=rank)
            theirs = list(engine.generate(request, CancelToken()).tokens)
            ours = list(local.generate(request, CancelToken()).tokens)
            assert [token.data for token in theirs] == [token.data for token in ours]
            compared += bool(theirs)
    local.close()
    assert compared > 3


def test_a_key_costs_the_server_a_few_tokens(llama_server: LlamaServer, engine: Engine) -> None:
    text, line = CODE, 30
    typed = "    counted = sum(len(word) for word in words)"
    evaluated: list[float] = []
    for column in range(len(typed) + 1):
        lines = text.splitlines(keepends=True)
        lines.insert(line, typed[:column] + "\n")
        before = llama_server.counted("prompt_tokens_total")
        complete(
            cursor_at("".join(lines), line, column), Repository(), LOCAL, engine, CancelToken()
        )
        evaluated.append(llama_server.counted("prompt_tokens_total") - before)
    assert sorted(evaluated)[len(evaluated) // 2] <= 8
    assert max(evaluated[1:]) <= 8, evaluated


def test_a_cancel_stops_the_server(llama_server: LlamaServer, engine: Engine) -> None:
    prompt, most = prompt_at(places()[0], LOCAL, engine), 1500
    for _ in range(5):
        cancel = CancelToken()
        before = llama_server.counted("tokens_predicted_total")
        generation = engine.generate(GenerationRequest(prompt, most), cancel)
        next(generation.tokens)
        assert llama_server.is_generating
        cancel.cancel()
        with pytest.raises(Cancelled):
            list(generation.tokens)
        while llama_server.is_generating:
            time.sleep(0.01)
        # The server's own account of what it wrote; all of it, had it not heard of the cancel.
        assert llama_server.counted("tokens_predicted_total") - before < most / 2
        time.sleep(0.05)
        assert not llama_server.is_generating, "it stays idle"


async def test_a_killed_server_costs_one_message(llama_server: LlamaServer) -> None:
    settings = remote_settings(llama_server)
    async with connected(open_engine, settings) as client:
        await client.open_session()
        await client.loaded()
        client.open("def add(first, second):\n    \n")
        assert await suggests(client, 2)
        client.change(3, insertion(1, 4, "r"))
        in_the_middle = client.ghost_text(1, 5)
        llama_server.kill()
        await client.answer(in_the_middle)
        for version in range(4, 8):
            assert not await suggests(client, version)
        llama_server.start()
        version = 8
        while not await suggests(client, version):
            version += 1
            await asyncio.sleep(0.1)
        assert len(client.shown()) == 1
        assert "cannot be reached. Suggestions resume when it is back." in client.shown()[0]


async def suggests(client: Client, version: int) -> bool:
    """Type a key and ask for ghost text, which must be answered."""
    client.change(version, insertion(1, 4, "r" if version % 2 else "s"))
    answer = await client.answer(client.ghost_text(1, 5))
    return bool(answer["result"]["items"])
