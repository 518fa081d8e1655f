"""What looks like a secret and what does not. Cases: ``cases/secrets``.

``expect`` is the text that may enter a prompt. No token in them was ever valid.
"""

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine.lookup import LookupEngine
from dsc_lsp.repository import Repository
from dsc_lsp.repository.secrets import holds_secret, is_secret_path, redacted, without_secrets
from dsc_lsp.settings import Settings
from tests import documents
from tests.documents import Case, cursor_in


@pytest.mark.parametrize("case", documents.cases("secrets"))
def test_secrets(case: Case, *, update: bool) -> None:
    case.check(without_secrets(case.code.text), update=update)


@pytest.mark.parametrize("name", ["key", "x", "id", "value"])
def test_of_thousand_random_keys_hardly_one_is_missed(name: str) -> None:
    keys = [random.Random(seed).randbytes(30) for seed in range(5_000)]
    words = [word for key in keys for word in (key.hex(), base64.b64encode(key).decode())]
    missed = [word for word in words if not holds_secret(f'{name} = "{word}"')]
    assert len(missed) <= len(words) / 1_000, missed


@given(st.lists(st.text(st.sampled_from("abk =\"'\n-_:/@#é\u2028")), max_size=20))
def test_lines_stay_in_place(lines: list[str]) -> None:
    text = "\n".join([*lines, 'password = "hunter22"', *lines])
    shown = without_secrets(text)
    assert "hunter22" not in shown
    assert shown.count("\n") == text.count("\n")
    assert all(
        new in {"", old} for new, old in zip(shown.split("\n"), text.split("\n"), strict=True)
    )


_KEY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
_PARTS = (
    "x = ", _KEY, _KEY[:23], "a_long_name_of_a_function_or_two", "=" * 30, " ", "é" * 9, "\u2028",
    "İ", ".", "(", "/", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "https://a:secretpw@host",
)  # fmt: skip


@given(st.lists(st.lists(st.sampled_from(_PARTS), max_size=5).map("".join), max_size=6))
def test_a_text_loses_exactly_the_lines_that_hold_a_secret(lines: list[str]) -> None:
    lines = [f"x = {line}." for line in lines]
    expected = ["" if holds_secret(line) else line for line in lines]
    assert without_secrets("\n".join(lines)) == "\n".join(expected)


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".env.production", "config/.env.local", "server.pem", "a/id_rsa", "id_ed25519.pub",
        ".npmrc", ".netrc", "terraform.tfstate", "terraform.tfstate.backup", "prod.tfvars",
        "secrets.yml", "secrets/a.py", ".ssh/config", ".aws/credentials", "credentials.json",
        "my-credentials-2.json", "client_secret_1.json", "KEY.PEM", ".bash_history",
        "secrets.yaml", "secrets.toml", "secret.txt", "secrets.sh", "credentials.ini",
        "credentials.csv", "secrets.enc.yaml", "client_secret", "local_settings.py",
        "aws/credentials", "secrets.php.env",
    ],
)  # fmt: skip
def test_files_that_are_secret_by_name(path: str) -> None:
    assert is_secret_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "a.py", "environment.py", "keys.py", "secret_sharing/share.rs", "src/token.ts",
        "secrets.py", "credentials.ts", "token.go", "Secret.java", "lib/secrets.test.tsx",
        "credentials.d.ts", "secret.rs", "client_secret.py", "Credentials.cs",
    ],
)  # fmt: skip
def test_files_that_are_not(path: str) -> None:
    assert not is_secret_path(path)


def test_code_that_handles_secrets_is_shown_without_their_values() -> None:
    marked = 'PASSWORD = "hunter22hunter"\n\n\ndef load():\n    return ‸\n'
    cursor = redacted(cursor_in(marked, language="python", uri="file:///a/secrets.py"))
    assert cursor is not None
    assert cursor.document.text == "\n\n\ndef load():\n    return \n"
    assert redacted(cursor_in(marked, uri="file:///a/secrets.yaml")) is None


_LINES = ["x = 1\n", "", "\n", "a\r", 'password = "hunter22"\n', 'token = "abcdef12"\r\n']


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from(_LINES)), max_size=12)
)
def test_lines_looked_at_before_an_edit_are_still_known_right(
    edits: list[tuple[int, int, str]],
) -> None:
    document = Document.of("".join(_LINES * 2), uri="file:///a.py")
    for line, more, text in edits:
        start = document.clamp(Position(line, 2))
        document = document.replace(start, document.clamp(Position(line + more, 1)), text, 2)
        cursor = Cursor(document, document.clamp(Position(line + text.count("\n"), 0)))
        secret = {n for n, one in enumerate(document.lines) if holds_secret(one)}
        shown = redacted(cursor)
        if cursor.position.line in secret:
            assert shown is None
            continue
        assert shown is not None
        for number, (kept, was) in enumerate(
            zip(shown.document.lines, document.lines, strict=True)
        ):
            assert kept.strip() == ("" if number in secret else was.strip())
        assert shown.document.length == sum(map(len, shown.document.lines))
        assert shown.document.newline == document.newline


@pytest.mark.parametrize(("path", "answer"), [("/work/.env", ""), ("/work/rates.py", "vwxyzab")])
def test_what_is_typed_in_a_secret_file_is_never_suggested_elsewhere(
    path: str, answer: str
) -> None:
    repository = Repository()
    code = "first_rate_of_all = vwxyzab\n"
    repository.update(Document.of(code, uri=f"file://{path}", language="python"))
    cursor = cursor_in("x = 1\nfirst_rate_of_all = ‸")
    found = complete(cursor, repository, Settings(), LookupEngine(), CancelToken())
    assert found.text == answer
