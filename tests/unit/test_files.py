"""Which files of a workspace are read: what git ignores, what is secret, what is no code."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from dsc_lsp.repository import files
from dsc_lsp.repository.files import LARGEST_FILE, read, state_of, walk
from dsc_lsp.repository.texts import presentable

CODE = "def f():\n    return 1\n"


def lay(root: Path, *paths: str, text: str = CODE) -> None:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def found(root: Path) -> list[str]:
    return sorted(state.path for state in walk(root))


@pytest.fixture(autouse=True)
def _no_excludes_of_the_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


def test_code_is_found_and_other_files_are_not(tmp_path: Path) -> None:
    lay(tmp_path, "a.py", "b/c.ts", "README.md", "data.json", "x.PY", "empty/d.py")
    (tmp_path / "none.py").touch()
    assert found(tmp_path) == ["a.py", "b/c.ts", "empty/d.py", "x.PY"]


def test_gitignore_is_nested_and_negated(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    lay(tmp_path, "a.py", "gen/b.py", "gen/keep.py", "sub/c.py", "sub/d.py", "sub/gen/e.py")
    lay(tmp_path, "build/f.py", "sub/build/g.py", "only/h.py", "sub/only/i.py")
    (tmp_path / ".gitignore").write_text("gen/*\n!gen/keep.py\nbuild/\n/only\n")
    (tmp_path / "sub/.gitignore").write_text("c.py\n!gen/\n!gen/e.py\n")
    assert found(tmp_path) == ["a.py", "gen/keep.py", "sub/d.py", "sub/gen/e.py", "sub/only/i.py"]


def test_excludes_of_the_repository_and_of_the_user_hold(tmp_path: Path, monkeypatch) -> None:
    home = tmp_path / "home"
    lay(home, ".gitconfig", text='[user]\n\tname = x\n[core]\n\texcludesFile = "~/mine"\n')
    lay(home, "mine", text="*_local.py\n")
    monkeypatch.setenv("HOME", str(home))
    work = tmp_path / "work"
    lay(work, "a.py", "b_local.py", "c.py", "sub/c.py")
    lay(work, ".git/info/exclude", text="/c.py\n")
    assert found(work) == ["a.py", "sub/c.py"]


def test_rules_above_the_opened_folder_hold_unless_they_ignore_it_itself(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("b.py\nvendor/\n")
    lay(tmp_path, "lib/a.py", "lib/b.py", "vendor/a.py", "vendor/b.py")
    assert found(tmp_path / "lib") == ["a.py"]
    assert found(tmp_path / "vendor") == ["a.py", "b.py"]


def test_a_pattern_that_git_would_refuse_costs_only_itself(tmp_path: Path) -> None:
    lay(tmp_path, "a.py", "b.py")
    (tmp_path / ".gitignore").write_bytes(b"!\n[z-a]\nb.py\n\xff\xfe\n")
    assert found(tmp_path) == ["a.py"]


@pytest.mark.parametrize(
    "path",
    [
        ".env.py", ".aws/keys.py", "secrets/a.py", "local_settings.py", "secrets.toml",
        "credentials.json", ".venv/a.py", "node_modules/a.js", "env/lib/a.py", "id_rsa.py",
    ],
)  # fmt: skip
def test_secret_and_foreign_places_are_left_out(tmp_path: Path, path: str) -> None:
    lay(tmp_path, path, "a.py")
    lay(tmp_path, "env/pyvenv.cfg", text="home = x\n")
    assert found(tmp_path) == ["a.py"]
    assert state_of(tmp_path, path) is None
    assert state_of(tmp_path, "a.py") is not None


def test_links_are_never_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "work"
    lay(outside, "secret.py", "deep/secret.py")
    lay(root, "a/b.py")
    (root / "file.py").symlink_to(outside / "secret.py")
    (root / "folder").symlink_to(outside)
    (root / "a" / "loop").symlink_to(root)
    (root / "gone.py").symlink_to(root / "nowhere.py")
    assert found(root) == ["a/b.py"]
    for path in (
        "file.py",
        "folder/secret.py",
        "a/loop/a/b.py",
        "../outside/secret.py",
        "gone.py",
    ):
        assert state_of(root, path) is None, path
        assert read(root, path) is None, path


def test_a_workspace_that_is_itself_a_link_is_read(tmp_path: Path) -> None:
    lay(tmp_path, "real/a.py")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert found(tmp_path / "link") == ["a.py"]
    assert read(tmp_path / "link", "a.py") == CODE


def test_a_fifo_is_neither_found_nor_waited_for(tmp_path: Path) -> None:
    lay(tmp_path, "a.py")
    os.mkfifo(tmp_path / "pipe.py")
    assert found(tmp_path) == ["a.py"]
    reading = threading.Thread(target=read, args=(tmp_path, "pipe.py"), daemon=True)
    reading.start()
    reading.join(5)
    assert not reading.is_alive()
    assert read(tmp_path, "pipe.py") is None


def test_folders_that_cannot_be_listed_and_files_that_go_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, "a.py", "closed/b.py", "gone/c.py", "z.py")
    real = os.scandir

    def scandir(path: str | int):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        entries = real(path)
        if isinstance(path, str) and path.endswith("gone"):
            shutil.rmtree(path)
        return entries

    monkeypatch.setattr(files.os, "scandir", scandir)
    assert found(tmp_path) == ["a.py", "z.py"]
    assert read(tmp_path, "gone/c.py") is None
    assert list(walk(tmp_path / "nowhere")) == []


def test_large_binary_generated_and_minified_files_are_no_context(tmp_path: Path) -> None:
    lay(tmp_path, "big.py", text="x = 1\n" * (LARGEST_FILE // 6 + 1))
    assert found(tmp_path) == []
    assert presentable("a\0b") is None
    assert presentable("# @generated by protoc\nx = 1\n") is None
    assert presentable("// Code generated by stringer; DO NOT EDIT.\nvar x = 1\n") is None
    assert presentable("var a=1;" * 300) is None
    assert presentable("x = 1\r\ny = 2\r") == "x = 1\ny = 2\n"
    (tmp_path / "latin.py").write_bytes("# größe\n".encode("latin-1"))
    assert read(tmp_path, "latin.py") is None
