"""A repository strewn with secrets and odd files: none of them reaches a prompt, nothing hangs."""

import base64
import os
import string
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from dsc_lsp import context
from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.repository import Repository, files, indexing
from dsc_lsp.repository.changes import changed_lines
from dsc_lsp.repository.store import Store, index_path
from dsc_lsp.settings import Settings
from tests.scripted import ScriptedEngine

MODULES = 24
PATIENCE_SECONDS = 300
SOURCES = ("#clipboard\npaid = ", "\ntyped_module_", "\nbegun_module_")
"""What was copied, typed elsewhere and not committed."""

SECRET_FILES = (".env", ".env.py", "secrets/keys.py", "local_settings.py", "id_rsa", "server.pem")
UPPER, WORD = string.ascii_uppercase + string.digits, string.ascii_letters + string.digits


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def secret_lines(random: Random) -> list[tuple[str, str]]:
    """Return lines of code with the secret that each holds."""

    def some(letters: str, count: int) -> str:
        return "".join(random.choices(letters, k=count))

    values = {
        "aws_id = '{}'": "AKIA" + some(UPPER, 16),
        "client = Client('{}')": "ghp_" + some(WORD, 36),
        "pay(key='{}')": "sk_live_" + some(WORD, 24),
        "slack = ['{}']": "xoxb-" + some(string.digits, 12) + "-" + some(WORD, 24),
        "password = '{}'": some(WORD, 12),
        'db = "postgres://admin:{}@db.example.org/main"': some(WORD, 16),
        "# token: {}": "eyJ" + some(WORD, 30) + ".eyJ" + some(WORD, 40) + "." + some(WORD, 43),
        "maps_api_key = '{}'": "AIza" + some(WORD, 35),
        'passphrase = "{}"': " ".join(some(string.ascii_lowercase, 6) for _ in range(4)),
        "settings = {{'db_password': '{}', 'user': 'bob'}}": f"{some(WORD, 5)} {some(WORD, 7)}",
        "CLIENT_SECRET: str = '{}'": "over the " + some(string.ascii_lowercase, 8) + " and far",
        "headers = {{'Authorization': 'Bearer {}'}}": some(WORD, 20),
        "# curl -u admin:{} https://example.org": some(WORD, 10),
        "digest = '{}'": some(string.hexdigits.lower(), 40) + "0a1b2c3d",
        "hub = login('{}')": "hf_" + some(WORD, 34),
        "queue = connect('DefaultEndpoints;AccountKey={}')": some(WORD, 60) + "==",
    }
    lines = [(line.format(value), value) for line, value in values.items()]
    armour = base64.b64encode(random.randbytes(48)).decode()
    key = f"KEY = '''-----BEGIN RSA PRIVATE KEY-----\n{armour}\n-----END RSA PRIVATE KEY-----'''"
    return [*lines, (key, armour)]


def strew(root: Path, random: Random) -> tuple[list[Path], list[str]]:
    """Write a repository; returns its modules and the secrets in it."""
    outside = root.parent / "outside"
    outside.mkdir()
    secrets: list[str] = []
    modules: list[Path] = []
    for number in range(MODULES):
        path = root / f"shop_{number % 4}" / f"module_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"from shop_0.module_{number // 2} import price_of_item_0 as other", ""]
        for item in range(6):
            forms = secret_lines(random)
            line, secret = forms[(6 * number + item) % len(forms)]
            secrets.append(secret)
            lines += [f"def price_of_item_{item}(client, token):", "    total = client.total()"]
            lines += ["    return other(token)", "", line, ""]
        path.write_text("\n".join(lines))
        modules.append(path)
    for name in SECRET_FILES:
        value = "".join(random.choices(WORD, k=24))
        secrets.append(value)
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"price_of_item_0 = other = client = '{value}'\n")
    value = "".join(random.choices(string.ascii_lowercase, k=30))
    secrets.append(value)
    (outside / "hidden.py").write_text(f"def price_of_item_0(client):\n    {value}(client)\n")
    (root / ".gitignore").write_text("ignored.py\n")
    (root / "link.py").symlink_to(outside / "hidden.py")
    (root / "linked").symlink_to(outside)
    (root / "shop_0" / "loop").symlink_to(root)
    if sys.platform != "win32":
        os.mkfifo(root / "pipe.py")
    return modules, secrets


def commit(root: Path) -> None:
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "First"]):
        subprocess.run([*git, *command], check=True)


def change(modules: list[Path], random: Random) -> list[str]:
    """Change files on the disk since the last commit; returns the secrets in the changes."""
    secrets: list[str] = []
    for path in modules:
        line, secret = random.choice(secret_lines(random))
        secrets.append(secret)
        path.write_text(f"{path.read_text()}\nbegun_{path.stem} = other(client)\n{line}\n")
    return secrets


