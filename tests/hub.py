"""A hub of models on loopback, as huggingface_hub and ``dsc-lsp pull`` see one.

``python -m tests.hub`` serves `SHELF` until its input ends, and says where.
"""

import hashlib
import json
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "1" * 40


@dataclass
class Model:
    """What the hub has of one model, and how it serves it.

    Large files (``*.safetensors``) are served by another host, as on the real hub. ``breaks`` says
    after how many bytes each of the next answers with such a file breaks off, ``stalls`` that they
    stop at their half until one asks for the rest.
    """

    files: dict[str, bytes]
    refusal: tuple[int, str] | None = None
    claimed_size: int | None = None
    is_damaged: bool = False
    breaks: list[int] = field(default_factory=list)
    stalls: bool = False
    has_ranges: bool = True


@dataclass
class Hub:
    """A hub that runs. ``fetched`` are the files that were asked for, with what of them."""

    models: dict[str, Model]
    address: str = ""
    fetched: list[tuple[str, str | None]] = field(default_factory=list)
    tokens: list[tuple[str, str | None]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve(models: dict[str, Model]) -> Generator[Hub]:
    """Serve some models on loopback."""
    hub = Hub(models)
    server = _Server(hub)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        hub.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have gone."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two small writes: else the second waits for the other side's ACK, 40 ms.
    disable_nagle_algorithm = True

    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, _Server)
        return self.server.hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        """Say nothing."""

    def _answer(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/")
        owner, repository, *_ = path.removeprefix("api/models/").split("/")
        name = f"{owner}/{repository}"
        model = self.hub.models.get(name)
        if model is None or model.refusal:
            code, reason = (model and model.refusal) or (404, "RepoNotFound")
            self._send(code, b"{}", {"X-Error-Code": reason})
        elif "/tree/" in path:
            self._send(200, json.dumps(_tree(model)).encode(), {})
        elif path.startswith("api/models/"):
            siblings = [{"rfilename": file} for file in model.files]
            info = {"id": name, "sha": COMMIT, "siblings": siblings}
            self._send(200, json.dumps(info).encode(), {})
        else:
            self._file(model, path)

    def _file(self, model: Model, path: str) -> None:
        name = path.rsplit("/", 1)[-1]
        data = model.files[name]
        headers = {"X-Repo-Commit": COMMIT}
        if is_large(name) and "/resolve/" in path:
            there = path.replace("/resolve/", "/cdn/")
            headers["Location"] = f"http://localhost:{self.hub.address.rsplit(':', 1)[-1]}/{there}"
            headers["X-Linked-Etag"] = f'"{etag(name, data)}"'
            headers["X-Linked-Size"] = str(model.claimed_size or len(data))
            self._send(302, b"", headers)
            return
        if self.command == "GET":
            self.hub.fetched.append((name, self.headers.get("Range")))
            self.hub.tokens.append((path.split("/")[2], self.headers.get("Authorization")))
        headers["ETag"] = f'"{etag(name, data)}"'
        if is_large(name):
            self._large(model, data, headers)
        else:
            self._send(200, data, headers)

    def _large(self, model: Model, data: bytes, headers: dict[str, str]) -> None:
        if model.is_damaged:
            data = data[::-1]
        breaks = model.breaks.pop(0) if model.breaks else None
        wanted = self.headers.get("Range")
        if wanted and model.has_ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._send(206, data[start:], headers, breaks)
        elif model.stalls:
            self._send(200, data, headers, len(data) // 2, stalls=True)
        else:
            self._send(200, data, headers, breaks)

    def _send(
        self,
        code: int,
        data: bytes,
        headers: Mapping[str, str],
        breaks: int | None = None,
        *,
        stalls: bool = False,
    ) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[:breaks])
        if breaks is not None:
            self.wfile.flush()
            self.close_connection = True
        if stalls:
            self.hub.ending.wait()


def is_large(name: str) -> bool:
    """Whether the hub keeps a file apart."""
    return name.endswith(".safetensors")


def etag(name: str, data: bytes) -> str:
    """Return the hub's checksum of a file."""
    if is_large(name):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - as git does


def _tree(model: Model) -> list[dict[str, Any]]:
    return [
        {"type": "file", "path": name, "size": len(data), "oid": etag("", data)}
        for name, data in model.files.items()
    ]


def _shelf() -> dict[str, Model]:
    files = {
        "config.json": b'{"model_type": "llama"}',
        "tokenizer.json": b"{}",
        "model.safetensors": bytes(range(256)) * 40_000,
        "pytorch_model.bin": b"pickle",
    }
    pickled = {name: data for name, data in files.items() if not is_large(name)}
    return {
        "somebody/deepseek-coder-tiny-base": Model(files),
        "somebody/deepseek-coder-slow-base": Model(files, stalls=True),
        "somebody/deepseek-coder-huge-base": Model(files, claimed_size=10**16),
        "somebody/deepseek-coder-damaged-base": Model(files, is_damaged=True),
        "somebody/deepseek-coder-pickled-base": Model(pickled),
        "somebody/deepseek-coder-gated-base": Model(files, refusal=(401, "GatedRepo")),
    }


if __name__ == "__main__":
    with serve(_shelf()) as running:
        sys.stdout.write(f"{running.address}\n")
        sys.stdout.flush()
        sys.stdin.read()
