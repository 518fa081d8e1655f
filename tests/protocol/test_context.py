"""Files of the workspace are shown to the model, as the editor or else the disk has them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from dsc_lsp.repository import indexer
from dsc_lsp.server import progress
from tests.protocol.client import PATIENCE_SECONDS, Client, connected, insertion
from tests.protocol.test_process import answer, send, server
from tests.scripted import ScriptedEngine

SHOP = "class Shop:\n    def open_the_doors(self, hour: int) -> bool:\n        return hour > 8\n"
TYPED = "from shop import Shop\n\nshop = Shop()\nshop."
INDEXING = "dsc-lsp/indexing"
_LEAST_TURNS = 2
_TURNS = 40
_TURNS_IN_VAIN = 12


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "shop.py").write_text(SHOP)
    return root


@asynccontextmanager
async def opened(
    engine: ScriptedEngine, *folders: Path, options: Any = None, **workspace: Any
) -> AsyncIterator[Client]:
    async with connected(engine) as client:
        await client.open_session({"prepareNext": False, **(options or {})}, folders,
                                  workspace=workspace)  # fmt: skip
        await client.loaded()
        yield client


async def shows(
    client: Client, engine: ScriptedEngine, folder: Path, words: str, turns: int = _TURNS
) -> bool:
    """Return whether the model reads some words at the end of ``TYPED`` in a new file.

    The file is typed into until it does, because what editors hold is told and planned for in
    the background; where it never does, as often as is enough on an idle machine.
    """
    uri = (folder / "main.py").as_uri()
    client.open(TYPED, uri=uri)
    repository = client.server.repository
    for turn in range(turns):
        assert await asyncio.to_thread(repository.wait_until_known, PATIENCE_SECONDS)
        client.change(turn + 2, insertion(0, 21, " "), uri=uri)
        await client.answer(client.ghost_text(3, 5, uri=uri))
        await until(lambda: repository.is_planned)
        is_read = words in "".join(part.text for part in engine.requests[-1].prompt.parts)
        if is_read and turn >= _LEAST_TURNS:
            break
        await asyncio.sleep(0 if turn < _LEAST_TURNS else 0.05)
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    return is_read


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


async def read(client: Client, *roots: Path) -> None:
    await until(lambda: client.server.repository.roots == roots)


async def test_what_the_current_file_imports_is_in_the_prompt(folder: Path):
    engine = ScriptedEngine("answer")
    async with opened(engine, folder) as client:
        await read(client, folder)
        assert await shows(
            client, engine, folder, f"#shop.py\n{SHOP[: SHOP.index('return')].rstrip(' ')}"
        )


async def test_open_buffers_stand_above_the_disk_and_saves_and_changes_are_seen(folder: Path):
    engine = ScriptedEngine("answer")
    uri = (folder / "shop.py").as_uri()
    async with opened(engine, folder) as client:
        await read(client, folder)
        client.open(SHOP, uri=uri)
        client.change(2, insertion(1, 8, "re"), uri=uri)
        assert await shows(client, engine, folder, "def reopen_the_doors")
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        assert await shows(client, engine, folder, "def open_the_doors")
        for method in ("workspace/didChangeWatchedFiles", "textDocument/didSave"):
            (folder / "shop.py").write_text(SHOP.replace("doors", f"doors_{method[-4:]}"))
            if method == "textDocument/didSave":
                client.notify(method, {"textDocument": {"uri": uri}})
            else:
                client.notify(method, {"changes": [{"uri": uri, "type": 2}]})
            await client.settled()
            assert await shows(client, engine, folder, f"def open_the_doors_{method[-4:]}")


async def test_turned_off_nothing_is_shown_and_no_process_is_left(folder: Path):
    engine = ScriptedEngine("answer")
    async with opened(engine, folder) as client:
        await read(client, folder)
        assert indexers()
        client.notify(
            "workspace/didChangeConfiguration", {"settings": {"repositoryContext": False}}
        )
        await read(client)
        assert not await shows(client, engine, folder, "open_the_doors", _TURNS_IN_VAIN)
        assert not indexers()


async def test_progress_is_shown_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "_SHOWN_FILES", 1)
    async with opened(ScriptedEngine("answer"), folder) as client:
        await read(client, folder)

        def creations() -> list[Any]:
            asked = client.of_method("window/workDoneProgress/create")
            return [one for one in asked if INDEXING in one["params"].values()]

        await client.until(lambda: bool(creations()))
        client.send({"jsonrpc": "2.0", "id": creations()[0]["id"], "result": None})

        def kinds() -> list[str]:
            reports = [m["params"] for m in client.of_method("$/progress")]
            return [r["value"]["kind"] for r in reports if INDEXING in r.values()]

        await client.until(lambda: "end" in kinds())
        (folder / "new.py").write_text(SHOP)
        client.server.repository.files_changed([folder / "new.py"])
        await asyncio.to_thread(client.server.repository.wait_until_known, PATIENCE_SECONDS)
        await client.settled()
        assert [kind for kind in kinds() if kind != "report"] == ["begin", "end"]
        assert len(creations()) == 1


async def test_a_process_that_dies_is_told_once_and_suggestions_go_on(folder: Path):
    engine = ScriptedEngine("answer")
    async with opened(engine, folder) as client:
        await read(client, folder)
        [process] = indexers()
        process.kill()
        await client.until(lambda: any("has ended" in text for text in client.shown()))
        client.open("x = ", uri=(folder / "main.py").as_uri())
        found = await client.answer(client.ghost_text(0, 4, uri=(folder / "main.py").as_uri()))
        assert found["result"]["items"]
        assert sum("has ended" in text for text in client.shown()) == 1


async def test_a_process_that_cannot_be_started_is_told_once(folder: Path, monkeypatch: Any):
    monkeypatch.setattr(sys, "executable", str(folder / "no python here"))
    async with opened(ScriptedEngine("answer"), folder) as client:
        await client.until(lambda: any("could not be started" in text for text in client.shown()))
        await client.settled()
        assert len(client.shown()) == 1


async def test_a_cache_that_cannot_be_written_is_told_once(folder: Path, tmp_path: Path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    async with opened(ScriptedEngine("answer"), folder) as client:
        await client.until(lambda: any("could not be kept" in text for text in client.shown()))
        await client.settled()
        assert len(client.shown()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="looks for the process as POSIX has it")
@pytest.mark.parametrize("end", ["shutdown", "kill -9"])
def test_nothing_is_left_behind(folder: Path, end: str) -> None:
    with server() as process:
        begin(process, folder)
        [child] = indexers(process.pid)
        assert is_nice(child, process.pid)
        if end == "shutdown":
            send(process.stdin, "shutdown", None, 2)
            answer(process.stdout, 2)
        else:
            process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs([child], timeout=2)
        assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def begin(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Shake hands, and wait until the folder is being indexed by a process that is set up."""
    named = [{"uri": folder.as_uri(), "name": "project"}]
    params = {"processId": None, "rootUri": None, "capabilities": {}, "workspaceFolders": named}
    send(process.stdin, "initialize", params, 1)
    answer(process.stdout, 1)
    send(process.stdin, "initialized", {})
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := indexers(process.pid)) or not is_nice(found[0], process.pid):
        assert time.monotonic() < end
        time.sleep(0.02)


