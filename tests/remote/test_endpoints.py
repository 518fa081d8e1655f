"""Where code may be sent, by the user's own settings."""

import pytest

from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.remote.endpoint import Endpoint, endpoints_of
from dsc_lsp.engine.remote.opening import open_remote
from dsc_lsp.settings import Settings


def endpoint(url: str, **more: object) -> Endpoint:
    (one,) = endpoints_of(Settings(remote_url=url, **more), {"KEY": "k1", "OTHER": "k2"})
    return one


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000/v1/", "http://localhost:8000"),
        ("http://localhost:8000/v1/completions", "http://localhost:8000"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
        ("https://models.example.com/team/v1", "https://models.example.com/team"),
    ],
)
def test_addresses_are_taken_as_people_write_them(url: str, root: str) -> None:
    found = endpoint(url)
    assert found.root == root
    assert found.api == f"{root}/v1"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("127.0.0.1:8000", "is not the address of a server"),
        ("ftp://127.0.0.1", "is not the address of a server"),
        ("http://", "is not the address of a server"),
        ("https://x.example.com/v1?key=1", "is not the address of a server"),
        ("http://[::1", "is not the address of a server"),
        ("https://user:secret@x.example.com/v1", "holds a user or password"),
        ("http://gpu1:8000/v1", "gpu1 would get your code over plain http"),
        ("http://192.168.0.2/v1", "over plain http"),
        ("http://127.0.0.1.example.com/v1", "over plain http"),
        ("http://localhost.example.com/v1", "over plain http"),
    ],
)
def test_addresses_that_cannot_or_must_not_be_used_are_told(url: str, told: str) -> None:
    with pytest.raises(EngineError, match=told) as error:
        endpoints_of(Settings(remote_url=url), {})
    assert "secret" not in str(error.value)


def test_plain_http_may_be_allowed() -> None:
    assert endpoint("http://gpu1:8000/v1", remote_plain_http=True).place == "gpu1:8000"


def test_a_key_comes_from_the_variable_that_is_named_and_is_not_shown() -> None:
    found = endpoint("https://x.example.com", remote_key_variable="KEY")
    assert found.key == "k1"
    assert "k1" not in repr(found)


def test_each_server_may_have_a_key_of_its_own() -> None:
    urls = "https://a.example.com https://b.example.com https://c.example.com"
    settings = Settings(remote_url=urls, remote_key_variable="OTHER - KEY")
    found = endpoints_of(settings, {"KEY": "k1", "OTHER": "k2"})
    assert [one.key for one in found] == ["k2", "", "k1"]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ("MISSING", "MISSING, which `dsc.remoteKeyVariable` names, is not set"),
        ("KEY OTHER", "names 2 variables for 1 servers"),
        ("BROKEN", "BROKEN does not hold a key"),
    ],
)
def test_keys_that_are_not_there_are_told(variables: str, told: str) -> None:
    settings = Settings(remote_url="https://x.example.com", remote_key_variable=variables)
    with pytest.raises(EngineError, match=told):
        endpoints_of(settings, {"KEY": "k1", "OTHER": "k2", "BROKEN": "a\nb"})


def test_a_kind_that_nobody_knows_is_told() -> None:
    settings = Settings(remote_url="http://127.0.0.1:9", remote_server="vlm")
    with pytest.raises(EngineError, match="known are auto, vllm, llama-server, ollama, tgi"):
        open_remote(settings, lambda _message, _percent: None)
