"""Commands that an editor runs."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.protocol.client import connected

CONFIG = '{"model_type": "llama"}'


async def test_the_models_that_can_be_chosen_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    cache(tmp_path, "deepseek-ai/deepseek-coder-1.3b-base", {"model.safetensors": 3 * 2**20})
    cache(tmp_path, "somebody/deepseek-coder-mine", {"pytorch_model.bin": 1})
    cache(tmp_path, "somebody/other", {"model.safetensors": 1})
    async with connected() as client:
        answer = await client.open_session()
        provider = answer["result"]["capabilities"]["executeCommandProvider"]
        assert "dsc.models" in provider["commands"]
        answer = await client.request("workspace/executeCommand", {"command": "dsc.models"})
    found = {model["name"]: model for model in answer["result"]}
    assert list(found) == [
        "deepseek-ai/deepseek-coder-33b-base",
        "deepseek-ai/deepseek-coder-6.7b-base",
        "deepseek-ai/deepseek-coder-1.3b-base",
        "somebody/deepseek-coder-mine",
    ]
    assert [model["isOnDisk"] for model in answer["result"]] == [False, False, True, False]
    assert found["deepseek-ai/deepseek-coder-1.3b-base"]["megabytes"] == 3
    # As on the hub: 6.74 thousand million numbers of two bytes.
    assert found["deepseek-ai/deepseek-coder-6.7b-base"]["megabytes"] == 12_857
    assert "pickle" in found["somebody/deepseek-coder-mine"]["note"]


def cache(root: Path, name: str, files: dict[str, int]) -> None:
    """Lay files of so many bytes into the hub's cache, as a download does."""
    repository = root / f"models--{name.replace('/', '--')}"
    commit = "0" * 40
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    (snapshot / "config.json").write_text(CONFIG)
    for file, size in files.items():
        (snapshot / file).write_bytes(bytes(size))
