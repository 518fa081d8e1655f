"""What editors and git tell, over stdio into a real server, is read by a model on loopback."""

import asyncio
import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.sessions import session
from tests.protocol.client import PATIENCE_SECONDS
from tests.remote.fake_server import FakeServer, models, says, serving

TYPED = "from shop import Shop\n\nshop = Shop()\nshop."
UNUSED = "".join(f"def unused_{n}(a: int, b: int) -> int: ...\n" for n in range(400))
FILES = {
    "shop.py": f"class Shop:\n    def open(self): ...\n{UNUSED}def _hidden_away(a): ...\n",
    "stock.py": "def stock(count):\n    return count\n",
    "staged.py": "def staged(count):\n    return count\n",
    ".env": "TOKEN=1\n",
}
SHOWN = ("return count - not_committed", "return count + is_staged", "copied_call(1, 2)",
         "def _hidden_away(a)")  # fmt: skip
SECRETS = ("correct horse", "hunter2hunter", "swordfish", "wear sunscreen")
OPTIONS = {"gitChanges": True, "clipboardContext": True, "diagnosticsContext": True}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "project"
    root.mkdir()
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for name, text in FILES.items():
        (root / name).write_text(text)
    for command in (["init", "-q"], ["add", "-f", "."], ["commit", "-qm", "First"]):
        subprocess.run([*git, *command], check=True)
    (root / "stock.py").write_text(
        "def stock(count):\n    return count - not_committed\n"
        "    password = 'correct horse battery'\n"
    )
    (root / "staged.py").write_text("def staged(count):\n    return count + is_staged\n")
    (root / ".env").write_text("TOKEN=swordfish\n")
    subprocess.run([*git, "add", "staged.py"], check=True)
    return root


async def prompts(folder: Path, server: FakeServer, *, wanted: bool) -> list[str]:
    """Type until all that is told is read, or as often as would do; returns what was asked."""
    options = {"remoteUrl": server.url, "remoteServer": "llama-server", "contextTokens": 4096,
               "prepareNext": False, **(OPTIONS if wanted else {})}  # fmt: skip
    uri = (folder / "main.py").as_uri()
    line, column = TYPED.count("\n"), len(TYPED.rpartition("\n")[2])
    at = {"line": line, "character": 0}
    message = {"range": {"start": at, "end": at}, "message": 'no "_hidden_away", wear sunscreen'}
    async with session(options=options, folder=folder) as editor:
        await editor.loaded()
        notify = editor.client.protocol.notify
        for text in ("copied_call(1, 2)\nsecret = 'hunter2hunter'\n", "swordfish"):
            notify("dsc/copied", {"text": text})
        notify("dsc/diagnostics", {"uri": uri, "diagnostics": [message]})
        editor.open(uri, TYPED)
        end = time.monotonic() + PATIENCE_SECONDS
        version, turns = 1, 0
        while time.monotonic() < end and (wanted or turns < 10):
            await editor.ghost_text(uri, line, column, invoked=True)
            found = [json.dumps(call.body, ensure_ascii=False) for call in server.calls]
            if wanted and any(all(words in one for words in SHOWN) for one in found):
                break
            turns, version = turns + 1, version + 1
            editor.insert(uri, version, 0, 0, "\n")
            line += 1
            await asyncio.sleep(0.2)
    return [json.dumps(call.body, ensure_ascii=False) for call in server.calls]


async def test_they_are_shown_where_the_user_wants_them_and_secrets_never(folder: Path):
    with serving(says("open()"), {"/v1/models": models()}) as server:
        found = await prompts(folder, server, wanted=True)
    assert any(all(words in one for words in SHOWN) for one in found)
    assert not [secret for secret in SECRETS for one in found if secret in one]


async def test_they_are_not_shown_where_nobody_wants_them(folder: Path):
    with serving(says("open()"), {"/v1/models": models()}) as server:
        found = await prompts(folder, server, wanted=False)
    assert found
    assert not [words for words in SHOWN for one in found if words in one]