def tell(repository: Repository, root: Path, modules: list[Path], random: Random) -> list[str]:
    """Tell what editors tell; returns the secrets in it."""
    line, secret = random.choice(secret_lines(random))
    password = "".join(random.choices(string.ascii_lowercase, k=14)) + "!7"
    odd = "".join(random.choices(string.ascii_lowercase, k=20))
    repository.copied(random.choice((f"paid = other(client)\n{line}\n", password)))
    for path in (random.choice(modules), root / ".env", root / "id_rsa", root / "ignored.py"):
        opened = Document.of("", uri=path.as_uri(), language="python")
        repository.update(opened)
        text = f"typed_{path.stem.strip('.')} = other(client)\n{line}\n"
        if path not in modules:
            text += f"price_of_item_0 = {odd}\n"
        start = Position(0, 0)
        repository.update(opened.replace(start, start, text, version=1))
        repository.reported(path.as_uri(), [(n, f'unknown "{secret}"') for n in range(40)])
    return [secret, password, odd]


def assert_no_secret_in_prompts(tmp_path: Path, requests: int) -> None:
    random = Random(6)
    root = tmp_path / "work"
    root.mkdir()
    modules, secrets = strew(root, random)
    commit(root)
    secrets += change([*modules, root / ".env"], random)
    store = Store(index_path(root))
    store.set_changes(changed_lines(root))
    store.close()
    repository, engine = Repository(context.plan), ScriptedEngine("answer")
    repository.read_folder(root)
    shown_files, sources = 0, Counter[str]()
    for _ in range(requests):
        secrets += tell(repository, root, modules, random)
        path = random.choice(modules)
        document = Document.of(path.read_text(), uri=path.as_uri(), language="python")
        line = random.randrange(len(document.lines))
        place = Position(line, random.randrange(len(document.line(line)) + 1))
        complete(Cursor(document, place), repository, Settings(), engine, CancelToken())
        if engine.requests:
            text = "".join(part.text for part in engine.requests.pop().prompt.parts)
            shown_files += text.count("#shop_")
            sources.update({source for source in SOURCES if source in text})
            found = [secret for secret in secrets if secret in text]
            assert not found, f"{path}:{line + 1} shows {found}"
    assert shown_files > requests, "there was context to leave secrets out of"
    assert set(sources) == set(SOURCES), "what editors and git tell was there, too"
    repository.close_folders()


def test_no_secret_is_in_any_prompt(tmp_path: Path) -> None:
    assert_no_secret_in_prompts(tmp_path, 40)


@pytest.mark.slow
def test_no_secret_is_in_any_of_a_thousand_prompts(tmp_path: Path) -> None:
    assert_no_secret_in_prompts(tmp_path, 1_000)


def test_what_cannot_be_listed_or_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the refusals are made here."""
    for name in ("open/a.py", "closed/b.py", "open/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    scandir, opened = os.scandir, os.open

    def refusing_scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(path)
        return scandir(path)

    def refusing_open(path: str, *arguments: int) -> int:
        if str(path).endswith("c.py"):
            raise PermissionError(path)
        return opened(path, *arguments)

    monkeypatch.setattr(files.os, "scandir", refusing_scandir)
    monkeypatch.setattr(files.os, "open", refusing_open)
    store = Store(None)
    list(indexing.refresh(tmp_path, store))
    assert store.paths() == {"open/a.py"}


def test_files_deleted_while_they_are_read_are_left_out(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"m{number}.py").write_text("x = 1\n")
    store = Store(None)
    steps = indexing.refresh(tmp_path, store)
    next(steps)
    for number in range(0, 200, 2):
        (tmp_path / f"m{number}.py").unlink()
    list(steps)
    list(indexing.refresh(tmp_path, store))
    assert store.paths() == {f"m{number}.py" for number in range(1, 200, 2)}


@pytest.mark.slow
def test_a_hundred_thousand_tiny_files_neither_fail_nor_hang(tmp_path: Path) -> None:
    for number in range(100_000):
        folder = tmp_path / f"d{number // 500}"
        folder.mkdir(exist_ok=True)
        (folder / f"m{number}.py").write_text(f"x{number} = 1\n")
    store = Store(tmp_path / "index.sqlite")
    done = threading.Event()

    def index() -> None:
        list(indexing.refresh(tmp_path, store))
        indexing.finish(store)
        done.set()

    threading.Thread(target=index, daemon=True).start()
    assert done.wait(PATIENCE_SECONDS)
    assert len(store.paths()) == 100_000
    store.close()
