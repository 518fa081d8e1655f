"""Files of the workspace are known to the lookup, as the disk has them, unless they are open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dsc_lsp.engine.base import EngineError
from dsc_lsp.repository import Repository
from tests.protocol.client import PATIENCE_SECONDS, Client, connected, insertion

ORDERS = "def total_of_all_orders(orders):\n    return sum(order.price for order in orders)\n"
TYPED = "def total_of_all_"


def no_model(_settings: object, _report: object) -> Any:
    raise EngineError("no model today")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "project with a blank"
    root.mkdir()
    (root / "orders.py").write_text(ORDERS)
    return root


@asynccontextmanager
async def opened(*folders: Path, options: Any = None, **workspace: Any) -> AsyncIterator[Client]:
    # What little these files say is not withheld for being unsure.
    options = {"minConfidence": 0, **(options or {})}
    async with connected(no_model) as client:
        await client.open_session(options, folders, workspace=workspace)
        await client.until(lambda: bool(client.shown()))
        wanted = () if options.get("repositoryContext") is False else folders
        await read(client, *wanted)
        yield client


async def read(client: Client, *folders: Path) -> None:
    """Wait until these folders, and no others, are known."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while client.server.repository.roots != folders:
            await asyncio.sleep(0.01)
    await learnt(client)


async def learnt(client: Client) -> None:
    await client.settled()
    repository = client.server.repository
    assert await asyncio.to_thread(repository.wait_until_known, PATIENCE_SECONDS)


async def suggested(client: Client, folder: Path) -> str:
    """Return what is suggested after ``TYPED`` in a new file of the folder; empty if nothing."""
    uri = (folder / "new.py").as_uri()
    client.open(f"x = 1\n\n\n{TYPED}\n", uri=uri)
    answer = await client.answer(client.ghost_text(3, len(TYPED), uri=uri))
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    return "".join(item["insertText"] for item in answer["result"]["items"]).removeprefix(TYPED)


async def test_a_file_that_nobody_has_opened_is_known(folder: Path):
    async with opened(folder) as client:
        assert (await suggested(client, folder)).startswith("orders(orders):")


async def test_without_folders_nothing_is_known(folder: Path):
    async with opened() as client:
        assert await suggested(client, folder) == ""


async def test_what_git_ignores_and_what_lies_outside_is_not_known(folder: Path, tmp_path: Path):
    (folder / "orders.py").rename(folder / "ignored.py")
    (folder / ".gitignore").write_text("ignored.py\n")
    (tmp_path / "outside.py").write_text(ORDERS)
    (folder / "link.py").symlink_to(tmp_path / "outside.py")
    async with opened(folder) as client:
        assert await suggested(client, folder) == ""


async def test_the_setting_keeps_other_files_out(folder: Path):
    async with opened(folder, options={"repositoryContext": False}) as client:
        assert await suggested(client, folder) == ""


async def test_turned_off_the_setting_forgets_them_and_turned_on_reads_them_again(folder: Path):
    async with opened(folder) as client:
        for wanted, files in ((False, 0), (True, 1)):
            settings = {"dsc": {"repositoryContext": wanted}}
            client.notify("workspace/didChangeConfiguration", {"settings": settings})
            await known(client, files)


async def test_a_place_that_is_no_path_changes_nothing(folder: Path):
    async with opened(folder) as client:
        changes = [{"uri": uri, "type": 2} for uri in ("file:orders.py", "untitled:x", "")]
        client.notify("workspace/didChangeWatchedFiles", {"changes": changes})
        await known(client, 1)


async def test_a_file_that_changes_on_the_disk_is_read_anew(folder: Path):
    async with opened(folder) as client:
        (folder / "orders.py").write_text(ORDERS.replace("orders", "items"))
        change = {"uri": (folder / "orders.py").as_uri(), "type": 2}
        client.notify("workspace/didChangeWatchedFiles", {"changes": [change]})
        await learnt(client)
        assert (await suggested(client, folder)).startswith("items(items):")
        (folder / "orders.py").unlink()
        client.notify("workspace/didChangeWatchedFiles", {"changes": [{**change, "type": 3}]})
        await learnt(client)
        assert await suggested(client, folder) == ""


