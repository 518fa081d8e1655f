"""The server as a process: its streams, its logs, its TCP port, and its end."""

import json
import logging
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from dsc_lsp.cli import logs, main
from tests.protocol.client import URI, frame, inline_params, read_frame

SERVER = [sys.executable, "-m", "tests.protocol.scripted_server"]
ROOT = Path(__file__).parents[2]
MARKER = "SECRET_77aa"
GONE_SECONDS = 20
NEEDS_SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="kills process groups")
MOST_SECONDS = 60


@contextmanager
def server(
    *arguments: str, command: Sequence[str] = SERVER, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server; at the end it is dead."""
    process = subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    # A server that hangs must fail a test, not hang it.
    watchdog = threading.Timer(MOST_SECONDS, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue
        process.wait()


def send(stream: IO[bytes] | None, method: str, params: Any = None, number: Any = None) -> None:
    assert stream is not None
    identity = {} if number is None else {"id": number}
    message = {"jsonrpc": "2.0", "method": method, "params": params} | identity
    stream.write(frame(message))
    stream.flush()


def answer(stream: Any, number: Any) -> dict[str, Any]:
    while (message := read_frame(stream)) is not None:
        if message.get("id") == number and "method" not in message:
            return message
    raise AssertionError("the server has ended")


def shake_hands(reader: Any, writer: Any, process_id: int | None = None) -> None:
    capabilities = {"window": {"workDoneProgress": False}}
    params = {"processId": process_id, "rootUri": None, "capabilities": capabilities}
    send(writer, "initialize", params, 1)
    answer(reader, 1)
    send(writer, "initialized", {})


def ghost_text(reader: Any, writer: Any, number: int) -> list[dict[str, Any]]:
    """Ask until the model has been loaded."""
    text = f"{MARKER} = [1]\nfor name in names:\n    print(name)\nfor name in "
    document = {"uri": URI, "languageId": "python", "version": 1, "text": text}
    send(writer, "textDocument/didOpen", {"textDocument": document})
    for attempt in range(200):
        send(writer, "textDocument/inlineCompletion", inline_params(3, 12), f"{number}/{attempt}")
        items = answer(reader, f"{number}/{attempt}")["result"]["items"]
        if items:
            return items
        time.sleep(0.05)
    raise AssertionError("no ghost text")


def test_stray_prints_and_reads_of_libraries_do_not_reach_the_client() -> None:
    noise = "Loading weights: 100%\nContent-Length: 5\r\n\r\nnoise"
    with server("--stdio", SCRIPTED_NOISE=noise) as process:
        shake_hands(process.stdout, process.stdin)
        assert ghost_text(process.stdout, process.stdin, 2)[0]["insertText"] == "answer"
        send(process.stdin, "shutdown", None, 3)
        answer(process.stdout, 3)
        send(process.stdin, "exit")
        assert process.wait(20) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.stderr is not None
        assert noise.encode() in process.stderr.read()


@pytest.mark.parametrize("end", ["exit", "end of input"])
def test_the_end_comes_while_the_model_loads(end: str) -> None:
    with server(SCRIPTED_LOAD_SECONDS="60") as process:
        shake_hands(process.stdout, process.stdin)
        assert process.stdin is not None
        if end == "exit":
            send(process.stdin, "exit")
        else:
            process.stdin.close()
        assert process.wait(20) == 1


WITH_A_SLOW_DISK = """
import time
from dsc_lsp.cli import main, serve
from dsc_lsp.server import workspace
from tests.protocol import scripted_server
workspace._folders = lambda server: time.sleep(60) or ()
serve.open_engine = scripted_server.load
main(["--stdio", "--log-file", "{log}"])
"""


@pytest.mark.parametrize("end", ["exit", "end of input"])
def test_the_end_waits_for_no_file_system_that_does_not_answer(end: str) -> None:
    script = WITH_A_SLOW_DISK.replace("{log}", Path(os.devnull).as_posix())
    with server(command=[sys.executable, "-c", script]) as process:
        shake_hands(process.stdout, process.stdin)
        assert process.stdin is not None
        if end == "exit":
            send(process.stdin, "exit")
        else:
            process.stdin.close()
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
    reason="a job in a shell's background hands on that it ignores interrupts",
)
@NEEDS_SIGNALS
def test_an_interrupt_ends_the_server() -> None:
    with server() as process:
        shake_hands(process.stdout, process.stdin)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


@pytest.mark.slow
@pytest.mark.parametrize("end", ["exit", "end of input"])
@pytest.mark.parametrize("busy", ["SCRIPTED_LOAD_SECONDS", "SCRIPTED_TOKEN_SECONDS"])
def test_the_end_takes_two_seconds_at_most(end: str, busy: str) -> None:
    """Whatever the engine's thread is deep in: a load, or a step of the model."""
    with server(**{busy: "60"}) as process:
        shake_hands(process.stdout, process.stdin)
        document = {"uri": URI, "languageId": "python", "version": 1, "text": "x = \n"}
        send(process.stdin, "textDocument/didOpen", {"textDocument": document})
        send(process.stdin, "textDocument/inlineCompletion", inline_params(0, 4), 2)
        time.sleep(0.3)
        assert process.stdin is not None
        begun = time.monotonic()
        if end == "exit":
            send(process.stdin, "exit")
        else:
            process.stdin.close()
        assert process.wait(20) == 1
        assert time.monotonic() - begun <= 2


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """No file among the temporary ones, no process, and nobody who listens."""
    temporary, cache = tmp_path / "temporary", tmp_path / "cache"
    folder = tmp_path / "project"
    for path in (temporary, cache, folder):
        path.mkdir()
    (folder / "main.py").write_text("names = [1]\n")
    places = {"TMPDIR": str(temporary), "XDG_CACHE_HOME": str(cache)}
    with server("--tcp", **places) as process:
        address = listening(process)
        with socket.create_connection(address) as client:
            reader, writer = client.makefile("rb"), client.makefile("wb")
            params = {"processId": None, "rootUri": folder.as_uri(), "capabilities": {}}
            send(writer, "initialize", params, 1)
            answer(reader, 1)
            send(writer, "initialized", {})
            assert ghost_text(reader, writer, 2)
            family = wait_for_children(process.pid)
            send(writer, "shutdown", None, 3)
            answer(reader, 3)
            send(writer, "exit")
            assert process.wait(20) == 0
            writer.close()
            reader.close()
        assert not psutil.wait_procs(family, timeout=GONE_SECONDS)[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
    assert not list(temporary.iterdir())
    assert {path.name for path in cache.iterdir()} <= {"dsc-lsp"}


def wait_for_children(process_id: int) -> list[psutil.Process]:
    """Return the processes that the server has started: the one that indexes the workspace."""
    parent, end = psutil.Process(process_id), time.monotonic() + GONE_SECONDS
    while not (family := parent.children(recursive=True)):
        assert time.monotonic() < end
        time.sleep(0.02)
    return family


def test_the_log_goes_to_the_users_folder_and_rotates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "logs" / "server.log"
    monkeypatch.setattr(logs, "default_log_file", lambda: file)
    monkeypatch.setattr(logs, "_FILE_BYTES", 500)
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    try:
        logs.set_up(level="info", file=None, content=False)
        for number in range(50):
            logging.getLogger("dsc_lsp.test").info("message %d", number)
            logging.getLogger("dsc_lsp.test").debug("not at this level")
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = before
    kept = sorted(file.parent.iterdir())
    assert [path.name for path in kept] == ["server.log", *(f"server.log.{n}" for n in (1, 2, 3))]
    assert all(0 < path.stat().st_size <= 500 for path in kept)
    assert "message 49" in file.read_text()
    assert not any("not at this level" in path.read_text() for path in kept)
    if sys.platform != "win32":
        assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_log_is_private_and_holds_no_code(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.touch(mode=0o644)
    with server("--log-file", str(log), "--log-level", "debug") as process:
        shake_hands(process.stdout, process.stdin)
        ghost_text(process.stdout, process.stdin, 2)
    text = log.read_text()
    assert "tokens read" in text
    assert MARKER not in text
    if sys.platform != "win32":
        assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
def test_a_log_that_is_no_file_keeps_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of root's that logs to the null device must not take it from everybody else."""
    device = tmp_path / "device"
    os.mkfifo(device)
    device.chmod(0o666)
    reader = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    logs.set_up(level="info", file=device, content=False)
    logging.getLogger("dsc_lsp.test").info("message")
    for handler in root.handlers:
        handler.close()
    assert b"message" in os.read(reader, 1000)
    os.close(reader)
    assert stat.S_IMODE(device.stat().st_mode) == 0o666


def test_the_log_holds_messages_if_the_user_says_so(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with server("--log-file", str(log), "--log-content") as process:
        shake_hands(process.stdout, process.stdin)
        ghost_text(process.stdout, process.stdin, 2)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)
        assert process.stderr is not None
        assert MARKER.encode() not in process.stderr.read()
    assert MARKER in log.read_text()


def test_tcp_serves_one_client_and_ends_with_it() -> None:
    with server("--tcp") as process:
        address = listening(process)
        with socket.create_connection(address) as stranger:
            stranger.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            assert stranger.recv(100) == b""
        with socket.create_connection(address) as first:
            reader, writer = first.makefile("rb"), first.makefile("wb")
            shake_hands(reader, writer)
            assert ghost_text(reader, writer, 2)
            with socket.create_connection(address) as second, second.makefile("rb") as theirs:
                second.sendall(frame({"jsonrpc": "2.0", "id": 1, "method": "initialize"}))
                refusal = read_frame(theirs)
                assert refusal is not None
                assert "serves another client" in refusal["params"]["message"]
                assert read_frame(theirs) is None
            assert ghost_text(reader, writer, 3)
            writer.close()
            reader.close()
        assert process.wait(20) == 1


def test_bad_options_are_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, said in (
            (["--tcp", "--stdio"], "exclude each other"),
            (["--tcp", "serve", "--stdio"], "exclude each other"),
            (["serve", "--port", "5"], "belong to --tcp"),
            (["--tcp", "--host", "0.0.0.0"], "not a loopback address"),  # noqa: S104
            (["--tcp", "--host", "example.org"], "not a loopback address"),
            (["--tcp", "--port", "70000"], "not a port"),
            (["--tcp", "--port", port], f"port {port} cannot be used"),
            (["--log-file", str(tmp_path)], "cannot be written"),
            (["--log-file", str(tmp_path / "missing" / "log")], "cannot be written"),
            (["--log-level", "loud"], "invalid choice"),
        ):
            assert exit_code(arguments) == 2, arguments
            stderr = capsys.readouterr().err
            assert said in stderr
            assert stderr.count("\n") == 1


def exit_code(arguments: list[str]) -> int | str | None:
    try:
        return main(arguments)
    except SystemExit as ended:
        return ended.code


@NEEDS_SIGNALS
def test_the_server_ends_when_its_client_is_killed() -> None:
    """Three at a time: their servers look for them once a second."""
    with ThreadPoolExecutor() as threads:
        seconds = list(threads.map(seconds_after_kill, range(3)))
    assert max(seconds) < GONE_SECONDS


@NEEDS_SIGNALS
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 53))
def test_the_server_ends_whenever_its_client_is_killed(seed: int) -> None:
    assert seconds_after_kill(seed) <= 5


EDITOR = """
import subprocess, sys, time
from tests.protocol import test_process as editor
process = subprocess.Popen(editor.SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(process.pid, flush=True)
import os
editor.shake_hands(process.stdout, process.stdin, os.getpid())
# A child that keeps our ends of the pipes open, as some editors have.
kept = [process.stdin.fileno(), process.stdout.fileno()]
subprocess.Popen(["sleep", "30"], pass_fds=kept)
number = 2
while True:
    editor.ghost_text(process.stdout, process.stdin, number)
    number += 1
"""


def seconds_after_kill(seed: int) -> float:
    """Kill an editor at a random moment of a session; return how long its server lives on."""
    editor = subprocess.Popen(
        [sys.executable, "-c", EDITOR],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        start_new_session=True,
        env={**os.environ, "SCRIPTED_LOAD_SECONDS": "0.3", "SCRIPTED_TOKEN_SECONDS": "0.05"},
    )
    assert editor.stdout is not None
    child = psutil.Process(int(editor.stdout.readline()))
    time.sleep(random.Random(seed).uniform(0, 2.5))
    editor.kill()
    start = time.monotonic()
    editor.wait()
    editor.stdout.close()
    psutil.wait_procs([child], timeout=GONE_SECONDS)
    seconds = time.monotonic() - start
    with suppress(ProcessLookupError):
        os.killpg(editor.pid, signal.SIGKILL)
    return seconds


def listening(process: subprocess.Popen[bytes]) -> tuple[str, int]:
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    host, _, port = line.strip().rpartition(" ")[2].rpartition(":")
    return host, int(port)


def test_messages_are_json_with_a_content_type() -> None:
    with server() as process:
        send(process.stdin, "no/suchMethod", None, 1)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[1].startswith(b"Content-Type: application/vscode-jsonrpc; charset=utf-8")
        body = process.stdout.read(int(lines[0].split()[1]))
        assert json.loads(body)["error"]["code"] == -32002
