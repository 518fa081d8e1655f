"""``dsc-lsp pull`` against a hub on loopback."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from dsc_lsp.cli import main
from dsc_lsp.engine.remote.vocabulary import find_tokenizer
from dsc_lsp.models import DEEPSEEK_CODER_BASE
from tests.checkpoints import write_tokenizer

MODEL = "somebody/deepseek-coder-tiny-base"
COMMIT = "1" * 40


class Hub:
    """Serves the files of one model, and counts what was fetched."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.fetched: list[str] = []
        self.refusal: tuple[int, str] | None = None


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("models") / "tokenizer.json"
    write_tokenizer(path)
    weights = {"model.safetensors": b"w" * 10_000, "pytorch_model.bin": b"pickle"}
    return {
        "tokenizer.json": path.read_bytes(),
        "config.json": b"{}",
        "README.md": b"# Tiny",
        **weights,
    }


@pytest.fixture
def hub(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub(dict(files))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


def pull(*arguments: str) -> int:
    return main(["pull", MODEL, *arguments])


def test_a_model_is_fetched_without_what_could_run_code(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull() == 0
    output = capsys.readouterr()
    directory = Path(output.out.strip())
    assert {path.name for path in directory.iterdir()} == set(hub.files) - {"pytorch_model.bin"}
    assert (directory / "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    assert f'Use it with `dsc.model = "{MODEL}"`.' in output.err


def test_the_tokenizer_alone_serves_a_remote_model(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull("--tokenizer-only") == 0
    assert hub.fetched == ["tokenizer.json"]
    assert f'Use it with `dsc.remoteTokenizer = "{MODEL}"`.' in capsys.readouterr().err
    named = find_tokenizer(MODEL, "alias", DEEPSEEK_CODER_BASE)
    found = find_tokenizer("", MODEL, DEEPSEEK_CODER_BASE)
    assert named is not None
    assert found is not None
    assert named.encode("x = 1\n") == found.encode("x = 1\n")


def test_what_is_here_is_not_fetched_again(hub: Hub) -> None:
    assert pull() == 0
    hub.fetched.clear()
    assert pull() == 0
    assert not hub.fetched


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ((401, "GatedRepo"), "wants you to accept its terms"),
        ((404, "RepoNotFound"), f"the hub has no model {MODEL}"),
        ((500, ""), "answers with HTTP 500. Try again."),
    ],
    ids=str,
)
def test_what_the_hub_refuses_is_one_line(
    hub: Hub, refusal: tuple[int, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.refusal = refusal
    assert pull() == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert told in lines[0]


def test_a_hub_that_cannot_be_reached_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert pull() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the hub (http://127.0.0.1:9) cannot be reached" in line
    assert "may be a directory" in line


def test_weights_in_other_formats_are_not_fetched(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    del hub.files["model.safetensors"]
    assert pull() == 1
    assert "has no *.safetensors" in capsys.readouterr().err
    assert not hub.fetched


def test_a_disk_too_small_is_told_first(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 10})())
    assert pull() == 1
    assert "Make room, or set HF_HOME to another disk" in capsys.readouterr().err
    assert not hub.fetched


@pytest.mark.parametrize("name", ["deepseek-coder", "./here", "a/b/c", "/models/x"])
def test_what_is_no_hub_id_is_a_usage_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", name]) == 2
    assert "is not a hub id" in capsys.readouterr().err


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - four kinds of answers
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            """Say nothing."""

        def _answer(self, *, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            if hub.refusal is not None:
                code, reason = hub.refusal
                self._send(code, b"{}", {"X-Error-Code": reason}, with_body=with_body)
            elif path.startswith(f"/api/models/{MODEL}/tree/"):
                self._send(200, json.dumps(_tree(hub)).encode(), {}, with_body=with_body)
            elif path.startswith(f"/api/models/{MODEL}"):
                info = {"id": MODEL, "sha": COMMIT, "siblings": []}
                self._send(200, json.dumps(info).encode(), {}, with_body=with_body)
            else:
                name = path.rsplit("/", 1)[-1]
                if with_body:
                    hub.fetched.append(name)
                data = hub.files[name]
                headers = {"ETag": f'"{_digest(data)}"', "X-Repo-Commit": COMMIT}
                self._send(200, data, headers, with_body=with_body)

        def _send(
            self, code: int, data: bytes, headers: dict[str, str], *, with_body: bool
        ) -> None:
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(data)

    return Handler


def _tree(hub: Hub) -> list[dict[str, Any]]:
    return [
        {"type": "file", "path": name, "size": len(data), "oid": _digest(data)}
        for name, data in hub.files.items()
    ]


def _digest(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()  # noqa: S324 - git's blob ids are
