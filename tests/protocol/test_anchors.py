"""Independent judges of the text and of the protocol; slow, and skipped where they are not had."""

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from lsprotocol import types

from dsc_lsp import convert
from dsc_lsp.document import Document
from tests.protocol import typing_speed
from tests.protocol.client import Client, connected
from tests.scripted import ScriptedEngine

pytestmark = pytest.mark.slow

CACHE = platformdirs.user_cache_path("dsc-lsp-tests")
ORACLE = "vscode-languageserver-textdocument"
ORACLE_VERSION = "1.0.12"
EDITS = 100_000
TESTDATA = CACHE / "lsprotocol-testdata"
ENCODINGS = (
    types.PositionEncodingKind.Utf16,
    types.PositionEncodingKind.Utf8,
    types.PositionEncodingKind.Utf32,
)


@pytest.fixture(scope="module")
def oracle() -> Path:
    """Return the folder of the npm package, installed into the cache at the first time."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    home = CACHE / f"{ORACLE}-{ORACLE_VERSION}"
    package = home / "node_modules" / ORACLE
    if not package.exists():
        home.mkdir(parents=True, exist_ok=True)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(home)]
        command = [npm, "install", *options, f"{ORACLE}@{ORACLE_VERSION}"]
        ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
        if ended.returncode != 0:
            pytest.skip("the npm package cannot be had")
    return package


def test_random_edits_come_out_as_in_visual_studio_code(oracle: Path) -> None:
    documents: dict[Any, Document] = {}
    seen = 0
    for step in oracle_steps(oracle):
        if "digest" not in step:
            documents = dict.fromkeys(ENCODINGS, Document.of(step["text"]))
            continue
        seen += 1
        for number, encoding in enumerate(ENCODINGS):
            change = types.TextDocumentContentChangePartial(
                types.Range(
                    types.Position(**step["start"][number]), types.Position(**step["end"][number])
                ),
                step["text"],
            )
            before = documents[encoding]
            after = convert.changed(before, [change], seen, encoding)
            documents[encoding] = after
            digest = hashlib.sha1(after.text.encode(), usedforsecurity=False).hexdigest()
            assert digest == step["digest"], (before.text, change, encoding)
    assert seen == EDITS


def oracle_steps(package: Path) -> Iterator[dict[str, Any]]:
    script = Path(__file__).with_name("oracle.js")
    command = ["node", str(script), str(package), str(EDITS), "8"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
    assert process.returncode == 0


async def test_every_message_of_the_lsprotocol_generator_is_answered_once() -> None:
    """The generator stands in the repository microsoft/lsprotocol: plugin ``testdata``."""
    messages = [json.loads(path.read_bytes()) for path in sorted(TESTDATA.glob("*.json"))]
    if not messages:
        pytest.skip(f"put the messages of `generator --plugin testdata` into {TESTDATA}")
    in_session = [m for m in messages if not is_end(m)]
    async with connected(ScriptedEngine("answer")) as client:
        await client.open_session()
        await client.loaded()
        await send_all(client, in_session)
    async with connected(ScriptedEngine("answer")) as client:
        await send_all(client, in_session[::20])
    for message in [m for m in messages if is_end(m)][:200]:
        async with connected() as client:
            await client.open_session()
            client.send(message)
            if not isinstance(message, dict) or message.get("method") != "exit":
                await client.settled()


async def send_all(client: Client, messages: list[Any]) -> None:
    """Send messages as fast as the server takes them, and wait for all answers."""
    for start in range(0, len(messages), 500):
        batch = messages[start : start + 500]
        await asyncio.to_thread(lambda batch=batch: [client.send(m) for m in batch])
        await client.settled()
    await client.until(lambda: not client.unanswered())
    assert not client.exit.done()


def is_end(message: Any) -> bool:
    return isinstance(message, dict) and message.get("method") in {"exit", "shutdown"}


def test_ten_thousand_changes_and_cancels_are_fast() -> None:
    speed = typing_speed.measure()
    assert speed.answered == speed.asked
    assert speed.changes_seconds <= 5
    assert speed.cancel_p95_ms <= 5
