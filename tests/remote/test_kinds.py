"""The kinds of servers: how each is known, what it is sent, and what its answers mean."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dsc_lsp.cancel import CancelToken
from dsc_lsp.engine.base import (
    Engine,
    EngineError,
    GenerationRequest,
    Prompt,
    PromptPart,
    Token,
)
from dsc_lsp.engine.remote.dialects import Ask
from dsc_lsp.engine.remote.opening import open_remote
from dsc_lsp.engine.remote.probe import Manners
from dsc_lsp.engine.remote.servers import SERVERS, Server
from dsc_lsp.engine.remote.vocabulary import find_tokenizer
from dsc_lsp.engine.tokens import CheckpointTokenizer, load_tokenizer
from dsc_lsp.models import DEEPSEEK_CODER_BASE, STARTER
from dsc_lsp.settings import Settings
from tests.checkpoints import write_tokenizer
from tests.remote.fake_server import (
    MODEL,
    Behaviour,
    Call,
    FakeServer,
    answer,
    begin_stream,
    end_stream,
    models,
    says,
    send_part,
    serving,
)

TEXT = "größe <｜fim▁hole｜>"


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    write_tokenizer(path)
    return path


@pytest.fixture(scope="module")
def vocabulary(tokenizer_file: Path) -> CheckpointTokenizer:
    return load_tokenizer(tokenizer_file, DEEPSEEK_CODER_BASE)


@contextmanager
def engine_of(server: FakeServer, **more: object) -> Iterator[Engine]:
    settings = Settings(remote_url=server.url, remote_fallback=False, remote_seconds=5, **more)
    engine = open_remote(settings, lambda _message, _percent: None)
    try:
        yield engine
    finally:
        engine.close()


def said(engine: Engine, tokens: int = 16, *, rank: int = 0) -> list[Token]:
    encode, name = engine.tokenizer.encode, DEEPSEEK_CODER_BASE.begin_of_text
    bos = PromptPart((engine.tokenizer.control(name),), name, control=True)
    prompt = Prompt((bos, PromptPart(encode(TEXT), TEXT)))
    request = GenerationRequest(prompt, tokens, rank=rank)
    return list(engine.generate(request, CancelToken()).tokens)


def sends(*events: dict[str, Any], done: bool = True) -> Behaviour:
    def behave(call: Call) -> None:
        begin_stream(call)
        for event in events:
            send_part(call, f"data: {json.dumps(event)}\n\n")
        end_stream(call, done=done)

    return behave


def counts(
    vocabulary: CheckpointTokenizer, *, adds_bos: bool, takes_ids: bool = True
) -> Behaviour:
    """Answer with a usage as a server with this tokenizer would."""

    def behave(call: Call) -> None:
        prompt = call.body["prompt"]
        if isinstance(prompt, list) and not takes_ids:
            answer(call, "400 Bad Request")
            return
        text = isinstance(prompt, str)
        number = len(vocabulary.encode(prompt)) + adds_bos if text else len(prompt)
        said = {"choices": [{"text": "x"}], "usage": {"prompt_tokens": number}}
        answer(call, "200 OK", json.dumps(said), "Content-Type: application/json")

    return behave


def manners_of(engine: Any) -> Manners:
    known = engine.servers[0].acquaintance
    assert known is not None
    return known.manners


@pytest.mark.parametrize(
    ("kind", "pages"),
    [
        ("vllm", {"/v1/models": models("vllm", max_model_len=16384)}),
        ("llama-server", {"/v1/models": models("llamacpp")}),
        ("ollama", {"/v1/models": models("library"), "/api/version": {"version": "0.12"}}),
        ("tgi", {"/info": {"model_id": MODEL, "max_total_tokens": 4096}}),
        ("transformers", {"/v1/models": models(), "/openapi.json": {"paths": {"/load_model": 1}}}),
        ("generic", {"/v1/models": models("someone"), "/openapi.json": {"paths": {}}}),
        ("generic", {"/v1/models": models("someone"), "/openapi.json": [], "/info": "x"}),
    ],
)  # fmt: skip
def test_a_server_is_known_by_its_signs(kind: str, pages: dict[str, Any]) -> None:
    with serving(says("x"), pages) as server, engine_of(server) as engine:
        found = engine.servers[0].acquaintance.found  # type: ignore[attr-defined]
        assert found.server.name == kind
        assert found.context_tokens == {"vllm": 16384, "tgi": 4096}.get(kind)


def test_the_user_may_say_what_it_is() -> None:
    with serving(says("x")) as server, engine_of(server, remote_server="tgi") as engine:
        assert engine.servers[0].acquaintance.found.server.name == "tgi"  # type: ignore[attr-defined]


@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("takes_ids", [True, False])
def test_how_to_ask_is_probed(
    tokenizer_file: Path,
    vocabulary: CheckpointTokenizer,
    *,
    adds_bos: bool,
    takes_ids: bool,
) -> None:
    behaviour = counts(vocabulary, adds_bos=adds_bos, takes_ids=takes_ids)
    with serving(behaviour, answers_probes=False) as server:
        with engine_of(server, remote_tokenizer=str(tokenizer_file)) as engine:
            manners = manners_of(engine)
            assert manners == Manners(takes_ids, adds_bos, True, 0)
            said(engine)
            prompt = server.calls[-1].body["prompt"]
            escaped = TEXT.replace("<｜", "< ｜")
            bos = DEEPSEEK_CODER_BASE.begin_of_text
            if takes_ids:
                assert prompt == [vocabulary.control(bos), *vocabulary.encode(TEXT)]
            else:
                assert prompt == (escaped if adds_bos else bos + escaped)
            assert "suffix" not in server.calls[-1].body


def test_a_tokenizer_that_counts_otherwise_is_not_used(tokenizer_file: Path) -> None:
    def behave(call: Call) -> None:
        said = {"choices": [{"text": "x"}], "usage": {"prompt_tokens": 3}}
        answer(call, "200 OK", json.dumps(said), "Content-Type: application/json")

    with serving(behave, answers_probes=False) as server:
        with engine_of(server, remote_tokenizer=str(tokenizer_file)) as engine:
            assert manners_of(engine).tokenizer_fits is False
            assert isinstance(server.calls[-1].body["prompt"], str)
            said(engine)
            assert isinstance(server.calls[-1].body["prompt"], str)


def test_only_standard_fields_go_to_a_server_of_unknown_kind() -> None:
    with serving(says("x")) as server, engine_of(server) as engine:
        said(engine)
        assert set(server.calls[0].body) == {
            "model",
            "prompt",
            "max_tokens",
            "temperature",
            "stream",
        }


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_a_suffix_is_never_sent(server: Server) -> None:
    """What servers make of it differs: nothing, text behind the answer, an error."""
    body = server.request(Ask("model", "prompt", 4, (1,), 2))
    assert "suffix" not in json.dumps(body)
    assert body.get("stream", server.name == "tgi") is True, "what is streamed can be cancelled"


def test_the_tokenizer_that_was_pulled_is_found_by_the_models_name(
    tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``dsc-lsp pull --tokenizer-only`` leaves it in the hub's cache, for any size served."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--deepseek-ai--deepseek-coder-1.3b-base"
    snapshot = repository / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    (snapshot / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    for name in ("deepseek-ai/deepseek-coder-1.3b-base", "deepseek-coder-33b-base"):
        found = find_tokenizer("", name, DEEPSEEK_CODER_BASE)
        assert found is not None
        assert found.encode("def") == load_tokenizer(tokenizer_file, DEEPSEEK_CODER_BASE).encode(
            "def"
        )
    assert find_tokenizer("", "starter", STARTER) is not None, "it ships with the package"


def test_a_tokenizer_that_is_named_and_not_there_is_told(tmp_path: Path) -> None:
    for wanted in ("nobody/nothing", str(tmp_path)):
        with pytest.raises(EngineError, match=r"tokenizer"):
            find_tokenizer(wanted, MODEL, DEEPSEEK_CODER_BASE)


def test_vllm_tells_ids_and_is_told_where_to_stop(
    tokenizer_file: Path, vocabulary: CheckpointTokenizer
) -> None:
    ids = vocabulary.encode("ö")
    assert len(ids) == 2
    stop = vocabulary.control(DEEPSEEK_CODER_BASE.stop[0])
    first = {"text": "", "token_ids": [ids[0]], "logprobs": {"token_logprobs": [-0.25]}}
    rest = {
        "text": "ö!",
        "token_ids": [ids[1], *vocabulary.encode("!"), stop],
        "logprobs": {"token_logprobs": [-0.5, -1.0, -0.1]},
    }
    behaviour = sends({"choices": [first]}, {"choices": [rest]}, {"choices": [], "usage": {}})
    with serving(behaviour, {"/v1/models": models("vllm")}) as server:
        with engine_of(server, remote_tokenizer=str(tokenizer_file)) as engine:
            tokens = said(engine)
        assert b"".join(token.data for token in tokens).decode() == "ö!"
        assert [token.logprob for token in tokens] == [-0.25, -0.5, -1.0]
        body = server.calls[0].body
        assert stop in body["stop_token_ids"]
        assert body["add_special_tokens"] is False


def test_llama_server_tells_bytes_without_a_tokenizer_of_ours() -> None:
    entries = [
        {"id": 5, "token": "", "bytes": [0xC3], "logprob": -0.5},
        {"id": 6, "token": "", "bytes": [0xB6], "logprob": -0.25},
    ]
    events = [{"choices": [{"text": "", "logprobs": {"content": [entry]}}]} for entry in entries]
    with serving(sends(*events), {"/v1/models": models("llamacpp")}) as server:
        with engine_of(server) as engine:
            tokens = said(engine)
    assert b"".join(token.data for token in tokens).decode() == "ö"
    assert [(token.id, token.logprob) for token in tokens] == [(5, -0.5), (6, -0.25)]


def test_ollama_is_asked_in_its_own_words() -> None:
    def behave(call: Call) -> None:
        lines = [{"response": "re"}, {"response": "turn"}, {"done": True, "done_reason": "length"}]
        body = "\n".join(map(json.dumps, lines))
        answer(call, "200 OK", body, "Content-Type: application/x-ndjson")

    pages = {"/v1/models": models("library"), "/api/version": {"version": "0.12.11"}}
    with serving(behave, pages) as server, engine_of(server) as engine:
        tokens = said(engine, 8)
        call = server.calls[0]
    assert b"".join(token.data for token in tokens) == b"return"
    assert len(tokens) == 8, "it was cut"
    assert call.path == "/api/generate"
    assert call.body["raw"] is True
    assert call.body["prompt"] == TEXT.replace("<｜", "< ｜"), "Ollama begins the text itself"
    assert call.body["options"] == {"num_predict": 8, "temperature": 0}


def test_tgi_is_asked_in_its_own_words() -> None:
    events = [
        {"token": {"id": 1, "text": "pass", "logprob": -0.5, "special": False}},
        {
            "token": {"id": 2, "text": "\n", "logprob": -0.25, "special": False},
            "details": {"finish_reason": "length"},
        },
    ]
    pages = {"/info": {"model_id": MODEL, "max_total_tokens": 4096}}
    with serving(sends(*events, done=False), pages) as server, engine_of(server) as engine:
        tokens = said(engine, 2)
        call = server.calls[0]
    assert [(token.data, token.logprob) for token in tokens] == [(b"pass", -0.5), (b"\n", -0.25)]
    assert call.path == "/generate_stream"
    assert call.body["parameters"]["do_sample"] is False


def test_the_model_to_ask_for_may_be_named() -> None:
    with serving(says("x")) as server, engine_of(server, remote_model="other") as engine:
        said(engine)
        assert server.calls[0].body["model"] == "other"
        assert engine.name == f"other at {server.place}"


def test_a_control_token_written_out_ends_the_answer() -> None:
    behaviour = says("return x<｜fim", "▁end｜>", "more")
    with serving(behaviour) as server, engine_of(server) as engine:
        assert b"".join(token.data for token in said(engine)) == b"return x"


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        (
            {"/v1/models": {"object": "list", "data": []}},
            r"names no model\. Set `dsc\.remoteModel`",
        ),
        ({"/openapi.json": {"paths": {"/load_model": {}}}}, "names no model"),
        ({"/v1/models": {"detail": "hello"}}, "something else than completions"),
        ({}, "something else than completions"),
    ],
)
def test_a_server_that_names_no_model_is_told_apart_from_something_else(
    pages: dict[str, Any], told: str
) -> None:
    with serving(says("x"), pages) as server, engine_of(server) as engine:
        with pytest.raises(EngineError, match=told):
            said(engine)
        with engine_of(server, remote_model="mine") as named:
            assert said(named)
