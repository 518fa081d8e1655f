"""Proxies and certificates of the environment: honoured, and none asked for this machine."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.engine.base import Engine, EngineError
from dsc_lsp.engine.remote.opening import open_remote
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Settings
from tests.remote.fake_server import Behaviour, Call, answer, models, says, serving
from tests.remote.places import cursor_at
from tests.remote.processes import free_port

HOST = "models.test"  # a name that is nobody's (RFC 6761)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    settings = Settings(
        remote_url=url, remote_plain_http=True, remote_seconds=5, remote_fallback=False
    )
    engine = open_remote(settings, lambda _message, _percent: None)
    try:
        yield engine
    finally:
        engine.close()


def suggest(engine: Engine) -> str:
    cursor = cursor_at("def f(x):\n    \n", 1, 4)
    return complete(cursor, Repository(), Settings(), engine, CancelToken()).text


def test_a_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(says("proxied"), {f"http://{HOST}/v1/models": models()}) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.place}")
        with engine_of(f"http://{HOST}/v1") as engine:
            assert suggest(engine) == "proxied"
            assert proxy.calls[0].path == f"http://{HOST}/v1/completions"


def test_a_host_may_be_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(says("proxied"), {f"http://{HOST}/v1/models": models()}) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.place}")
        monkeypatch.setenv("no_proxy", HOST)
        with engine_of(f"http://{HOST}/v1") as engine:
            with pytest.raises(EngineError, match="cannot be reached"):
                suggest(engine)
        assert not proxy.connections


def test_no_proxy_is_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with serving(says("direct")) as server, engine_of(server.url) as engine:
        assert suggest(engine) == "direct"


def test_tls_goes_through_a_proxy_which_sees_neither_code_nor_key(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(says("pass"), tls=tls_of(certificate)) as server:
        with serving(tunnel_to(server.port)) as proxy:
            monkeypatch.setenv("https_proxy", f"http://{proxy.place}")
            with engine_of(f"https://{HOST}/v1") as engine:
                assert suggest(engine) == "pass"
            assert {(call.method, call.path) for call in proxy.calls} == {
                ("CONNECT", f"{HOST}:443")
            }


def test_a_proxy_that_refuses_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(call: Call) -> None:
        answer(call, "407 Proxy Authentication Required")

    with serving(refuses) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.place}")
        with engine_of(f"https://{HOST}/v1") as engine:
            with pytest.raises(EngineError, match="does not let us through to models"):
                suggest(engine)


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    with serving(says("stolen"), tls=tls_of(certificate)) as server:
        with engine_of(server.url) as engine:
            with pytest.raises(EngineError, match=r"is not trusted\. .*SSL_CERT_FILE"):
                suggest(engine)
            assert not server.calls


def test_a_certificate_of_ones_own_is_trusted_if_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(says("pass"), tls=tls_of(certificate)) as server:
        with engine_of(server.url) as engine:
            assert suggest(engine) == "pass"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate that signs itself, with its key beside it as ``key.pem``."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl")
    folder = tmp_path_factory.mktemp("certificate")
    names = f"subjectAltName=DNS:{HOST},IP:127.0.0.1"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=dsc-lsp tests", "-addext", names,
         "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return folder / "certificate.pem"


def tls_of(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


def tunnel_to(port: int) -> Behaviour:
    """Return what a proxy does at ``CONNECT``, with every name being this machine's."""

    def behave(call: Call) -> None:
        with socket.create_connection(("127.0.0.1", port)) as there:
            call.send("HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(there, call.wire))
            back.start()
            _copy(call.wire, there)
            back.join()
        call.hang_up()

    return behave


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
