"""What differs between systems, simulated here: Windows and macOS run these tests only in CI."""

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dsc_lsp.cli import logs, main
from dsc_lsp.repository import process
from dsc_lsp.repository.paths import path_of, windows_path
from dsc_lsp.server.lifecycle import is_alive, process_of
from tests.protocol.client import connected, place
from tests.protocol.test_process import ghost_text, shake_hands

ROOT = Path(__file__).parents[2]
AS_ON_WINDOWS = """
import os, sys, types
from dsc_lsp.server import transport
calls = []
sys.modules["msvcrt"] = types.SimpleNamespace(setmode=lambda *given: calls.append(given))
os.O_BINARY = 0x8000
sys.platform = "win32"
reader, writer = transport.claim_stdio()
print("a stray print", flush=True)
writer.write(repr(calls).encode() + b"\\n" + reader.read())
writer.flush()
"""


def test_on_windows_the_streams_are_binary_before_they_are_taken() -> None:
    sent = b"{}\r\n\x1a\n"
    ended = subprocess.run(
        [sys.executable, "-c", AS_ON_WINDOWS],
        input=sent,
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    assert ended.stdout == b"[(0, 32768), (1, 32768)]\n" + sent
    assert ended.stderr == b"a stray print\n"


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("", "/c:/Users/Ann Lee/a%20b.py", "C:/Users/Ann Lee/a%20b.py"),
        ("", "/D:/x.py", "D:/x.py"),
        ("localhost", "/d:/x.py", "D:/x.py"),
        ("server", "/share/x.py", "//server/share/x.py"),
        ("wsl.localhost", "/Debian/home/a:b.py", "//wsl.localhost/Debian/home/a:b.py"),
        ("", "/home/x.py", "/home/x.py"),
        ("", "", ""),
    ],
)
def test_paths_on_windows(host: str, path: str, expected: str) -> None:
    assert windows_path(host, path) == expected


@pytest.mark.parametrize("uri", ["untitled:Untitled-1", "file://[x", "https://x/y", "", "x"])
async def test_documents_that_are_no_files(uri: str) -> None:
    assert path_of(uri) is None
    async with connected() as client:
        await client.open_session()
        await client.loaded()
        client.open("x = \n", uri)
        assert (await client.request("textDocument/completion", place(0, 4, uri)))["result"][
            "items"
        ]
        assert not client.shown()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
def test_a_client_that_gives_no_stderr(tmp_path: Path) -> None:
    """Else the log would get its number, and what libraries print would stand there."""
    log = tmp_path / "log"
    command = f"exec '{sys.executable}' -m tests.protocol.scripted_server --log-file '{log}' 2>&-"
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "SCRIPTED_NOISE": "a stray print"},
    ) as server:
        assert server.stdin is not None
        shake_hands(server.stdout, server.stdin)
        assert ghost_text(server.stdout, server.stdin, 2)
        server.stdin.close()
        assert server.wait(20) == 1
    assert "tokens read" in log.read_text()
    assert "a stray print" not in log.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
@pytest.mark.parametrize("closed", ["0<&-"])
def test_without_streams_there_is_nothing_to_speak_over(closed: str) -> None:
    command = f"exec '{sys.executable}' -m dsc_lsp --stdio {closed}"
    ended = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, check=False, cwd=ROOT, timeout=30
    )
    assert ended.returncode == 2
    assert ended.stderr.count(b"\n") == 1
    assert b"stdin and stdout are closed" in ended.stderr


def test_a_log_that_another_server_keeps_from_being_moved_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows moves no file that is open."""

    def refuse(*_paths: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "rename", refuse)
    monkeypatch.setattr(logs, "_FILE_BYTES", 300)
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    try:
        logs.set_up(level="info", file=tmp_path / "log", content=False)
        for number in range(20):
            logging.getLogger("dsc_lsp.test").info("message %d", number)
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = before
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == [str(number) for number in range(20)]


def test_the_indexer_runs_in_the_background_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process._creation_flags() == 0
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0x4000, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x8000000, raising=False)
    assert process._creation_flags() == 0x8004000


@pytest.mark.parametrize(
    ("error", "alive"),
    [
        (psutil.AccessDenied(1), True),  # as macOS says of other users' processes
        (psutil.NoSuchProcess(1), False),
        (psutil.ZombieProcess(1), False),
    ],
)
def test_whether_a_client_lives(
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    alive: bool,  # noqa: FBT001
) -> None:
    watched = process_of(os.getpid())
    assert watched is not None
    assert is_alive(watched)

    def fail(_process: psutil.Process) -> str:
        raise error

    monkeypatch.setattr(psutil.Process, "status", fail)
    assert is_alive(watched) is alive


@pytest.mark.parametrize("process_id", [-1, 0x7FFFFFFF, 2**70])
def test_a_client_elsewhere_is_not_watched(process_id: int) -> None:
    assert process_of(process_id) is None


def test_a_terminal_without_unicode_is_printed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows' consoles and pipes are, whose encoding is cp1252."""
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(SystemExit):
        main(["--version"])
    print("\u2192 \u4ef7", file=terminal, flush=True)
    assert terminal.buffer.getvalue().endswith(b"? ?" + os.linesep.encode())
