"""One file of the hub, fetched into the hub's cache: it goes on where it stopped, and is checked.

``huggingface_hub`` itself throws away what it has of a file when it is interrupted.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import filelock

if TYPE_CHECKING:
    from hashlib import _Hash  # pyright: ignore[reportPrivateUsage] - a name for types only

PAUSE_SECONDS = 1.0
"""How long to wait before a connection that broke is taken up again."""

_ATTEMPTS = 5
_CHUNK_BYTES = 1 << 20
_SHA256_LETTERS = 64
_SHA1_LETTERS = 40


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a model; ``etag`` is its checksum and its name in the hub's cache."""

    name: str
    url: str
    etag: str
    size: int


class Damaged(Exception):
    """What arrived is not what the hub has; it has been removed."""


def fetch(
    file: HubFile, blob: Path, lock: Path, advance: Callable[[int], None], wait: Callable[[], None]
) -> None:
    """Fetch a file to ``blob``, which appears once all of it is here and right.

    ``advance`` is called with the number of bytes that have become available, those of an earlier
    attempt first, and with a negative one if these turn out to be of no use. ``wait`` is called
    once if another program is fetching the file and has to be waited for.

    Raises:
        Damaged: the checksum is not the hub's.
        httpx2.TransportError: the connection broke, several times without a byte between.
        HfHubHTTPError: the hub refuses it.
        OSError: it cannot be written. What was written stays.
    """
    blob.parent.mkdir(parents=True, exist_ok=True)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with _locked(lock, wait):
        if blob.exists():
            advance(file.size)
            return
        partial = blob.with_name(f"{blob.name}.incomplete")
        with partial.open("a+b") as stream:
            is_right = _receive(file, stream, advance)
        if not is_right:
            partial.unlink()
            advance(-file.size)
            raise Damaged(file.name)
        partial.replace(blob)


def _locked(path: Path, wait: Callable[[], None]) -> filelock.BaseFileLock:
    # The hub's own programs take the same lock.
    lock = filelock.FileLock(path, mode=0o664)
    with suppress(filelock.Timeout):
        lock.acquire(timeout=0)
    if not lock.is_locked:
        wait()
    return lock


def _receive(file: HubFile, stream: BinaryIO, advance: Callable[[int], None]) -> bool:
    """Write what is missing; returns whether the whole has the hub's checksum."""
    import httpx2

    written = _Written(file, stream, advance)
    in_vain = 0
    while written.size < file.size:
        before = written.size
        try:
            _request(file, written)
        except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError):
            if in_vain == _ATTEMPTS:
                raise
        in_vain = 0 if written.size > before else in_vain + 1
        if in_vain > _ATTEMPTS:
            break
        if in_vain:
            time.sleep(PAUSE_SECONDS)
    return written.is_right()


def _request(file: HubFile, written: "_Written") -> None:
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    # Packed, it could not be taken up in the middle.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if written.size:
        headers["Range"] = f"bytes={written.size}-"
    with get_session().stream("GET", file.url, headers=headers) as response:
        hf_raise_for_status(response)
        if written.size and response.status_code != HTTPStatus.PARTIAL_CONTENT:
            written.restart()
        for chunk in response.iter_raw():
            written.add(chunk)


class _Written:
    """The beginning of a file on the disk, and its checksum so far."""

    def __init__(self, file: HubFile, stream: BinaryIO, advance: Callable[[int], None]) -> None:
        self._file = file
        self._stream = stream
        self._advance = advance
        self._digest = _digest(file)
        self.size = 0
        stream.seek(0)
        while chunk := stream.read(_CHUNK_BYTES):
            self._count(chunk)
        if self.size > file.size:
            self.restart()

    def add(self, chunk: bytes) -> None:
        """Write more of it."""
        self._stream.write(chunk)
        self._count(chunk)

    def restart(self) -> None:
        """Forget what is here."""
        self._stream.truncate(0)
        self._advance(-self.size)
        self._digest = _digest(self._file)
        self.size = 0

    def is_right(self) -> bool:
        """Whether all of it is here, as the hub has it."""
        is_same = self._digest is None or self._digest.hexdigest() == self._file.etag
        return self.size == self._file.size and is_same

    def _count(self, chunk: bytes) -> None:
        if self._digest is not None:
            self._digest.update(chunk)
        self.size += len(chunk)
        self._advance(len(chunk))


def _digest(file: HubFile) -> "_Hash | None":
    """Return what computes the checksum that the hub has for a file, if it has one.

    Large files have their SHA-256, others git's id of their content.
    """
    if len(file.etag) == _SHA256_LETTERS:
        return hashlib.sha256()
    if len(file.etag) == _SHA1_LETTERS:
        return hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    return None
