"""What looks like a secret and what does not. Cases: ``cases/secrets``.

``expect`` is the text that may enter a prompt. No token in them was ever valid.
"""

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp.repository.secrets import holds_secret, is_secret_path, without_secrets
from tests import documents
from tests.documents import Case


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


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".env.production", "config/.env.local", "server.pem", "a/id_rsa", "id_ed25519.pub",
        ".npmrc", ".netrc", "terraform.tfstate", "terraform.tfstate.backup", "prod.tfvars",
        "secrets.yml", "secrets/a.py", ".ssh/config", ".aws/credentials", "credentials.json",
        "my-credentials-2.json", "client_secret_1.json", "KEY.PEM", ".bash_history",
    ],
)  # fmt: skip
def test_files_that_are_secret_by_name(path: str) -> None:
    assert is_secret_path(path)


@pytest.mark.parametrize(
    "path", ["a.py", "environment.py", "keys.py", "secret_sharing/share.rs", "src/token.ts"]
)
def test_files_that_are_not(path: str) -> None:
    assert not is_secret_path(path)
