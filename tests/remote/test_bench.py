"""``dsc-lsp bench --remote`` measures a server like the local engine."""

import json
from typing import Any

import pytest

from dsc_lsp.cli import bench as cli_bench
from dsc_lsp.cli import main
from dsc_lsp.measure import overhead
from tests.remote.fake_server import answer, says, serving
from tests.remote.llama_server import LlamaServer
from tests.remote.processes import free_port


@pytest.fixture(autouse=True)
def _short_overhead(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server costs without a model is measured elsewhere, and takes seconds."""
    monkeypatch.setattr(cli_bench, "_OVERHEAD_KEYS", "abc")
    monkeypatch.setattr(cli_bench, "_LONG_LINES", 100)
    monkeypatch.setattr(overhead, "_LOOK_SECONDS", 0.0)


def bench(capsys: pytest.CaptureFixture[str], url: str) -> dict[str, Any]:
    arguments = ["bench", "--remote", url, "--limit", "4", "--max-new-tokens", "8", "--json"]
    assert main(arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_a_server_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(says("x = 1")) as server:
        report = bench(capsys, server.url)
        assert report["asked"] == len(server.calls)
    assert report["device"] == "remote"
    assert report["model"] == f"deepseek-coder-6.7b-base at {server.place}"
    assert report["keystroke_ms"]["p50"] >= report["first_token_ms"]["p50"] > 0
    assert report["server_ms"]["p50"] > 0
    assert report["roofline_share"] is None


def test_a_real_server_is_measured(
    llama_server: LlamaServer, capsys: pytest.CaptureFixture[str]
) -> None:
    before = llama_server.counted("n_decode_total")
    report = bench(capsys, f"{llama_server.root}/v1")
    assert llama_server.counted("n_decode_total") - before >= report["asked"] > 0
    assert report["keystroke_ms"]["p50"] >= report["first_token_ms"]["p50"] > 0
    assert report["reused_tokens_median"] > report["prefilled_tokens_median"]
    assert report["decode_tokens_per_second"] > 0


@pytest.mark.parametrize(
    ("status", "told"), [("", "cannot be reached"), ("401 Unauthorized", "asks for a key")]
)
def test_a_server_that_fails_is_told_in_one_line(
    status: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda call: answer(call, status)) as server:
        url = server.url if status else f"http://127.0.0.1:{free_port()}/v1"
        assert main(["bench", "--remote", url, "--limit", "2", "--json"]) == 1
    said = capsys.readouterr()
    assert not said.out
    assert told in said.err
