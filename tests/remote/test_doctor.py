"""What ``dsc-lsp doctor`` says of servers, healthy and not."""

import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from dsc_lsp import doctor
from dsc_lsp.doctor import Finding, Verdict
from dsc_lsp.engine.tokens import CheckpointTokenizer
from dsc_lsp.settings import Parsed, Settings
from tests.remote.fake_server import (
    MODEL,
    Call,
    answer,
    begin_stream,
    end_stream,
    event,
    models,
    says,
    send_part,
    serving,
)
from tests.remote.processes import free_port
from tests.remote.test_kinds import counts, tokenizer_file, vocabulary

__all__ = ["tokenizer_file", "vocabulary"]


@pytest.fixture(autouse=True)
def _no_grammars(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading them all takes its time, and is tested elsewhere."""
    monkeypatch.setattr(doctor, "_grammars", lambda: Finding(Verdict.GOOD, "grammars", ""))


def findings(url: str, **more: object) -> list[Finding]:
    """Return what is said of the servers, before the device is looked at."""
    settings = Settings(remote_url=url, remote_fallback=False, remote_seconds=3, **more)
    found: Iterator[Finding] = doctor.examine(Parsed(settings, ()))
    return [one for one in takewhile(lambda f: f.subject != "device", found)
            if one.subject == "server"]  # fmt: skip


def test_a_healthy_server_without_a_tokenizer_of_ours() -> None:
    stopped: list[bool] = []

    def behave(call: Call) -> None:
        begin_stream(call)
        for _ in range(3):
            send_part(call, event("x"))
        stopped.append(call.is_gone(2))

    with serving(behave, {"/v1/models": models(max_model_len=4096)}) as server:
        found = findings(server.url)
        assert [one.verdict for one in found] == [Verdict.GOOD, Verdict.NOTE, Verdict.GOOD]
        assert f"{server.place} is generic with {MODEL}; first token" in found[0].text
        assert "no tokenizer of this model is here" in found[1].text
        assert f"`dsc-lsp pull {MODEL} --tokenizer-only`" in found[1].advice
        assert found[2].text.startswith("cancel works: a token right after a cancelled answer")
        assert len(server.probes) > 5, "the first token is timed several times"
    assert stopped == [True], "a long answer was cancelled, and the server has seen it"


@pytest.mark.parametrize(
    ("adds_bos", "takes_ids", "verdict", "text"),
    [
        (True, True, Verdict.GOOD, "prompts go as token ids, exact"),
        (False, False, Verdict.NOTE, "it takes no token ids; prompts go as text"),
        (5, True, Verdict.BAD, "our tokenizer counts otherwise than the server"),
    ],
)
def test_whether_prompts_go_as_ids(
    tokenizer_file: Path,
    vocabulary: CheckpointTokenizer,
    adds_bos: bool,  # noqa: FBT001
    takes_ids: bool,  # noqa: FBT001
    verdict: Verdict,
    text: str,
) -> None:
    behaviour = counts(vocabulary, adds_bos=adds_bos, takes_ids=takes_ids)
    with serving(behaviour, answers_probes=False) as server:
        found = findings(server.url, remote_tokenizer=str(tokenizer_file))
    assert any((one.verdict, one.text[: len(text)]) == (verdict, text) for one in found)


def test_a_server_of_several_models_and_its_context() -> None:
    listed = models("vllm", max_model_len=8192)
    listed["data"].append({"id": "other", "owned_by": "vllm"})
    with serving(says("x"), {"/v1/models": listed}) as server:
        found = findings(server.url)
    assert f"is vllm with {MODEL}, 8192 tokens of context; first token" in found[0].text
    assert found[1].text == f"it serves {MODEL}, other"
    assert "`dsc.remoteModel`" in found[1].advice


def test_a_server_that_goes_on_with_what_nobody_waits_for() -> None:
    busy: list[float] = [0.0]

    def behave(call: Call) -> None:
        """Answer one request after the other, each to its end."""
        time.sleep(max(0.0, busy[0] - time.monotonic()))
        if call.body["max_tokens"] > 1:
            busy[0] = time.monotonic() + 0.6
        begin_stream(call)
        send_part(call, event("x"))
        end_stream(call)

    with serving(behave, answers_probes=False) as server:
        last = findings(server.url)[-1]
    assert last.verdict is Verdict.NOTE
    assert "goes on with cancelled answers" in last.advice


def test_servers_that_do_not_answer_and_one_that_does() -> None:
    def refuse(call: Call) -> None:
        answer(call, "401 Unauthorized")

    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    with serving(says("x")) as server, serving(refuse, answers_probes=False) as refusing:
        found = findings(f"{nowhere} {refusing.url} {server.url}")
    assert [one.verdict for one in found[:3]] == [Verdict.BAD, Verdict.BAD, Verdict.GOOD]
    assert "cannot be reached" in found[0].text
    assert "key" in found[1].text
    assert server.place in found[2].text


def test_a_key_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    found = findings("https://example.invalid/v1", remote_key_variable="NO_SUCH_KEY")
    assert [one.verdict for one in found] == [Verdict.BAD]
    assert "NO_SUCH_KEY" in found[0].text
