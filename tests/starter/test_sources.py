"""Where sources come from: what is read from node packages and from directories of packages."""

import inspect
import json
from pathlib import Path

import click.utils
import pytest

from dsc_lsp.starter import corpus, sources

SCRIPT = "export function greet(name) {\n  return `hello ${name}`\n}\n" * 10
CODE = "def greet(name):\n    return f'hello {name}'\n" * 10
LETTERS = str.maketrans("0123456789", "abcdefghij")


def write(root: Path, contents: dict[str, str]) -> None:
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def manifest(license_field: object) -> str:
    return json.dumps({"version": "1.2.3", "license": license_field})


def distribution(name: str, files: dict[str, str], terms: str = "MIT") -> dict[str, str]:
    information = f"{name}-1.0.dist-info"
    record = "".join(f"{path},,\n" for path in (*files, f"{information}/METADATA"))
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense-Expression: {terms}\n"
    return {**files, f"{information}/METADATA": metadata, f"{information}/RECORD": record}


def test_scripts_of_node_packages_are_read_and_declarations_and_nested_copies_are_not(
    tmp_path: Path,
):
    write(
        tmp_path,
        {
            "plain/package.json": manifest("MIT"),
            "plain/lib/a.js": SCRIPT,
            "plain/lib/a.d.ts": SCRIPT,
            "plain/src/b.ts": SCRIPT,
            "plain/readme.md": "text",
            "plain/node_modules/inner/package.json": manifest("MIT"),
            "plain/node_modules/inner/c.js": SCRIPT,
            "@scope/name/package.json": manifest("Apache-2.0"),
            "@scope/name/index.mjs": SCRIPT,
        },
    )
    found = list(sources.node_packages([tmp_path]))
    assert [(item.package.name, item.package.license, item.paths) for item in found] == [
        ("npm:@scope/name", "Apache-2.0", ("index.mjs",)),
        ("npm:plain", "MIT", ("lib/a.js", "src/b.ts")),
    ]
    assert found[0].package.version == "1.2.3"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (manifest("(MIT OR CC0-1.0)"), "(MIT OR CC0-1.0)"),
        (manifest("GPL-3.0"), None),
        (manifest({"type": "MIT"}), None),
        (manifest(None), None),
        ("[]", None),
        ("{ broken", None),
    ],
)
def test_only_permissive_node_packages_count(tmp_path: Path, content: str, expected: str | None):
    write(tmp_path, {"one/package.json": content, "one/a.js": SCRIPT})
    assert [item.package.license for item in sources.node_packages([tmp_path])] == [expected]


def test_what_is_left_of_an_uninstalled_package_is_no_package(tmp_path: Path):
    """``pip`` that was interrupted leaves directories without metadata: builds failed there."""
    write(tmp_path, distribution("whole", {"whole/a.py": CODE}))
    (tmp_path / "~alf-1.0.dist-info").mkdir()
    write(tmp_path, {"unnamed-1.0.dist-info/METADATA": "Metadata-Version: 2.4\nVersion: 1.0\n"})
    write(tmp_path, {"old-1.0.dist-info/METADATA": "Metadata-Version: 2.4\nName: old\n"})
    found = [source.package for source in sources.installed([tmp_path])]
    assert found == [sources.Package("old", "", None), sources.Package("whole", "1.0", "MIT")]


def test_packages_of_other_directories_are_read_and_unreadable_files_are_left_out(tmp_path: Path):
    write(tmp_path, distribution("Some_Package", {"some/a.py": CODE, "some/b.py": "x = 1\n"}))
    (tmp_path / "some" / "b.py").write_bytes(b"\xff\xfe")
    (source,) = sources.installed([tmp_path])
    assert source.package == sources.Package("some-package", "1.0", "MIT")
    assert [file.path for file in source.files()] == ["some/a.py"]


def test_a_copy_of_a_held_out_file_is_never_trained_on(tmp_path: Path):
    held_out = Path(inspect.getfile(click.utils)).read_text(encoding="utf-8")
    nearly = held_out.replace("stream", "flow")
    other = CODE + "\n".join(f"value_{number} = call(other)" for number in range(60))
    write(tmp_path, distribution("copycat", {"copycat/a.py": nearly, "copycat/b.py": other}))
    gathered = corpus.gather(
        corpus.Selection(share=1.0, packages=frozenset({"click", "copycat"})),
        corpus.Places((tmp_path,)),
        0,
        lambda _: None,
    )
    assert "copycat/a.py" not in {file.path for file in gathered.training}
    assert "copycat/b.py" in {file.path for file in gathered.training}


def test_scripts_together_keep_to_their_share(tmp_path: Path):
    python = {f"p/m{number}.py": lines("def {}(x): pass", number) for number in range(20)}
    scripts = {f"s/m{number}.js": lines("function {}(x) {{}}", number) for number in range(20)}
    write(tmp_path / "python", distribution("p", python))
    write(tmp_path / "node", {"s/package.json": manifest("MIT"), **scripts})
    gathered = corpus.gather(
        corpus.Selection(share=1.0, node_share=0.2, packages=frozenset({"p", "npm:s"})),
        corpus.Places((tmp_path / "python",), (tmp_path / "node",)),
        0,
        lambda _: None,
    )
    sizes = {True: 0, False: 0}
    for file in gathered.training:
        sizes[file.path.endswith(".js")] += len(file.text)
    assert 0.1 < sizes[True] / sum(sizes.values()) <= 0.2


def lines(pattern: str, number: int) -> str:
    """Return lines that no other number has."""
    names = (f"{number:02}{line:02}".translate(LETTERS) for line in range(60))
    return "\n".join(map(pattern.format, names))
