"""What looks like a secret and what does not. Cases: ``cases/secrets``.

``expect`` is the text that may enter a prompt. No token in them was ever valid.
"""

import base64
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dsc_lsp.cancel import CancelToken
from dsc_lsp.completion import complete
from dsc_lsp.document import Cursor, Document, Position
from dsc_lsp.engine.lookup import LookupEngine
from dsc_lsp.repository import Repository, secrets
from dsc_lsp.repository.secrets import holds_secret, is_secret_path, redacted, without_secrets
from dsc_lsp.settings import Settings
from tests import documents
from tests.documents import Case, cursor_in
from tests.scripted import ScriptedEngine


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
_SECRETS = (
    'password = "hunter22"', f'x = "{_KEY}"', "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "https://a:secretpw@host", "AKIAIOSFODNN7EXAMPLE", "sk-ant-abcdefghijklmnopqrstu",
)  # fmt: skip
_PARTS = (
    "x = ", _KEY, _KEY[:23], "a_long_name_of_a_function_or_two", "=" * 30, " ", "é" * 9, "\u2028",
    "İ", ".", "(", "/", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "https://a:secretpw@host",
)  # fmt: skip


@given(st.lists(st.lists(st.sampled_from(_PARTS), max_size=5).map("".join), max_size=6))
def test_a_text_loses_exactly_the_lines_that_hold_a_secret(lines: list[str]) -> None:
    lines = [f"x = {line}." for line in lines]
    expected = ["" if holds_secret(line) else line for line in lines]
    assert without_secrets("\n".join(lines)) == "\n".join(expected)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(secrets, "_BLOCK", 50)
        assert without_secrets("\n".join(lines)) == "\n".join(expected), "block by block"


@given(st.sampled_from(_SECRETS), st.integers(0, 40_000), st.integers(0, 40_000))
@example(_SECRETS[0], 2_000, 0)
@example(_SECRETS[0], 4_096, 40_000)
def test_a_secret_anywhere_in_a_line_is_found(secret: str, before: int, after: int) -> None:
    line = f"{_filled(before)} {secret}; {_filled(after)}"
    assert holds_secret(line)
    assert without_secrets(f"a = 1\n{line}\nb = 2\n") == "a = 1\n\nb = 2\n"


_PROSE = "correct-horse-battery-staple-" * 30


@pytest.mark.parametrize("before", range(0, 2_000, 90))
@pytest.mark.parametrize(
    "secret",
    [
        f'token = "{_PROSE}"',
        f"'password': '{_PROSE}'",
        f"api_key(`{_PROSE}`)",
        f"https://somebody:{_PROSE}@host",
    ],
)
def test_a_long_secret_that_reads_like_prose_is_found_wherever_it_is_cut(
    secret: str, before: int
) -> None:
    assert holds_secret(f"{_filled(before)} {secret}; {_filled(3_000 - before)}")


@given(st.integers(0, 4_000))
def test_a_line_of_some_thousand_letters_is_shown(length: int) -> None:
    line = _filled(length)
    assert not holds_secret(line)
    assert without_secrets(f"{line}\n") == f"{line}\n"


@given(
    secret=st.sampled_from(_SECRETS),
    before=st.integers(0, 20_000),
    distance=st.integers(0, 9_000),
    behind=st.booleans(),
)
@example(secret=_SECRETS[0], before=2_000, distance=2_100, behind=True)
@example(secret=_SECRETS[1], before=9_000, distance=20, behind=False)
def test_no_secret_near_a_cursor_in_a_long_line_is_in_the_prompt(
    secret: str, before: int, distance: int, *, behind: bool
) -> None:
    """The line is cut to the cursor's surroundings: no cut leaves a part of the secret."""
    code = _filled(before)
    near, far = f"{code} {secret}; ", f" {_filled(20_000)}"
    if behind:
        line, column = code + _filled(distance) + f" {secret}; " + far, len(code)
    else:
        line, column = near + _filled(distance) + far, len(near) + distance
    prompt = _prompt_of(f"a = 1\n{line}\nb = 2\n", Position(1, column))
    assert not [n for n in range(0, len(secret) - 7, 4) if secret[n : n + 8] in prompt]


_LONG_PROSE = "correct-horse-battery-staple-" * 400


