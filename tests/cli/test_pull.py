"""``dsc-lsp pull`` against a hub on loopback."""

import errno
import json
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import httpx2
import huggingface_hub.constants
import pytest

from dsc_lsp.cli import download, main
from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.checkpoint import find_checkpoint
from dsc_lsp.engine.remote.vocabulary import find_tokenizer
from dsc_lsp.models import DEEPSEEK_CODER_BASE
from tests.checkpoints import write_tokenizer
from tests.hub import COMMIT, Hub, Model, etag, serve

MODEL = "somebody/deepseek-coder-tiny-base"
WEIGHTS = b"weights " * 500_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("models") / "tokenizer.json"
    write_tokenizer(path)
    return {
        "tokenizer.json": path.read_bytes(),
        "config.json": b'{"model_type": "llama"}',
        "README.md": b"# Tiny",
        "model.safetensors": WEIGHTS,
        "pytorch_model.bin": b"pickle",
    }


@pytest.fixture
def hub(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve({MODEL: Model(dict(files))}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(download, "PAUSE_SECONDS", 0)
        yield running


@pytest.fixture
def model(hub: Hub) -> Model:
    return hub.models[MODEL]


def pull(*arguments: str) -> int:
    return main(["pull", MODEL, *arguments])


def blob(tmp_path: Path, name: str = "model.safetensors", data: bytes = WEIGHTS) -> Path:
    return tmp_path / "hub" / "models--somebody--deepseek-coder-tiny-base/blobs" / etag(name, data)


def begin(tmp_path: Path, data: bytes) -> None:
    """Leave the beginning of the weights, as an interrupted download does."""
    partial = blob(tmp_path).with_suffix(".incomplete")
    partial.parent.mkdir(parents=True)
    partial.write_bytes(data)


def test_a_model_is_fetched_without_what_could_run_code(
    hub: Hub, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull() == 0
    output = capsys.readouterr()
    directory = Path(output.out.strip())
    assert {path.name for path in directory.iterdir()} == set(model.files) - {"pytorch_model.bin"}
    assert (directory / "model.safetensors").read_bytes() == WEIGHTS
    assert f'Use it with `dsc.model = "{MODEL}"`.' in output.err


def test_a_pulled_model_is_found_though_not_all_of_its_files_are_here(hub: Hub) -> None:
    assert pull() == 0
    assert find_checkpoint(MODEL, lambda: None).weight_bytes == len(WEIGHTS)


def test_the_tokenizer_alone_serves_a_remote_model(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull("--tokenizer-only") == 0
    assert hub.fetched == [("tokenizer.json", None)]
    assert f'Use it with `dsc.remoteTokenizer = "{MODEL}"`.' in capsys.readouterr().err
    named = find_tokenizer(MODEL, "alias", DEEPSEEK_CODER_BASE)
    found = find_tokenizer("", MODEL, DEEPSEEK_CODER_BASE)
    assert named is not None
    assert found is not None
    assert named.encode("x = 1\n") == found.encode("x = 1\n")
    with pytest.raises(EngineError, match="is not on this disk"):
        find_checkpoint(MODEL, lambda: None)


def test_what_is_here_is_not_fetched_again(hub: Hub) -> None:
    assert pull() == 0
    hub.fetched.clear()
    assert pull() == 0
    assert not hub.fetched


def test_programs_are_told_the_progress_in_lines_of_json(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull("--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    *progress, end = lines
    assert Path(end["path"], "model.safetensors").exists()
    done = [line["done"] for line in progress]
    [total] = {line["total"] for line in progress}
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, total)
    assert total > len(WEIGHTS)


def test_people_are_told_the_progress_by_a_bar_on_a_terminal(hub: Hub) -> None:
    controller, terminal = os.openpty()
    termios.tcsetwinsize(controller, (24, 100))
    variables = os.environ | {"HF_HUB_CACHE": huggingface_hub.constants.HF_HUB_CACHE}
    with subprocess.Popen(
        [sys.executable, "-m", "dsc_lsp", "pull", MODEL],
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    ) as pulling:
        os.close(terminal)
        assert pulling.wait() == 0
    shown = os.read(controller, 100_000).decode()
    os.close(controller)
    assert f"{MODEL}: 100%" in shown
    assert "B/s" in shown


def test_a_killed_download_goes_on_where_it_stopped(
    hub: Hub, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.stalls = True
    partial = blob(tmp_path).with_suffix(".incomplete")
    variables = os.environ | {"HF_HUB_CACHE": huggingface_hub.constants.HF_HUB_CACHE}
    command = [sys.executable, "-m", "dsc_lsp", "pull", MODEL, "--json"]
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL) as pulling:
        end = time.monotonic() + 30
        while not (partial.exists() and partial.stat().st_size >= 2**20):
            assert time.monotonic() < end
            time.sleep(0.01)
        pulling.send_signal(signal.SIGKILL)
    begun = partial.stat().st_size
    with pytest.raises(EngineError, match="is not on this disk"):
        find_checkpoint(MODEL, lambda: None)
    hub.fetched.clear()
    assert pull("--json") == 0
    assert hub.fetched == [("model.safetensors", f"bytes={begun}-")]
    assert blob(tmp_path).read_bytes() == WEIGHTS
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["path"]


def test_a_connection_that_breaks_is_taken_up_again(
    hub: Hub, model: Model, tmp_path: Path
) -> None:
    model.breaks = [1_000_000, 2_000_000]
    assert pull() == 0
    asked = [wanted for name, wanted in hub.fetched if name == "model.safetensors"]
    assert asked == [None, "bytes=1000000-", "bytes=3000000-"]
    assert blob(tmp_path).read_bytes() == WEIGHTS


def test_a_connection_that_keeps_breaking_is_told_and_what_is_here_stays(
    hub: Hub, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.breaks = [1_000_000] + [0] * 6
    assert pull() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "broke at 0.00 of 0.00 GB. Run the command again: it goes on from there." in last
    assert blob(tmp_path).with_suffix(".incomplete").stat().st_size == 1_000_000


def test_a_hub_that_serves_no_parts_is_asked_for_the_whole(
    hub: Hub, model: Model, tmp_path: Path
) -> None:
    begin(tmp_path, b"something else")
    model.has_ranges = False
    assert pull() == 0
    assert blob(tmp_path).read_bytes() == WEIGHTS


@pytest.mark.parametrize("begun", [b"", b"not the same" * 100, WEIGHTS + b"more"], ids=len)
def test_damaged_weights_are_thrown_away_and_never_taken_for_the_model(
    begun: bytes, hub: Hub, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(tmp_path, begun)
    model.is_damaged = not begun
    if len(begun) > len(WEIGHTS):
        assert pull() == 0
        return
    assert pull() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"model.safetensors of {MODEL} arrived damaged and was thrown away" in last
    assert not list(blob(tmp_path).parent.glob(f"{blob(tmp_path).name}*"))
    with pytest.raises(EngineError, match="is not on this disk"):
        find_checkpoint(MODEL, lambda: None)
    model.is_damaged = False
    assert pull() == 0


def test_an_interrupted_update_leaves_the_older_model_in_use(
    hub: Hub, model: Model, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pull() == 0
    model.files["model.safetensors"] = b"newer " * 100
    model.breaks = [0] * 7
    monkeypatch.setattr("tests.hub.COMMIT", "2" * 40)
    assert pull() == 1
    assert find_checkpoint(MODEL, lambda: None).directory.name == COMMIT
    assert pull() == 0
    assert find_checkpoint(MODEL, lambda: None).directory.name == "2" * 40


def test_another_program_that_fetches_the_same_is_waited_for(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "hub/.locks/models--somebody--deepseek-coder-tiny-base"
    folder.mkdir(parents=True)
    lock = filelock.FileLock(folder / f"{blob(tmp_path).name}.lock")
    with lock:
        result: list[int] = []
        pulling = threading.Thread(target=lambda: result.append(pull("--json")))
        pulling.start()
        said = ""
        while '{"waiting": true}' not in said:
            said += capsys.readouterr().out
            time.sleep(0.01)
        blob(tmp_path).write_bytes(WEIGHTS)
    pulling.join()
    assert result == [0]
    assert "model.safetensors" not in [name for name, _ in hub.fetched]


def test_a_full_disk_is_told_and_what_is_here_stays(
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arriving = httpx2.Response.iter_raw

    def until_full(response: httpx2.Response) -> Iterator[bytes]:
        for number, piece in enumerate(arriving(response)):
            if number == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield piece

    monkeypatch.setattr(httpx2.Response, "iter_raw", until_full)
    assert pull() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "the disk is full" in last
    assert "Make room, or set HF_HOME to another disk. Run the command again" in last
    monkeypatch.setattr(httpx2.Response, "iter_raw", arriving)
    hub.fetched.clear()
    assert pull() == 0
    [(name, wanted)] = hub.fetched
    assert name == "model.safetensors"
    assert wanted is not None


def test_a_disk_too_small_is_told_before_anything_is_fetched(
    hub: Hub, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    model.claimed_size = 10**16
    assert pull() == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"{MODEL} needs 10000000.0 GB" in line
    assert "Make room, or set HF_HOME to another disk" in line
    assert not hub.fetched


def test_a_folder_that_cannot_be_written_is_told(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "file/hub"))
    assert pull() == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "the model cannot be written: Not a directory" in line
    assert "HF_HOME names another folder" in line


def test_without_symbolic_links_nothing_is_kept_twice(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_SYMLINKS", True)
    assert pull() == 0
    assert not blob(tmp_path).exists()
    assert find_checkpoint(MODEL, lambda: None).weight_bytes == len(WEIGHTS)
    hub.fetched.clear()
    assert pull() == 0
    assert not hub.fetched


def test_the_key_goes_to_the_hub_and_nowhere_else(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert pull() == 0
    assert ("resolve", "Bearer hf_secret") in hub.tokens
    assert ("cdn", None) in hub.tokens
    assert ("cdn", "Bearer hf_secret") not in hub.tokens


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ((401, "GatedRepo"), "wants you to accept its terms"),
        ((404, "RepoNotFound"), f"the hub has no model {MODEL}"),
        ((500, ""), "answers with HTTP 500. Try again."),
    ],
    ids=str,
)
def test_what_the_hub_refuses_is_one_line(
    model: Model, refusal: tuple[int, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model.refusal = refusal
    assert pull() == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert told in lines[0]


def test_a_hub_that_cannot_be_reached_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert pull() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the hub (http://127.0.0.1:9) cannot be reached" in line
    assert "may be a directory" in line


def test_the_hubs_offline_mode_is_told(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert pull() == 1
    assert "HF_HUB_OFFLINE is set" in capsys.readouterr().err


def test_weights_in_other_formats_are_not_fetched(
    hub: Hub, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    del model.files["model.safetensors"]
    assert pull() == 1
    assert "has no *.safetensors" in capsys.readouterr().err
    assert not hub.fetched


@pytest.mark.parametrize("name", ["deepseek-coder", "./here", "a/b/c", "/models/x"])
def test_what_is_no_hub_id_is_a_usage_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", name]) == 2
    assert "is not a hub id" in capsys.readouterr().err
