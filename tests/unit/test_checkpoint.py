"""From ``dsc.model`` to a checkpoint: what is found, and what is said where nothing can be."""

import json
from pathlib import Path

import pytest

from dsc_lsp.engine import checkpoint
from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.checkpoint import FREE_SHARE, Checkpoint, find_checkpoint
from dsc_lsp.models import (
    DEEPSEEK_CODER_BASE,
    DEEPSEEK_CODER_INSTRUCT,
    STARTER,
    STARTER_CHECKPOINT,
    family_of,
)

SMALL, MIDDLE, LARGE = (
    "deepseek-ai/deepseek-coder-1.3b-base",
    "deepseek-ai/deepseek-coder-6.7b-base",
    "deepseek-ai/deepseek-coder-33b-base",
)
BYTES = {SMALL: 1_000, MIDDLE: 5_000, LARGE: 25_000}


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache is an empty folder, and nothing is downloaded."""
    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return cache


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A starter of our own: what is found is tested here, not what is shipped."""
    directory = write_checkpoint(tmp_path / "dsc-starter")
    monkeypatch.setattr(checkpoint, "STARTER_CHECKPOINT", directory)
    return directory


def test_a_directory_is_found(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "deepseek-coder-6.7b-instruct", weight_bytes=123)
    assert find(str(directory)) == Checkpoint(
        "deepseek-coder-6.7b-instruct", directory, DEEPSEEK_CODER_INSTRUCT, 123
    )


def test_a_directory_in_the_home_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write_checkpoint(tmp_path / "model")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert find("~/model").directory == directory


def test_a_relative_directory_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = write_checkpoint(tmp_path / "deepseek-coder-1.3b-instruct")
    monkeypatch.chdir(directory)
    assert find(".").name == "deepseek-coder-1.3b-instruct"
    assert find(".").family is DEEPSEEK_CODER_INSTRUCT


def test_all_pieces_of_the_weights_count(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "model", weight_bytes=100)
    (directory / "model-00002-of-00002.safetensors").write_bytes(b"x" * 50)
    assert find(str(directory)).weight_bytes == 150


def test_a_hub_id_is_found_in_the_hubs_cache(hub: Path) -> None:
    directory = write_to_hub(hub, MIDDLE)
    assert find(MIDDLE) == Checkpoint(MIDDLE, directory, DEEPSEEK_CODER_BASE, BYTES[MIDDLE])


def test_the_starter_is_found(starter: Path) -> None:
    assert find("starter") == Checkpoint("starter", starter, STARTER, 100)


def test_the_shipped_starter_is_where_the_table_says() -> None:
    if not STARTER_CHECKPOINT.is_dir():
        pytest.skip("the starter has not been built")
    found = find("starter")
    assert found.family is STARTER
    assert (found.directory / "tokenizer.json").is_file()


@pytest.mark.parametrize(
    ("on_disk", "free", "found"),
    [
        pytest.param([SMALL, MIDDLE, LARGE], 1_000_000, LARGE, id="all fit"),
        pytest.param([SMALL, MIDDLE, LARGE], 10_000, MIDDLE, id="the largest does not"),
        pytest.param([SMALL, LARGE], 10_000, SMALL, id="the middle one is not there"),
        pytest.param([SMALL], round(1_000 / FREE_SHARE), SMALL, id="just fits"),
        pytest.param([SMALL], round(1_000 / FREE_SHARE) - 1, "starter", id="just does not"),
        pytest.param([SMALL, MIDDLE, LARGE], None, "starter", id="no accelerator"),
        pytest.param([], 1_000_000, "starter", id="nothing there"),
    ],
)
@pytest.mark.usefixtures("starter")
def test_auto_takes_the_most_able_that_fits(
    hub: Path, on_disk: list[str], free: int | None, found: str
) -> None:
    for name in on_disk:
        write_to_hub(hub, name)
    assert find("auto", free).name == found


@pytest.mark.usefixtures("starter")
def test_auto_passes_over_a_download_that_was_interrupted(hub: Path) -> None:
    (write_to_hub(hub, LARGE) / "model.safetensors").unlink()
    write_to_hub(hub, SMALL)
    assert find("auto", 1_000_000).name == SMALL