@pytest.mark.parametrize("typed", [4_200, 5_000, 9_000])
@pytest.mark.parametrize(
    ("name", "code", "end"),
    [
        *(
            (name, code, end)
            for code in (0, 3_000)
            for name, end in (
                ('token = "', '"'),
                ("'password': '", "'"),
                ("api_key(`", "`)"),
                ("https://somebody:", "@host"),
            )
        ),
        ("export TOKEN=1", 0, ""),
    ],
)
def test_no_secret_is_in_the_prompt_whose_name_stands_far_before_the_cursor(
    name: str, code: int, end: str, typed: int
) -> None:
    begun = (f"{_filled(code)} " if code else "") + name + _LONG_PROSE[:typed]
    text = f"a = 1\n{begun}{_LONG_PROSE}{end}\nb = 2\n"
    assert "horse" not in _prompt_of(text, Position(1, len(begun)))


@pytest.mark.parametrize("blank", [" ", "\t"])
@pytest.mark.parametrize("blanks", [600, 2_100, 5_000, 40_000])
@pytest.mark.parametrize("name", ["password =", "'token':", "auth_key: str ="])
def test_no_secret_is_in_the_prompt_that_blanks_part_from_its_name(
    name: str, blanks: int, blank: str
) -> None:
    begun = f"{_filled(1_500)} {name}{blanks * blank}"
    line = begun + "'hunter22'; x = "
    assert holds_secret(line)
    text = f"a = 1\n{line}\nb = 2\n"
    assert "hunter22" not in without_secrets(text)
    assert "hunter22" not in _prompt_of(text, Position(1, len(line)))


@pytest.mark.parametrize("quote", "\"'`")
def test_a_long_text_in_quotes_that_has_no_name_of_a_secret_is_completed(quote: str) -> None:
    begun = f"text = {quote}{_LONG_PROSE[:9_000]}"
    prompt = _prompt_of(f"a = 1\n{begun}{quote}\n", Position(1, len(begun)))
    assert "horse" in prompt


def test_a_long_line_is_completed_where_no_secret_is_near() -> None:
    line = f'password = "hunter22"; {_filled(20_000)}'
    prompt = _prompt_of(f"a = 1\n{line}\nb = 2\n", Position(1, 15_000))
    assert line[14_000:15_000] in prompt
    assert "hunter22" not in prompt


@pytest.mark.parametrize("length", [2_500, 5_000, 9_000])
def test_a_secret_in_a_long_line_is_not_shown_when_the_cursor_has_left_it(length: int) -> None:
    line = f'{_filled(length)} password = "hunter22"'
    for at in (Position(1, 100), Position(2, 5), Position(0, 5)):
        assert "hunter22" not in _prompt_of(f"a = 1\n{line}\nb = 2\n", at)


@pytest.mark.parametrize(("value", "answer"), [("AKIAIOSFODNN7EXAMPLE", ""), ("vwxy", "vwxy")])
def test_a_secret_in_a_long_line_of_another_document_is_never_suggested(
    value: str, answer: str
) -> None:
    repository = Repository()
    code = f"{_filled(3_000)}; first_rate_of_all = {value}\n"
    repository.update(Document.of(code, uri="file:///work/rates.py", language="python"))
    cursor = cursor_in(f"x = {_filled(300)}; first_rate_of_all = ‸")
    found = complete(cursor, repository, Settings(), LookupEngine(), CancelToken())
    assert found.text == answer


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


@given(
    st.lists(st.lists(st.sampled_from(_PARTS), max_size=5).map("".join), max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_a_document_seen_for_the_first_time_loses_exactly_the_lines_that_hold_a_secret(
    lines: list[str], ending: str
) -> None:
    lines = [f"x = {line}." for line in lines]
    document = Document.of(ending.join([*lines, "x" * 5_000, "A" * 50, ""]), uri="file:///a.py")
    expected = {n for n, line in enumerate(document.lines) if holds_secret(line)}
    shown = redacted(Cursor(document, Position(len(document.lines) - 1, 0)))
    assert shown is not None
    changed = zip(document.lines, shown.document.lines, strict=True)
    assert {n for n, (was, kept) in enumerate(changed) if was != kept} == expected


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
    cursor = cursor_in(f"x = {_filled(300)}; first_rate_of_all = ‸")
    found = complete(cursor, repository, Settings(), LookupEngine(), CancelToken())
    assert found.text == answer


def _filled(length: int) -> str:
    """Return so much harmless code."""
    return ("f(a, b) + " * (length // 10 + 1))[:length]


def _prompt_of(text: str, at: Position) -> str:
    engine = ScriptedEngine("value\n", context_tokens=16_384)
    document = Document.of(text, uri="file:///work/a.py", language="python")
    settings = Settings(context_tokens=16_384)
    complete(Cursor(document, at), Repository(), settings, engine, CancelToken())
    return "".join(part.text for one in engine.requests for part in one.prompt.parts)
