"""What the server has imported by the time it answers ``initialize``: nothing that takes long."""

import re
import subprocess
import sys
from pathlib import Path

from tests.protocol.client import frame, read_frame

ROOT = Path(__file__).parents[2]

OTHERS = {
    # The protocol's libraries and what they stand on.
    *("pygls", "lsprotocol", "cattrs", "attr", "attrs", "typing_extensions"),
    # Small ones: 6 ms at most each.
    *("psutil", "platformdirs", "cachetools", "ahocorasick_rs", "tokenizers", "tree_sitter"),
}
"""The packages of others that may be loaded; no grammar, no index, no model is among them."""

LATER = {"sqlite3", "statistics", "multiprocessing", "http", "unittest", "xml", "numbers"}
"""Those of the standard library that our own later work needs and the handshake does not."""

OURS_LATER = {
    "dsc_lsp.context.planning",
    "dsc_lsp.engine.local",
    "dsc_lsp.engine.opening",
    "dsc_lsp.engine.remote",
    "dsc_lsp.lookup.index",
    "dsc_lsp.repository.folders",
    "dsc_lsp.repository.indexing",
}


def test_nothing_heavy_is_imported_before_initialize_is_answered(tmp_path: Path) -> None:
    imported = imported_by_the_answer(tmp_path)
    packages = {name.partition(".")[0] for name in imported}
    assert {"pygls", "dsc_lsp"} <= packages, "the imports are told"
    others = {name for name in packages if is_of_others(name)}
    assert others <= OTHERS
    assert not packages & LATER
    assert not set(imported) & OURS_LATER


def imported_by_the_answer(tmp_path: Path) -> list[str]:
    """Return the modules that the server has imported when the answer is here."""
    log = tmp_path / "imports"
    params = {"processId": None, "rootUri": None, "capabilities": {}}
    question = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    command = [sys.executable, "-v", "-m", "dsc_lsp", "--stdio"]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, cwd=ROOT
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(frame(question))
        process.stdin.flush()
        answer = read_frame(process.stdout)
        # Nothing more is imported on its way out.
        process.kill()
    assert answer is not None
    assert "capabilities" in answer["result"]
    return re.findall(r"^import '([\w.]+)' #", log.read_text(encoding="utf-8"), re.MULTILINE)


def is_of_others(package: str) -> bool:
    """Whether a package is neither ours, nor Python's, nor of how it was installed."""
    return (
        package not in sys.stdlib_module_names
        and package not in {"dsc_lsp", "sitecustomize", "usercustomize"}
        and not package.startswith(("_", "cython_runtime"))
    )
