"""The cases themselves: how they are read, compared and written."""

from pathlib import Path

import pytest

from dsc_lsp.document import Position
from tests.documents import cursor_in, read_cases, visible

FILE = """# Cases

## first

```python budget=9 quick
a→b‸␍

```

Some words, and ``code`` in them.

```expect
old
```

## second

````python
```
‸
````

```expect
```
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "cases.md"
    file.write_text(FILE, encoding="utf-8")
    return file


def test_cases_are_read_with_their_blocks(path: Path) -> None:
    first, second = read_cases(path)
    assert (first.heading, second.heading) == ("first", "second")
    assert first.code.kind == "python"
    assert first.code.options == {"budget": "9", "quick": ""}
    assert first.code.text == "a\tb‸\r\n"
    assert first.block("expect").text == "old"
    assert second.code.text == "```\n‸"
    assert second.block("expect").text == ""


def test_the_caret_is_the_cursor() -> None:
    cursor = cursor_in("a\r\n🙂b‸c", language="python")
    assert cursor.document.text == "a\r\n🙂bc"
    assert cursor.position == Position(1, 2)


def test_a_mismatch_fails_and_shows_both(path: Path) -> None:
    first, _ = read_cases(path)
    first.check("old", update=False)
    with pytest.raises(pytest.fail.Exception) as caught:
        first.check("new\t\r\n", update=False)
    assert "cases.md: first" in str(caught.value)
    assert "-old" in str(caught.value)
    assert "+new→␍" in str(caught.value)


def test_an_update_writes_what_came_out_and_nothing_else(path: Path) -> None:
    first, second = read_cases(path)
    first.check("one\n\ttwo\r\n", update=True)
    second.check("three", update=True)
    text = path.read_text(encoding="utf-8")
    assert text == FILE.replace("old\n", "one\n→two␍\n\n").replace(
        "```expect\n```", "```expect\nthree\n```"
    )
    for case, actual in zip(read_cases(path), ("one\n\ttwo\r\n", "three"), strict=True):
        case.check(actual, update=False)
    read_cases(path)[1].check("", update=True)
    assert "```expect\n```" in path.read_text(encoding="utf-8")


def test_what_cannot_be_seen_is_shown() -> None:
    assert visible("a\tb\r\nc") == "a→b␍\nc"
