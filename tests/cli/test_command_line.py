"""The command line: what it prints, and one clear line for everything that cannot be done."""

import json
from pathlib import Path

import pytest

from dsc_lsp import __version__
from dsc_lsp.cli import main
from tests.checkpoints import make_checkpoint, write_tokenizer

CODE = "import os\n\n\ndef read(path):\n    with open(path) as file:\n        return file.\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "code.py"
    path.write_text(CODE)
    return path


def run(*arguments: str | Path) -> int:
    """Run a command; a usage error of argparse is its exit code, too."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)


def error(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line on stderr."""
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_version(capsys: pytest.CaptureFixture[str]):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"dsc-lsp {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("fly",), "invalid choice: 'fly'"),
        (("complete",), "required: FILE:LINE:COLUMN"),
        (("complete", "a.py"), "'a.py' is not FILE:LINE:COLUMN"),
        (("complete", "a.py:x:1"), "'a.py:x:1' is not FILE:LINE:COLUMN"),
        (("complete", ":1:1"), "':1:1' is not FILE:LINE:COLUMN"),
        (("complete", "missing.py:1:1"), "there is no file missing.py"),
        (("--nonsense",), "unrecognized arguments: --nonsense"),
        (("eval", "x", "--limit", "0"), "must be 1 or more"),
        (("eval", "x", "--limit", "all"), "--limit: must be 1 or more"),
        (("eval", "x", "--samples", "-3"), "--samples: must be 0 or more"),
        (("eval", ""), "a data set has no name"),
        (("eval", "x", "--typing", "--anchors"), "--anchors is not for --typing"),
        (("eval", "x", "--typing", "--keep", "kept"), "--keep is not for --typing"),
        (("eval", "x", "--anchors", "--compare"), "--compare is not for --anchors"),
        (("eval", "x", "--context", "--samples", "2"), "--samples is not for --context"),
        (("eval", "x", "--context", "--calibration", "a.png"), "--calibration is not for"),
        (("eval", "x", "--calibration", "no/a.png"), "no/a.png: there is no folder no"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(
    arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
):
    assert run(*arguments) == 2
    assert reason in error(capsys)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("7:1", None),
        ("8:1", "has 7 lines; there is no line 8"),
        ("0:1", "there is no line 0"),
        ("6:22", "so its columns go from 1 to 21; there is no column 22"),
        ("6:0", "there is no column 0"),
    ],
)
def test_lines_and_columns_count_from_1_and_must_be_there(
    place: str, reason: str | None, file: Path, model: Path, capsys: pytest.CaptureFixture[str]
):
    code = run("complete", f"{file}:{place}", "--model", model)
    if reason is None:
        assert code == 0
        return
    assert code == 2
    assert reason in error(capsys)


def test_a_file_is_looked_for_in_the_workspace(
    file: Path, model: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ("--workspace", file.parent, "--model", model)
    assert run("complete", f"{file.name}:6:21", *arguments) == 0
    capsys.readouterr()
    assert run("complete", "other.py:1:1", *arguments) == 2
    assert error(capsys).endswith("other.py")
    assert run("complete", f"{file.name}:1:1", "--workspace", file) == 2
    assert error(capsys).endswith("is not a directory")


def test_files_that_hold_no_text_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "latin1.py").write_bytes(b"# \xe9\n")
    (tmp_path / "zero.py").write_bytes(b"a\0b\n")
    assert run("complete", f"{tmp_path / 'latin1.py'}:1:1") == 2
    assert error(capsys).endswith("latin1.py is not text in UTF-8")
    assert run("complete", f"{tmp_path / 'zero.py'}:1:1") == 2
    assert error(capsys).endswith("zero.py is a binary file")
    assert run("complete", f"{tmp_path}:1:1") == 2
    assert error(capsys).endswith("is a directory")


