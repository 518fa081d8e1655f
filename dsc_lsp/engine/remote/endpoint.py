"""Where a server is, and what may be sent there: the user's words checked once."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2

from dsc_lsp.engine.base import EngineError
from dsc_lsp.settings import Settings

_NO_KEY = "-"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server.

    ``root`` is its address without ``/v1`` (``http://gpu1:8000``), ``api`` the base of the
    OpenAI-compatible paths (``http://gpu1:8000/v1``), ``place`` host and port for messages.
    ``key`` is sent to this place only and never shown; ``key_variable`` is where it came from.
    """

    root: str
    api: str
    place: str
    key_variable: str
    key: str = field(repr=False)
    is_loopback: bool


def endpoints_of(
    settings: Settings, environment: Mapping[str, str] = os.environ
) -> list[Endpoint]:
    """Return the servers that the settings name, in the user's order.

    Raises:
        EngineError: an address or key cannot be used; the message says what to write instead.
    """
    urls = settings.remote_url.split()
    variables = settings.remote_key_variable.split()
    if len(variables) > 1 and len(variables) != len(urls):
        raise EngineError(
            f"`dsc.remoteKeyVariable` names {len(variables)} variables for {len(urls)} servers."
            " Name one for all, or one for each (`-` for a server without a key)."
        )
    if not variables:
        variables = [_NO_KEY]
    if len(variables) == 1:
        variables *= len(urls)
    return [
        _endpoint(url, variable, environment, plain_allowed=settings.remote_plain_http)
        for url, variable in zip(urls, variables, strict=True)
    ]


def _endpoint(
    text: str, variable: str, environment: Mapping[str, str], *, plain_allowed: bool
) -> Endpoint:
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError):
        url = httpx2.URL("")
    if url.userinfo:
        raise EngineError(
            "`dsc.remoteUrl` holds a user or password. Put the key into an environment variable"
            " and name that in `dsc.remoteKeyVariable`."
        )
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise EngineError(
            f"`dsc.remoteUrl` has {text!r}, which is not the address of a server."
            " Write it like http://127.0.0.1:8000/v1 or https://models.example.com/v1."
        )
    loopback = _is_loopback(url.host)
    if url.scheme == "http" and not loopback and not plain_allowed:
        raise EngineError(
            f"{url.host} would get your code over plain http, readable on the way. Use https,"
            " or set `dsc.remotePlainHttp` in your user settings if you trust that network."
        )
    path = url.path.rstrip("/").removesuffix("/completions").removesuffix("/v1").rstrip("/")
    root = str(url.copy_with(path=path or "/")).rstrip("/")
    return Endpoint(
        root=root,
        api=f"{root}/v1",
        place=url.netloc.decode("ascii"),
        key_variable="" if variable == _NO_KEY else variable,
        key="" if variable == _NO_KEY else _key(variable, environment),
        is_loopback=loopback,
    )


def _key(variable: str, environment: Mapping[str, str]) -> str:
    key = environment.get(variable, "").strip()
    if not key:
        raise EngineError(
            f"The environment variable {variable}, which `dsc.remoteKeyVariable` names, is not"
            " set. Set it where your editor is started; a key does not belong into settings."
        )
    if not (key.isascii() and key.isprintable()):
        raise EngineError(f"The environment variable {variable} does not hold a key.")
    return key


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
