"""The VS Code extension's manifest holds our settings, word for word."""

import json
from pathlib import Path
from typing import Any

from dsc_lsp import settings

MANIFEST = Path(__file__).parents[2] / "editors" / "vscode" / "package.json"


def with_our_settings(manifest: Any) -> Any:
    """Return the manifest with the server's settings, and the list of those that need trust."""
    contributes, untrusted = manifest["contributes"], manifest["capabilities"]
    server, extension = contributes["configuration"]
    server = {**server, "properties": settings.schema()}
    every = {**server["properties"], **extension["properties"]}
    restricted = [name for name, entry in every.items() if entry["scope"] == "machine"]
    return {
        **manifest,
        "contributes": {**contributes, "configuration": [server, extension]},
        "capabilities": {
            **untrusted,
            "untrustedWorkspaces": {
                **untrusted["untrustedWorkspaces"],
                "restrictedConfigurations": restricted,
            },
        },
    }


def test_the_manifest_is_up_to_date(*, update: bool) -> None:
    text = MANIFEST.read_text(encoding="utf-8")
    expected = with_our_settings(json.loads(text))
    expected_text = json.dumps(expected, indent=2, ensure_ascii=False) + "\n"
    if update:
        MANIFEST.write_text(expected_text, encoding="utf-8")
        return
    assert text == expected_text, "run `pytest --update` and read the diff"


def test_settings_of_the_extension_are_not_named_as_ours() -> None:
    server, extension = json.loads(MANIFEST.read_text(encoding="utf-8"))["contributes"][
        "configuration"
    ]
    assert not set(server["properties"]) & set(extension["properties"])
    assert (server["id"], extension["id"]) == ("server", "editor")
