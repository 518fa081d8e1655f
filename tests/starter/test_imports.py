"""Which files of a package a file imports, and the order in which they are shown."""

from dsc_lsp.starter import examples, imports, rows, vocabulary
from dsc_lsp.starter.sources import SourceFile

PYTHON = {
    "p/__init__.py": "from p.core import run\n",
    "p/core.py": "from . import names\nfrom .deep.leaf import (\n    one,\n)\nimport os\n",
    "p/names.py": "import p.deep.leaf as leaf, sys\n",
    "p/deep/__init__.py": "",
    "p/deep/leaf.py": "from ..names import *  # a circle\n",
}
SCRIPTS = {
    "lib/index.js": "const a = require('./a')\nimport { b } from '../util/index.js'\n",
    "lib/a.js": "import fs from 'fs'\n",
    "util/index.ts": "export * from '../lib/a'\n",
}


def imported(contents: dict[str, str]) -> dict[str, list[str]]:
    files = [SourceFile("package", path, text) for path, text in contents.items()]
    found = imports.imported_files(files)
    return {
        file.path: [files[other].path for other in others]
        for file, others in zip(files, found, strict=True)
    }


def test_python_imports_are_found_absolute_and_relative():
    assert imported(PYTHON) == {
        "p/__init__.py": ["p/core.py"],
        "p/core.py": ["p/__init__.py", "p/names.py", "p/deep/leaf.py"],
        "p/names.py": ["p/deep/leaf.py"],
        "p/deep/__init__.py": [],
        "p/deep/leaf.py": ["p/names.py"],
    }


def test_script_imports_are_found():
    assert imported(SCRIPTS) == {
        "lib/index.js": ["lib/a.js", "util/index.ts"],
        "lib/a.js": [],
        "util/index.ts": ["lib/a.js"],
    }


def test_files_of_other_packages_are_not_imported():
    files = [SourceFile("one", "a.py", "import b\n"), SourceFile("two", "b.py", "")]
    assert imports.imported_files(files) == [(), ()]


def test_what_is_imported_stands_before_what_imports_it():
    assert rows.in_order([0, 1, 2], [(1,), (2,), ()]) == [2, 1, 0]
    assert rows.in_order([0, 1], [(1,), (0,)]) == [0, 1]


def test_rows_with_room_show_imported_files_below_their_paths():
    code = "".join(f"def f{number}(x):\n    return x\n" for number in range(200))
    encoder = vocabulary.Encoder(vocabulary.train([code] * 3, 300))
    texts = [examples.source_text(path, code, encoder) for path in ("p/a.py", "p/b.py")]
    files = rows.collection(texts, [(1,), ()])
    head = rows.imports_head(files, 0, encoder, 400, examples.seeded(0))
    assert encoder.decode(head).startswith("#p/b.py\ndef f")
    assert len(head) <= 400 + len(encoder.encode("#p/b.py\n"))
    drawn = [rows.random_row(files, encoder, 1000, examples.seeded(seed))[0] for seed in range(40)]
    shown = [encoder.decode(tokens.tolist()) for tokens in drawn]
    assert any("#p/b.py\ndef" in text and "#p/a.py\n" in text for text in shown)