async def test_files_of_a_folder_that_is_renamed_or_deleted_in_the_editor_are_known_by_its_path(
    folder: Path,
):
    old, new = folder / "old", folder / "new"
    old.mkdir()
    (folder / "orders.py").rename(old / "orders.py")
    async with opened(folder) as client:
        await known(client, 1)
        old.rename(new)
        renamed = {"oldUri": old.as_uri(), "newUri": new.as_uri()}
        client.notify("workspace/didRenameFiles", {"files": [renamed]})
        await learnt(client)
        assert list(client.server.repository.roots) == [folder]
        assert (await suggested(client, folder)).startswith("orders(orders):")
        (new / "orders.py").unlink()
        new.rmdir()
        client.notify("workspace/didDeleteFiles", {"files": [{"uri": new.as_uri()}]})
        await known(client, 0)
        assert await suggested(client, folder) == ""


async def test_an_open_document_stands_above_the_disk_until_it_is_closed(folder: Path):
    # Another way to write the same path: editors differ in what they escape.
    uri = (folder / "orders.py").as_uri().replace("%20", " ")
    async with opened(folder) as client:
        client.open(ORDERS, uri=uri)
        client.change(2, insertion(0, len(TYPED), "new_"), uri=uri)
        assert (await suggested(client, folder)).startswith("new_orders(orders):")
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        await learnt(client)
        assert (await suggested(client, folder)).startswith("orders(orders):")


async def test_folders_come_and_go(folder: Path):
    named = {"uri": folder.as_uri(), "name": "project"}
    async with opened() as client:
        event = {"added": [named], "removed": []}
        client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
        await asyncio.sleep(0)
        await known(client, 1)
        assert (await suggested(client, folder)).startswith("orders(orders):")
        event = {"added": [], "removed": [named]}
        client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
        await known(client, 0)
        assert await suggested(client, folder) == ""


async def known(client: Client, files: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(client.server.repository.index) != files:
            await learnt(client)
            await asyncio.sleep(0.01)


async def test_the_client_is_asked_to_tell_of_changes(folder: Path):
    async with opened(folder, didChangeWatchedFiles={"dynamicRegistration": True}) as client:
        await client.until(lambda: bool(client.of_method("client/registerCapability")))
        [asked] = client.of_method("client/registerCapability")
        [registration] = asked["params"]["registrations"]
        assert registration["method"] == "workspace/didChangeWatchedFiles"
        code, rules = registration["registerOptions"]["watchers"]
        assert ",py," in code["globPattern"]
        assert ".gitignore" in rules["globPattern"]
        client.send({"jsonrpc": "2.0", "id": asked["id"], "result": None})


async def test_where_the_client_refuses_to_tell_the_disk_is_looked_at_often(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    scans: list[bool] = []
    open_folders = Repository.open_folders

    def noted(self: Repository, *arguments: Any, scan: bool, **named: Any) -> None:
        scans.append(scan)
        open_folders(self, *arguments, scan=scan, **named)

    monkeypatch.setattr(Repository, "open_folders", noted)
    async with opened(folder, didChangeWatchedFiles={"dynamicRegistration": True}) as client:
        await client.until(lambda: bool(client.of_method("client/registerCapability")))
        [asked] = client.of_method("client/registerCapability")
        assert scans == [False]
        error = {"code": -32601, "message": "no"}
        client.send({"jsonrpc": "2.0", "id": asked["id"], "error": error})
        async with asyncio.timeout(PATIENCE_SECONDS):
            while scans != [False, True]:
                await asyncio.sleep(0.01)
