"""Holes come from data sets in two forms, from folders and from installed packages."""

import gzip
import json
import lzma
from pathlib import Path

import pytest

from dsc_lsp.measure.holes import DatasetError, Hole, read_holes

HUMAN_EVAL = {
    "task_id": "SingleLineInfilling/HumanEval/0/L0",
    "entry_point": "double",
    "prompt": "def double(x):\n",
    "suffix": "    return y\n",
    "canonical_solution": "    y = 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}
CROSS_CODE_EVAL = {
    "prompt": "import a\n\nx = a.",
    "groundtruth": "value(1)",
    "right_context": "\nprint(x)\n",
    "crossfile_context": {},
}


def write(path: Path, *records: object) -> str:
    text = "\n".join(json.dumps(record) for record in records) + "\n"
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opener(path, "wt", encoding="utf-8") as file:
        file.write(text)
    return str(path)


def holes_of(dataset: str) -> list[Hole]:
    return read_holes(dataset, seed=0, limit=None)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.xz"])
def test_a_line_of_human_eval_is_missing_but_its_line_break_is_there(tmp_path: Path, name: str):
    [hole] = holes_of(write(tmp_path / name, HUMAN_EVAL))
    assert hole.kind == "line"
    assert hole.gold == "    y = 2 * x"
    assert hole.cursor.document.text == "def double(x):\n\n    return y\n"
    assert (hole.cursor.line_before, hole.cursor.line_after) == ("", "")
    assert hole.cursor.position.line == 1


def test_the_program_of_a_human_eval_hole_runs_its_tests(tmp_path: Path):
    [hole] = holes_of(write(tmp_path / "a.jsonl", HUMAN_EVAL))
    assert hole.program is not None
    assert hole.program.text(hole.gold) == (
        "def double(x):\n    y = 2 * x\n    return y\n\n"
        "def check(candidate):\n    assert candidate(2) == 4\n\ncheck(double)\n"
    )


def test_a_hole_of_cross_code_eval_stands_before_its_right_context(tmp_path: Path):
    [hole] = holes_of(write(tmp_path / "a.jsonl", CROSS_CODE_EVAL))
    assert hole.kind == "rest of line"
    assert hole.gold == "value(1)"
    assert hole.cursor.line_before == "x = a."
    assert hole.cursor.document.text == "import a\n\nx = a.\nprint(x)\n"
    assert hole.cursor.document.language == "python"


def test_code_of_other_files_stands_above_if_it_is_asked_for(tmp_path: Path):
    """As in CrossCodeEval's own harness, whose retrieved code is commented out."""
    others = {"text": "# a.py\n# def value(x):\n", "list": []}
    dataset = write(tmp_path / "a.jsonl", {**CROSS_CODE_EVAL, "crossfile_context": others})
    [without] = holes_of(dataset)
    assert "value" not in without.cursor.document.text
    [hole] = read_holes(dataset, seed=0, limit=None, with_retrieved=True)
    assert hole.cursor.document.text == others["text"] + without.cursor.document.text
    assert hole.cursor.line_before == "x = a."
    lacking = write(tmp_path / "b.jsonl", CROSS_CODE_EVAL)
    with pytest.raises(DatasetError, match=r"b\.jsonl:1 has no text in its field 'text'"):
        read_holes(lacking, seed=0, limit=None, with_retrieved=True)


def test_santacoders_task_is_in_several_languages(tmp_path: Path):
    """Its holes of one task have one name, and results are kept by name."""
    record = {
        "name": "HumanEval_0_double",
        "prompt": "int twice(int x) {\n",
        "suffix": "}\n",
        "canonical_solution": "    return 2 * x;\n",
        "tests": "}\n    public static void main(String[] args) {}\n",
    }
    records = [{**record, "language": language} for language in ("java", "js", "py")]
    holes = holes_of(write(tmp_path / "a.jsonl", *records))
    assert [hole.cursor.document.language for hole in holes] == ["java", "javascript", "python"]
    assert {hole.gold for hole in holes} == {"    return 2 * x;"}
    assert len({hole.name for hole in holes}) == 3
    assert all(hole.program is None for hole in holes)


def test_a_folder_is_cut_by_the_seed_and_the_pieces_make_the_file(tmp_path: Path):
    text = "".join(
        f"def function_{number}(x):\n    return x + {number}\n\n" for number in range(30)
    )
    (tmp_path / "code.py").write_text(text)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "left_out.js").write_text(text)
    (tmp_path / "binary.py").write_bytes(b"\0" * 500)
    holes = holes_of(str(tmp_path))
    assert len(holes) > 3
    for hole in holes:
        document, position = hole.cursor.document, hole.cursor.position
        assert document.uri.endswith("/code.py")
        assert document.replace(position, position, hole.gold, 0).text == text
        assert hole.gold
    assert holes == holes_of(str(tmp_path))
    assert holes != read_holes(str(tmp_path), seed=1, limit=None)