def is_nice(child: psutil.Process, parent: int) -> bool:
    """Whether a process leaves the processor to the one that has started it."""
    return child.nice() >= min(19, psutil.Process(parent).nice() + 10)


def indexers(parent: int = os.getpid()) -> list[psutil.Process]:
    """Return the indexing processes of a server that have not ended."""
    children = psutil.Process(parent).children()
    running = [one for one in children if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in running if indexer.__name__ in one.cmdline()]


async def test_what_is_not_committed_is_shown_where_the_user_wants_it(folder: Path):
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    (folder / "until.py").write_text("def closing(hour):\n    return hour\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "First"]):
        subprocess.run([*git, *command], check=True)
    (folder / "until.py").write_text(
        "def closing(hour):\n    return hour > LAST_ONE_OUT\n    password = 'correcthorse7'\n"
    )
    engine = ScriptedEngine("answer")
    async with opened(engine, folder, options={"gitChanges": True}) as client:
        await read(client, folder)
        assert await shows(client, engine, folder, "return hour > LAST_ONE_OUT\n")
        assert not any("horse" in part.text for r in engine.requests for part in r.prompt.parts)
    async with opened(engine, folder) as client:
        await read(client, folder)
        assert not await shows(client, engine, folder, "LAST_ONE_OUT", _TURNS_IN_VAIN)


async def test_what_was_copied_is_shown_where_the_user_wants_it(folder: Path):
    engine = ScriptedEngine("answer")
    copied = {"text": "copied_a_moment_ago(1)\ntoken = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a'"}
    for options, is_shown in ({"clipboardContext": True}, True), ({}, False):
        async with opened(engine, folder, options=options) as client:
            await read(client, folder)
            client.notify("dsc/copied", copied)
            client.notify("dsc/copied", {"odd": 1})
            words = "#clipboard\ncopied_a_moment_ago(1)\n"
            turns = _TURNS if is_shown else _TURNS_IN_VAIN
            shown = await shows(client, engine, folder, words, turns)
            assert shown is is_shown
    assert not any("ghp_" in part.text for r in engine.requests for part in r.prompt.parts)


async def test_names_in_diagnostics_near_the_cursor_bring_their_definitions(folder: Path):
    lines = "".join(f"def unused_{n}(a: int, b: int) -> int: ...\n" for n in range(200))
    (folder / "shop.py").write_text(f"{SHOP}{lines}def _hidden_away(a): ...\n")
    engine = ScriptedEngine("answer")
    at = {"line": 3, "character": 0}
    found = {"range": {"start": at, "end": at}, "message": 'expected "_hidden_away"'}
    options = {"diagnosticsContext": True, "contextTokens": 1024}
    async with opened(engine, folder, options=options) as client:
        await read(client, folder)
        assert not await shows(client, engine, folder, "def _hidden_away(a)", _TURNS_IN_VAIN)
        sent = {"uri": (folder / "main.py").as_uri(), "diagnostics": [found]}
        client.notify("dsc/diagnostics", sent)
        client.notify("dsc/diagnostics", {"uri": 1, "diagnostics": [{"odd": 1}]})
        assert await shows(client, engine, folder, "def _hidden_away(a)")
