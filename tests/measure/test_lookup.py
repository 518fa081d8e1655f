"""What the lookup costs: the command's figures, not their size, which depends on the machine."""

import json
from pathlib import Path

import pytest

from dsc_lsp.measure.lookup import main


def test_the_command_knows_a_sample_of_files_edits_some_and_asks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for number in range(6):
        (tmp_path / f"part_{number}.py").write_text(f"value_{number} = compute({number})\n" * 9)
    (tmp_path / "notes.bin").write_bytes(b"\0")
    arguments = [str(tmp_path), "--files", "5", "--cursors", "8"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["files"], report["characters"]) == (5, 5 * 9 * len("value_1 = compute(1)\n"))
    assert report["updates"] == 2 * 5
    assert report["questions"] >= 8
    assert 0 < report["question_ms"]["p50"] <= report["question_ms"]["p99"]
    assert main(arguments) == 0
    assert "5 files, 0.0 million characters: known after" in capsys.readouterr().out


def test_a_folder_without_code_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(tmp_path)]) == 1
    assert "holds no code" in capsys.readouterr().err