def test_a_limit_is_a_sample_by_the_seed_not_the_first_ones(tmp_path: Path):
    records = [{**HUMAN_EVAL, "task_id": str(number)} for number in range(100)]
    dataset = write(tmp_path / "a.jsonl", *records)
    names = [hole.name for hole in read_holes(dataset, seed=3, limit=5)]
    assert names == [hole.name for hole in read_holes(dataset, seed=3, limit=5)]
    assert names != ["0", "1", "2", "3", "4"]
    assert len(read_holes(dataset, seed=3, limit=500)) == 100


def test_an_installed_package_is_found_by_its_name():
    holes = read_holes("pygls", seed=0, limit=3)
    assert len(holes) == 3
    assert all("/pygls/" in hole.cursor.document.uri for hole in holes)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"prompt": "x"}, "a.jsonl:1 has neither canonical_solution"),
        (
            {"groundtruth": "x", "prompt": "y"},
            "a.jsonl:1 has no text in its field 'right_context'",
        ),
        ({**HUMAN_EVAL, "suffix": None}, "a.jsonl:1 has no text in its field 'suffix'"),
        ([1, 2], "a.jsonl:1 is not an object"),
    ],
)
def test_a_record_with_missing_fields_is_named(tmp_path: Path, record: object, reason: str):
    with pytest.raises(DatasetError, match=reason):
        holes_of(write(tmp_path / "a.jsonl", record))


def test_files_that_are_no_data_sets_are_named(tmp_path: Path):
    whole = json.dumps(HUMAN_EVAL)
    for broken in ("no json", '{"prompt": 3', "[" * 100_000, '{"prompt": ' * 20_000):
        (tmp_path / "a.jsonl").write_text(f"{whole}\n{broken}\n")
        with pytest.raises(DatasetError, match="jsonl:2 is no line of JSON: "):
            holes_of(str(tmp_path / "a.jsonl"))
    packed = gzip.compress(whole.encode())
    for broken in (b"no gzip", packed[:-9], packed[:12] + b"\xff" * 9 + packed[21:]):
        (tmp_path / "a.jsonl.gz").write_bytes(broken)
        with pytest.raises(DatasetError, match="cannot be read"):
            holes_of(str(tmp_path / "a.jsonl.gz"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no code"):
        holes_of(str(tmp_path / "empty"))
    for name in ("no_such_package", "no/such/folder"):
        with pytest.raises(DatasetError, match="not a file, a folder or an installed package"):
            holes_of(name)


def test_holes_of_one_name_are_told_apart(tmp_path: Path):
    """An evaluation that went on gave one's result to the other, which has the same name."""
    record = {**HUMAN_EVAL, "task_id": "a"}
    names = [hole.name for hole in holes_of(write(tmp_path / "a.jsonl", record, record))]
    assert names == ["a", "a at a.jsonl:2"]


def test_a_byte_order_mark_is_no_part_of_a_data_set(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(HUMAN_EVAL), "utf-8-sig")
    assert len(holes_of(str(path))) == 1
