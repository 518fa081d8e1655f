"""``dsc-lsp serve``: speak to an editor, over stdin and stdout or over TCP on this machine."""

import gc
import logging
import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, NoReturn

from dsc_lsp.cli import logs
from dsc_lsp.cli.usage import UsageError
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine
from dsc_lsp.engine.worker import Report
from dsc_lsp.pauses import shorten_pauses
from dsc_lsp.server import tcp
from dsc_lsp.server.app import Exit, serve
from dsc_lsp.server.session import OpenEngine
from dsc_lsp.server.transport import claim_stdio
from dsc_lsp.settings import Parsed, Settings, config_file, read_config_file

_DEFAULT_HOST = "127.0.0.1"
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to serve; ``host`` and ``port`` are ``None`` where the user has not said."""

    stdio: bool
    tcp: bool
    host: str | None
    port: int | None
    log_level: str
    log_file: Path | None
    log_content: bool


def run(options: Options) -> NoReturn:
    """Serve until the client ends, and end the process with the exit code of the protocol.

    Raises:
        UsageError: the options contradict each other or cannot be met.
    """
    _check(options)
    _open_stderr()
    listener = _listener(options) if options.tcp else None
    logs.set_up(level=options.log_level, file=options.log_file, content=options.log_content)
    reader, writer = _stdio_streams() if listener is None else tcp.accept_client(listener)
    user_settings = read_config_file(config_file(), Settings())
    try:
        _leave(answer(reader, writer, open_engine, user_settings).code)
    except KeyboardInterrupt:
        _leave(_INTERRUPTED)


def answer(
    reader: BufferedIOBase, writer: BinaryIO, open_: OpenEngine, user_settings: Parsed
) -> Exit:
    """Serve one client, with an interpreter that is made to answer soon."""
    shorten_pauses()

    def open_for_good(settings: Settings, report: Report) -> Engine:
        """Load the engine, and keep what was imported out of the garbage collector's sight.

        A full collection looks at the 355,000 objects of torch, which all stay: a pause of 1.2 s
        on a busy machine in which no key would be answered, against none.
        """
        engine = open_(settings, report)
        gc.freeze()
        return engine

    return serve(reader, writer, open_for_good, user_settings)


def _leave(exit_code: int) -> NoReturn:
    """End the process at once.

    The answers are flushed, and the engine's thread has ended or was given its time: it may be
    deep in a library, loading. The interpreter would still take a second (5 on a busy machine) to
    collect what torch and transformers leave behind, and the client may not wait as long.
    """
    logging.shutdown()
    with suppress(OSError):  # nobody reads it any more
        sys.stderr.flush()
    os._exit(exit_code)


def _check(options: Options) -> None:
    if options.tcp and options.stdio:
        raise UsageError("--stdio and --tcp exclude each other")
    if not options.tcp and (options.host is not None or options.port is not None):
        raise UsageError("--host and --port belong to --tcp")


def _open_stderr() -> None:
    """Give stderr a place where the client has closed it.

    Otherwise the next file to be opened, the log, would take its number, and with it what any
    library prints.
    """
    try:
        os.fstat(2)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        if nowhere != 2:
            os.close(nowhere)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good


def _stdio_streams() -> tuple[BufferedIOBase, BinaryIO]:
    if sys.__stdin__ is None or sys.__stdout__ is None:
        raise UsageError("stdin and stdout are closed; an editor speaks to the server over both")
    if sys.stdin.isatty():
        print(
            "dsc-lsp speaks the Language Server Protocol on stdin and stdout and waits for an"
            " editor. To see it work, run `dsc-lsp demo`.",
            file=sys.stderr,
        )
    return claim_stdio()


def _listener(options: Options) -> socket.socket:
    port = options.port or 0
    try:
        address = tcp.loopback(options.host or _DEFAULT_HOST)
        listener = tcp.listen(address, port)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"port {port} cannot be used: {error.strerror}") from None
    print(f"dsc-lsp: listening on {address}:{listener.getsockname()[1]}", file=sys.stderr)
    return listener