def test_a_file_of_5_megabytes_is_completed(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "large.py"
    path.write_text("value = 1  # a line of some length, as they are\n" * 110_000)
    assert path.stat().st_size > 5_000_000
    assert run("complete", f"{path}:60000:9", "--model", model, "--json") == 0
    assert json.loads(capsys.readouterr().out)["prompt_tokens"] <= 2048


def test_json_has_the_keys_that_are_promised(
    file: Path, model: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("complete", f"{file}:6:21", "--model", model, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert {"text", "ms", "tokens", "reused_tokens", "confidence"} <= answer.keys()
    assert answer["reused_tokens"] == 0
    assert 0 <= answer["confidence"] <= 1


def test_the_prompt_is_shown_with_its_control_tokens(
    file: Path, model: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("complete", f"{file}:5:10", "--model", model, "--show-prompt") == 0
    shown = capsys.readouterr().err
    order = ["[<｜begin▁of▁sentence｜>]", "[<｜fim▁begin｜>]", "def read(path):\n    with "]
    order += ["[<｜fim▁hole｜>]", "open(path) as file:", "[<｜fim▁end｜>]"]
    places = [shown.index(piece) for piece in order]
    assert places == sorted(places)


def broken(directory: Path, kind: str) -> Path:
    """Make a model directory with one thing wrong."""
    make_checkpoint(directory)
    weights = directory / "model.safetensors"
    if kind == "no weights":
        weights.unlink()
    elif kind == "pickle only":
        weights.rename(directory / "pytorch_model.bin")
    elif kind == "damaged weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif kind == "no tokenizer":
        (directory / "tokenizer.json").unlink()
    elif kind == "broken tokenizer":
        (directory / "tokenizer.json").write_text("{]")
    elif kind == "foreign tokenizer":
        write_tokenizer(directory / "tokenizer.json")
        text = (directory / "tokenizer.json").read_text().replace("fim▁hole", "fim▁gap")
        (directory / "tokenizer.json").write_text(text)
    return directory


@pytest.mark.parametrize(
    ("kind", "cause", "remedy"),
    [
        ("no weights", "has no weights (*.safetensors)", "Download the checkpoint again"),
        ("pickle only", "only as pytorch_model.bin, a pickle file", "Download the checkpoint's"),
        ("damaged weights", "cannot be loaded", "Download the checkpoint again"),
        ("no tokenizer", "tokenizer.json is missing", "Download the checkpoint again"),
        ("broken tokenizer", "is not a readable tokenizer", "Download the checkpoint again"),
        ("foreign tokenizer", "lacks the control tokens <｜fim▁hole｜>", "Choose a DeepSeek"),
    ],
)
def test_a_model_that_cannot_be_loaded_names_cause_and_remedy(
    kind: str,
    cause: str,
    remedy: str,
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    directory = broken(tmp_path / "model", kind)
    capsys.readouterr()
    assert run("complete", f"{file}:6:21", "--model", directory) == 1
    said = error(capsys)
    assert cause in said
    assert remedy in said
    assert run("doctor", "--model", directory) == int(kind != "damaged weights")


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--model", "/no/such/directory", "The model directory /no/such/directory does not exist"),
        ("--model", "nobody/no-such-model", "is not on this disk, and nothing is downloaded"),
        ("--device", "cuda:7", "The device cuda:7 is not there"),
        ("--device", "toaster", "'toaster' is not a device"),
    ],
)
def test_a_model_or_device_that_is_not_there_is_named(
    option: str, value: str, reason: str, file: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("complete", f"{file}:6:21", option, value) == 1
    assert reason in error(capsys)


def test_the_doctor_looks_at_everything(model: Path, capsys: pytest.CaptureFixture[str]):
    assert run("doctor", "--model", model, "--device", "cpu") == 0
    printed = capsys.readouterr().out
    subjects = ("dsc-lsp", "python", "settings", "packages", "grammars", "device", "model")
    assert all(f"  {subject} " in printed for subject in subjects)
    assert printed.endswith("Ready for your editor.\n")
    assert run("doctor", "--model", "/no/such/directory") == 1
    assert "problem  model" in capsys.readouterr().out


def test_a_broken_configuration_file_is_named_and_the_rest_works(
    file: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    configuration = tmp_path / "config.toml"
    configuration.write_text("maxLines = 1000\nnonsense = true\n")
    monkeypatch.setattr("dsc_lsp.cli.configuration.config_file", lambda: configuration)
    assert run("complete", f"{file}:6:21", "--model", model) == 0
    said = capsys.readouterr().err
    assert "`dsc.maxLines` must be a whole number from 1 to 100, not 1000." in said
    assert "Unknown setting `dsc.nonsense`" in said
    configuration.write_text("maxLines = \n")
    assert run("complete", f"{file}:6:21", "--model", model) == 0
    assert "was not read" in capsys.readouterr().err


def test_the_lookup_knows_the_workspace_as_in_an_editor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """``complete`` had shown other files to the model and told the lookup of none."""
    entry = "    ledger_entry = make_ledger_entry(amount, currency='EUR')\n"
    functions = (f"def convert_{n}(amount):\n{entry}\n" for n in range(4))
    (tmp_path / "ledger.py").write_text("".join(functions))
    (tmp_path / "main.py").write_text("def main(amount):\n    ledger_entry = \n")
    place = ("complete", "main.py:2:20", "--model", "lookup", "--workspace", tmp_path)
    assert run(*place) == 0
    assert capsys.readouterr().out == "make_ledger_entry(amount, currency='EUR')\n"