def test_free_memory_is_asked_for_by_auto_only(tmp_path: Path) -> None:
    def ask() -> int:
        raise AssertionError("asking wakes the accelerator up")

    directory = write_checkpoint(tmp_path / "model")
    assert find_checkpoint(str(directory), ask).directory == directory


@pytest.mark.parametrize(
    ("model", "cause", "remedy"),
    [
        pytest.param("/no/such", "/no/such does not exist", "Set `dsc.model`", id="directory"),
        pytest.param("./no", "./no does not exist", "Set `dsc.model`", id="relative"),
        pytest.param("no-such", "no-such does not exist", "Set `dsc.model`", id="name"),
        pytest.param("~/no", "~/no does not exist", "Set `dsc.model`", id="home"),
        pytest.param("~nobody-here/no", "does not exist", "Set `dsc.model`", id="other home"),
        pytest.param("x" * 5_000, "does not exist", "Set `dsc.model`", id="too long"),
        pytest.param("a\0b", "does not exist", "Set `dsc.model`", id="zero byte"),
        pytest.param(SMALL, "not on this disk", f"Run `dsc-lsp pull {SMALL}`", id="hub id"),
        pytest.param("a b/c?", "not on this disk", "set `dsc.model`", id="odd hub id"),
    ],
)
def test_a_model_that_is_not_there(model: str, cause: str, remedy: str) -> None:
    refused(model, cause, remedy)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"")
    refused(str(file), "is a file", "Set `dsc.model` to the checkpoint's directory")


def test_a_directory_without_a_configuration(tmp_path: Path) -> None:
    refused(str(tmp_path), "config.json is missing", "Set `dsc.model` to a directory with")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"null", id="null"),
    ],
)
def test_a_configuration_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    directory = write_checkpoint(tmp_path / "model")
    (directory / "config.json").write_bytes(content)
    refused(str(directory), "config.json cannot be read", "Download the checkpoint again")


@pytest.mark.parametrize("kind", ["gpt2", "qwen2", None, 1, ["llama"]])
def test_another_architecture(tmp_path: Path, kind: object) -> None:
    directory = write_checkpoint(tmp_path / "model")
    (directory / "config.json").write_text(json.dumps({"model_type": kind}))
    refused(str(directory), repr(kind), "Choose a DeepSeek-Coder checkpoint")


def test_no_weights(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "model")
    (directory / "model.safetensors").unlink()
    refused(str(directory), "has no weights", "Download the checkpoint again")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt"])
def test_weights_that_could_run_code(tmp_path: Path, name: str) -> None:
    directory = write_checkpoint(tmp_path / "model")
    (directory / "model.safetensors").rename(directory / name)
    refused(str(directory), f"{name}, a pickle file", "Download the checkpoint's *.safetensors")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("deepseek-ai/deepseek-coder-6.7b-base", DEEPSEEK_CODER_BASE),
        ("deepseek-ai/DeepSeek-Coder-6.7B-Instruct/", DEEPSEEK_CODER_INSTRUCT),
        ("/models/deepseek-coder-7b-instruct-v1.5", DEEPSEEK_CODER_INSTRUCT),
        ("dsc-starter-2", STARTER),
        ("my-own", DEEPSEEK_CODER_BASE),
    ],
)
def test_a_name_tells_the_family(name: str, family: object) -> None:
    assert family_of(name) is family


def find(model: str, free: int | None = None) -> Checkpoint:
    return find_checkpoint(model, lambda: free)


def refused(model: str, cause: str, remedy: str) -> None:
    with pytest.raises(EngineError) as caught:
        find(model)
    assert cause in str(caught.value)
    assert remedy in str(caught.value)


def write_checkpoint(directory: Path, *, weight_bytes: int = 100) -> Path:
    directory.mkdir(parents=True)
    (directory / "config.json").write_text('{"model_type": "llama"}')
    (directory / "tokenizer.json").write_text("{}")
    (directory / "model.safetensors").write_bytes(b"x" * weight_bytes)
    return directory


def write_to_hub(hub: Path, name: str) -> Path:
    """Write a checkpoint as ``dsc-lsp pull`` leaves it."""
    repository = hub / f"models--{name.replace('/', '--')}"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    return write_checkpoint(repository / "snapshots" / commit, weight_bytes=BYTES[name])
