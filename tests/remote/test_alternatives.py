"""Other answers than the likeliest: begun with another of the tokens that a server tells."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.tokens import CheckpointTokenizer
from dsc_lsp.settings import Settings
from tests.protocol.client import connected, inline_params
from tests.remote.fake_server import (
    MODEL,
    Behaviour,
    Call,
    answer,
    begin_stream,
    end_stream,
    models,
    send_part,
    serving,
)
from tests.remote.test_kinds import TEXT, engine_of, said, tokenizer_file, vocabulary

__all__ = ["tokenizer_file", "vocabulary"]

BLANK = (" ", -0.1, [(" ", -0.1), ("x", -3.0)])
FIRST = (
    "return",
    -0.2,
    [
        ("return", -0.2),
        (" return", -1.0),  # the same but for a blank
        ("raise", -2.5),
        ("pass", -2.0),
        ("\n", -3.0),
        ("<｜end▁of▁sentence｜>", -4.0),
    ],
)
Place = tuple[str, float, list[tuple[str, float]]]


def legacy(place: Place) -> dict[str, Any]:
    text, logprob, others = place
    told = {"tokens": [text], "token_logprobs": [logprob], "top_logprobs": [dict(others)]}
    return {"choices": [{"text": text, "logprobs": told}]}


def of_llama_server(place: Place) -> dict[str, Any]:
    def entry(text: str, logprob: float) -> dict[str, Any]:
        return {"id": 7, "token": text, "bytes": list(text.encode()), "logprob": logprob}

    text, logprob, others = place
    told = entry(text, logprob) | {"top_logprobs": [entry(*other) for other in others]}
    return {"choices": [{"text": text, "logprobs": {"content": [told]}}]}


def of_ollama(place: Place) -> dict[str, Any]:
    told = of_llama_server(place)["choices"][0]["logprobs"]["content"]
    return {"response": place[0], "logprobs": told}


def of_tgi(place: Place) -> dict[str, Any]:
    def token(text: str, logprob: float) -> dict[str, Any]:
        return {"id": 7, "text": text, "logprob": logprob}

    text, logprob, others = place
    return {"token": token(text, logprob), "top_tokens": [token(*other) for other in others]}


def prompt_of(call: Call) -> str:
    return call.body["prompt"] if "prompt" in call.body else call.body["inputs"]


def goes_on(event: Callable[[Place], dict[str, Any]], *, is_sse: bool = True) -> Behaviour:
    """Tell the likeliest tokens at two places; behind ``pass`` and ``raise``, go on with them."""

    def behave(call: Call) -> None:
        prompt = prompt_of(call)
        places = [BLANK, FIRST]
        if prompt.endswith(" pass"):
            places = [("\n", -0.5, [])]
        elif prompt.endswith(" raise"):
            places = [(" Error", -0.5, [])]
        lines = [json.dumps(event(place)) for place in places]
        if not is_sse:
            answer(call, "200 OK", "\n".join(lines), "Content-Type: application/x-ndjson")
            return
        begin_stream(call)
        for line in lines:
            send_part(call, f"data: {line}\n\n")
        end_stream(call, done=False)

    return behave


@pytest.mark.parametrize(
    ("pages", "event", "field"),
    [
        ({"/v1/models": models("someone")}, legacy, {"logprobs": 5}),
        ({"/v1/models": models("vllm")}, legacy, {"logprobs": 20}),
        ({"/v1/models": models("llamacpp")}, of_llama_server, {"logprobs": 20}),
        (
            {"/v1/models": models("library"), "/api/version": {"version": "0.12.11"}},
            of_ollama,
            {"logprobs": True, "top_logprobs": 20},
        ),
        ({"/info": {"model_id": MODEL, "max_total_tokens": 4096}}, of_tgi, {"top_n_tokens": 5}),
    ],
)
def test_each_kind_tells_what_else_was_likely(
    pages: dict[str, Any], event: Callable[[Place], dict[str, Any]], field: dict[str, Any]
) -> None:
    behaviour = goes_on(event, is_sse=event is not of_ollama)
    with serving(behaviour, pages) as server, engine_of(server) as engine:
        texts = [b"".join(t.data for t in said(engine, 5, rank=rank)) for rank in range(5)]
        assert texts == [b" return", b" pass\n", b" raise Error", b"", b""]
        tokens = said(engine, 5, rank=1)
        assert [token.logprob for token in tokens] == [-0.1, -2.0, -0.5]
        asked = [call.body for call in server.calls]
    looks = [body for body in asked if field.items() <= (body.get("parameters") or body).items()]
    assert len(looks) == 1, "one look serves all alternatives"
    assert not any("return_tokens_as_token_ids" in body for body in asked), "texts are read here"
    assert len(asked) == 1 + 1 + 3


def test_a_prompt_of_ids_goes_on_with_ids(
    tokenizer_file: Path, vocabulary: CheckpointTokenizer
) -> None:
    """As vLLM tells them; a server that names tokens by their text has them encoded."""
    ids = {text: vocabulary.encode(text) for text in ("a", "b", "c")}
    stop = vocabulary.control("<｜end▁of▁sentence｜>")
    likely = {f"token_id:{ids['a'][0]}": -0.1, f"token_id:{stop}": -0.5, "b": -1.0}
    likely[f"token_id:{ids['c'][0]}"] = -2.0

    def behave(call: Call) -> None:
        begin_stream(call)
        told = {"token_logprobs": [-0.1], "top_logprobs": [likely]}
        choice = {"text": "a", "token_ids": list(ids["a"]), "logprobs": told}
        send_part(call, f"data: {json.dumps({'choices': [choice]})}\n\n")
        end_stream(call)

    with serving(behave, {"/v1/models": models("vllm")}) as server:
        with engine_of(server, remote_tokenizer=str(tokenizer_file)) as engine:
            for rank, text in ((1, "b"), (2, "c")):
                tokens = said(engine, 3, rank=rank)
                assert b"".join(token.data for token in tokens) == f"{text}a".encode()
                assert tuple(server.calls[-1].body["prompt"][-1:]) == ids[text]
                assert server.calls[-1].body["max_tokens"] == 2
            assert not said(engine, rank=3)
        assert server.calls[0].body["return_tokens_as_token_ids"] is True


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Content"])
def test_a_server_that_refuses_the_question_has_no_alternatives(status: str) -> None:
    def behave(call: Call) -> None:
        if "logprobs" in call.body:
            answer(call, status)
        else:
            goes_on(legacy)(call)

    with serving(behave) as server, engine_of(server) as engine:
        assert not said(engine, rank=1)
        assert not said(engine, rank=2)
        assert len(server.calls) == 1, "it is asked once"
        assert said(engine), "and is no worse for it"


def test_a_kind_that_tells_nothing_is_not_asked() -> None:
    pages = {"/v1/models": models(), "/openapi.json": {"paths": {"/load_model": 1}}}
    with serving(goes_on(legacy), pages) as server, engine_of(server) as engine:
        assert not said(engine, rank=1)
        assert not server.calls


def test_a_server_that_fails_at_it_is_told_like_at_any_question() -> None:
    def behave(call: Call) -> None:
        answer(call, "500 Internal Server Error")

    with serving(behave) as server, engine_of(server) as engine:
        with pytest.raises(EngineError, match="500"):
            said(engine, rank=1)


def test_half_a_character_is_no_beginning() -> None:
    def event(_place: Place) -> dict[str, Any]:
        def entry(data: bytes, logprob: float) -> dict[str, Any]:
            return {"id": 7, "token": "", "bytes": list(data), "logprob": logprob}

        likely = [entry(b"a", -0.1), entry(b"\xe4\xbb", -0.5), entry("价".encode(), -1.0)]
        told = entry(b"a", -0.1) | {"top_logprobs": likely}
        return {"choices": [{"text": "a", "logprobs": {"content": [told]}}]}

    with serving(goes_on(event), {"/v1/models": models("llamacpp")}) as server:
        with engine_of(server) as engine:
            assert b"".join(t.data for t in said(engine, 1, rank=1)).decode() == "价"
            assert not said(engine, 1, rank=2)
    assert TEXT.replace("<｜", "< ｜") == server.calls[0].body["prompt"]


async def test_who_asks_in_an_editor_gets_several() -> None:
    with serving(goes_on(legacy)) as server:
        settings = Settings(remote_url=server.url, remote_fallback=False, remote_seconds=5)
        async with connected(open_engine, settings) as client:
            await client.open_session()
            await client.loaded()
            client.open("def f(x):\n    \n")
            asked = inline_params(1, 4) | {"context": {"triggerKind": 1}}
            answer = await client.request("textDocument/inlineCompletion", asked)
    texts = [item["insertText"].strip() for item in answer["result"]["items"]]
    assert texts == ["return", "pass", "raise Error"]
