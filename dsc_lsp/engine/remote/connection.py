"""HTTP with one server: connections stay open, answers are bounded, faults told in our words."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx2

from dsc_lsp import __version__
from dsc_lsp.engine.remote import faults
from dsc_lsp.engine.remote.endpoint import Endpoint

Json: TypeAlias = Any
"""What JSON can say; an answer of a server, so anything."""

_CONNECT_SECONDS = 2.0
_KEEP_SECONDS = 300
_LONGEST_ANSWER = 8 * 2**20
_LONGEST_LINE = 2**20
_DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Answer:
    """A short answer: its JSON (``None`` where it is none) and headers."""

    json: Json
    headers: httpx2.Headers


class Connection:
    """Requests to one server, all of which raise ``RemoteError``; network thread only.

    A request is given up by cancelling its task: the connection is closed, which servers take as
    the end of a stream that they need not go on with. ``patience_seconds`` is how long a server
    may say nothing.
    """

    def __init__(self, endpoint: Endpoint, patience_seconds: float) -> None:
        self.endpoint = endpoint
        self.patience_seconds = patience_seconds
        is_encrypted = endpoint.root.startswith("https:")
        key = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
        self._client = httpx2.AsyncClient(
            # What is not compressed cannot be a small answer that unpacks into a large one.
            headers={"User-Agent": f"dsc-lsp/{__version__}", "Accept-Encoding": "identity", **key},
            timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
            limits=httpx2.Limits(keepalive_expiry=_KEEP_SECONDS),
            follow_redirects=False,
            # To read all certificates takes 50 ms; without any, nobody would be trusted.
            verify=True if is_encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            # A proxy of the environment is not asked for what is on this machine.
            mounts=dict.fromkeys(("all://", "http://", "https://"))
            if endpoint.is_loopback
            else {},
        )

    async def get(self, url: str) -> Answer:
        """Return a short answer."""
        async with (
            self._faults(),
            asyncio.timeout(self.patience_seconds),
            self._client.stream("GET", url) as response,
        ):
            self._check(response)
            return Answer(_json_or_none(await _read(response)), response.headers)

    async def post(self, url: str, body: Json, emit: Callable[[Json], None]) -> None:
        """Pass on each object of a streamed answer, and ``None`` for the end that is announced.

        The stream may be server-sent events or lines of JSON and ends with ``[DONE]`` or without.
        A server that does not stream is taken at its one object.
        """
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        headers = {"Content-Type": "application/json"}
        async with self._faults(), asyncio.timeout(None) as silence:
            silence.reschedule(self._deadline())
            async with self._client.stream(
                "POST", url, content=content, headers=headers
            ) as response:
                self._check(response)
                done = False
                async for text in _objects(response):
                    if done or response.num_bytes_downloaded > _LONGEST_ANSWER:
                        raise faults.unreadable(self.endpoint)
                    silence.reschedule(self._deadline())
                    # Read on to the end of the answer even so: the connection can be used again.
                    done = text == _DONE
                    emit(None if done else json.loads(text))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.patience_seconds

    def _check(self, response: httpx2.Response) -> None:
        if response.status_code != 200:
            raise faults.of_status(self.endpoint, response)

    @asynccontextmanager
    async def _faults(self) -> AsyncGenerator[None]:
        try:
            yield
        except (TimeoutError, httpx2.ReadTimeout, httpx2.WriteTimeout) as error:
            raise faults.too_slow(self.endpoint, self.patience_seconds) from error
        except httpx2.ProxyError as error:
            raise faults.held_up(self.endpoint) from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            if _is_distrust(error):
                raise faults.untrusted(self.endpoint) from error
            raise faults.down(self.endpoint) from error
        except (httpx2.SSEError, httpx2.DecodingError, ValueError, RecursionError) as error:
            raise faults.unreadable(self.endpoint) from error
        except httpx2.TransportError as error:
            # Mostly a connection that the server has closed while nothing was asked.
            raise faults.down(self.endpoint, retry_seconds=0.0) from error


def _is_distrust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _objects(response: httpx2.Response) -> AsyncIterator[str]:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return _events(response)
    if kind in {"application/x-ndjson", "application/jsonl"}:
        return _lines(response)
    return _whole(response)


async def _events(response: httpx2.Response) -> AsyncIterator[str]:
    async for event in httpx2.EventSource(response, max_event_size=_LONGEST_LINE):
        if event.data:
            yield event.data


async def _lines(response: httpx2.Response) -> AsyncIterator[str]:
    rest = ""
    async for text in response.aiter_text():
        *lines, rest = (rest + text).split("\n")
        if len(rest) > _LONGEST_LINE:
            raise ValueError("a line without an end")
        for line in lines:
            if line.strip():
                yield line
    if rest.strip():
        yield rest


async def _whole(response: httpx2.Response) -> AsyncIterator[str]:
    yield (await _read(response)).decode("utf-8", "replace")


async def _read(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _LONGEST_ANSWER:
            raise ValueError("an answer without an end")
    return bytes(body)


def _json_or_none(body: bytes) -> Json:
    try:
        return json.loads(body)
    except ValueError:
        return None
