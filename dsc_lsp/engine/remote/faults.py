"""What can go wrong with a server, in words for the user: never its answer, never our question."""

from dataclasses import dataclass

import httpx2

from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.remote.endpoint import Endpoint


class RemoteError(EngineError):
    """A server cannot answer.

    ``is_down`` says that the server itself is not to be had for now, so that asking again at once
    is of no use. ``retry_seconds`` is set where the same question may be asked again: after so
    long, if nothing was generated. ``status`` is HTTP's, ``None`` if it came to none.
    """

    def __init__(
        self,
        message: str,
        *,
        is_down: bool = False,
        retry_seconds: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.is_down = is_down
        self.status = status
        self.retry_seconds = retry_seconds


@dataclass(frozen=True, slots=True)
class _Status:
    text: str
    is_down: bool = False
    retry_seconds: float | None = None


_STATUSES = {
    400: _Status(
        "does not understand the request (HTTP 400). Its context may be shorter than"
        " `dsc.contextTokens`; `dsc-lsp doctor` says what it understands."
    ),
    402: _Status("asks for payment (HTTP 402)."),
    404: _Status(
        "has no such model or no completions (HTTP 404). Set `dsc.remoteModel` to a model that it"
        " serves, and `dsc.remoteUrl` to an address that ends in /v1; `dsc-lsp doctor` lists both."
    ),
    413: _Status("finds the prompt too long (HTTP 413). Lower `dsc.contextTokens`."),
    422: _Status(
        "does not accept a field of the request (HTTP 422). Set `dsc.remoteServer` to what it is,"
        " or to `generic`."
    ),
    429: _Status("has too much to do (HTTP 429).", retry_seconds=0.5),
    500: _Status("has failed (HTTP 500). Its log says why.", retry_seconds=0.2),
    502: _Status("stands before a server that is down (HTTP 502).", True, 0.2),
    503: _Status("is not ready (HTTP 503); it may be loading its model.", True, 0.2),
    504: _Status("stands before a server that does not answer (HTTP 504).", True),
}


def of_status(endpoint: Endpoint, response: httpx2.Response) -> RemoteError:
    """Return the fault that a status other than 200 stands for; its body is not read."""
    code = response.status_code
    known = _STATUSES.get(code, _Status(f"answers with HTTP {code}."))
    message = f"The server {endpoint.place} {known.text}"
    if 300 <= code < 400:
        message = _redirected(endpoint, response)
    elif code in {401, 403}:
        message = _unauthorized(endpoint, code)
    wait = known.retry_seconds
    if wait is not None:
        wait = max(wait, _retry_after(response))
    return RemoteError(message, is_down=known.is_down, retry_seconds=wait, status=code)


def down(endpoint: Endpoint, *, retry_seconds: float | None = None) -> RemoteError:
    """Return the fault of a server that cannot be reached or breaks off.

    One text for all of it, so that an outage is told once.
    """
    return RemoteError(
        f"The server {endpoint.place} cannot be reached. Suggestions resume when it is back.",
        is_down=True,
        retry_seconds=retry_seconds,
    )


def held_up(endpoint: Endpoint) -> RemoteError:
    """Return the fault of a proxy that does not let us through."""
    return RemoteError(
        f"The proxy that the environment names (HTTPS_PROXY) does not let us through to"
        f" {endpoint.place}. Where the server can be reached without it, add it to NO_PROXY.",
        is_down=True,
    )


def untrusted(endpoint: Endpoint) -> RemoteError:
    """Return the fault of a server whose certificate nobody whom we trust has signed."""
    return RemoteError(
        f"The certificate of {endpoint.place} is not trusted. If your company signs its own, set"
        " the environment variable SSL_CERT_FILE to its certificate."
    )


def too_slow(endpoint: Endpoint, seconds: float) -> RemoteError:
    """Return the fault of a server that lets us wait."""
    return RemoteError(
        f"The server {endpoint.place} said nothing for {seconds:g} s (`dsc.remoteSeconds`).",
        is_down=True,
    )


def unreadable(endpoint: Endpoint) -> RemoteError:
    """Return the fault of an answer that is no completion."""
    return RemoteError(
        f"The server {endpoint.place} answers with something else than completions."
        " Set `dsc.remoteUrl` to the address of an OpenAI-compatible server."
    )


def nameless(endpoint: Endpoint) -> RemoteError:
    """Return the fault of a server that does not say what it serves."""
    return RemoteError(
        f"The server {endpoint.place} names no model. Set `dsc.remoteModel` to the one that it"
        " serves."
    )


def failed_midway(endpoint: Endpoint) -> RemoteError:
    """Return the fault of a server that tells of an error in the middle of its answer."""
    return RemoteError(f"The server {endpoint.place} failed while it answered. Its log says why.")


def _redirected(endpoint: Endpoint, response: httpx2.Response) -> str:
    try:
        target = httpx2.URL(response.headers.get("location", "")).host
    except (httpx2.InvalidURL, ValueError):
        target = ""
    where = f"to {target}" if target and target.isascii() else "elsewhere"
    return (
        f"The server {endpoint.place} sends us {where}, which is refused: your code and key go"
        " to the address that you have set and to no other. Set `dsc.remoteUrl` to the new one."
    )


def _unauthorized(endpoint: Endpoint, code: int) -> str:
    if endpoint.key_variable:
        return (
            f"The server {endpoint.place} refuses the key in the environment variable"
            f" {endpoint.key_variable} (HTTP {code})."
        )
    return (
        f"The server {endpoint.place} asks for a key (HTTP {code}). Put it into an environment"
        " variable and name that in `dsc.remoteKeyVariable`."
    )


def _retry_after(response: httpx2.Response) -> float:
    """Return the seconds that a server asks us to wait; a date is taken as "not soon"."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return 0.0
    return float(text) if text.isdecimal() else 60.0
