"""``dsc-lsp pull MODEL``: fetch a model, or its tokenizer alone, from the hub into its cache."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dsc_lsp.cli.usage import UsageError

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
# What is needed to run it and nothing else: pickled weights are never loaded.
_MODEL = (*_TOKENIZER, "config.json", "generation_config.json", "*.safetensors", "*.index.json")
_LICENSES = ("LICENSE*", "README.md")
_TOKEN_HELP = "run `hf auth login`, or set HF_TOKEN"  # noqa: S105 - words, no secret


def run(model: str, *, tokenizer_only: bool) -> int:
    """Download what is not here yet, with progress; 1 and one line on stderr if it cannot be.

    An interrupted download goes on where it stopped. ``HF_ENDPOINT``, ``HF_HOME``, ``HF_TOKEN``
    and proxies of the environment are honoured.
    """
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        example = "deepseek-ai/deepseek-coder-6.7b-base"
        raise UsageError(f"{model!r} is not a hub id, such as {example}")
    try:
        path = _pull(model, _TOKENIZER if tokenizer_only else (*_MODEL, *_LICENSES))
    except _PullError as error:
        print(f"dsc-lsp: {error}", file=sys.stderr)
        return 1
    print(path)
    setting = "remoteTokenizer" if tokenizer_only else "model"
    print(f'Use it with `dsc.{setting} = "{model}"`.', file=sys.stderr)
    return 0


class _PullError(Exception):
    """It cannot be downloaded; the message is for the user."""


def _pull(model: str, patterns: Sequence[str]) -> str:
    import httpx2
    from huggingface_hub import HfApi, errors, snapshot_download
    from huggingface_hub.constants import ENDPOINT

    hub = os.environ.get("HF_ENDPOINT") or ENDPOINT
    options: dict[str, Any] = {"allow_patterns": list(patterns), "endpoint": hub}
    try:
        # Asked by itself, because what refuses it is told apart here only.
        HfApi(endpoint=hub).model_info(model)
        files: Any = snapshot_download(model, dry_run=True, **options)
        _check(model, files, patterns)
        return str(snapshot_download(model, **options))
    except errors.GatedRepoError:
        raise _PullError(
            f"{model} wants you to accept its terms on the hub, and to be known: {_TOKEN_HELP}."
        ) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise _PullError(
            f"the hub has no model {model}; if it is private, {_TOKEN_HELP}."
        ) from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, httpx2.TransportError):
        raise _PullError(
            f"the hub ({hub}) cannot be reached. Check the network and proxies; HF_ENDPOINT"
            " names a mirror. A model can also be copied here by hand: `dsc.model` may be a"
            " directory."
        ) from None
    except errors.HfHubHTTPError as error:
        code = error.response.status_code
        raise _PullError(f"the hub ({hub}) answers with HTTP {code}. Try again.") from None
    except OSError as error:
        raise _PullError(f"the model cannot be written: {error.strerror or error}") from None


def _check(model: str, files: Sequence[Any], patterns: Sequence[str]) -> None:
    """Say what will be downloaded, or raise where that would be of no use."""
    from huggingface_hub.constants import HF_HUB_CACHE

    names = [file.filename for file in files]
    if "tokenizer.json" not in names:
        raise _PullError(f"{model} has no tokenizer.json, so it is of no use here")
    if "config.json" in patterns and not any(name.endswith(".safetensors") for name in names):
        raise _PullError(
            f"{model} has no *.safetensors; weights in other formats can run code and are not"
            " loaded. Look for a safetensors copy of it"
        )
    missing = sum(file.file_size or 0 for file in files if file.will_download)
    print(f"{model}: {missing / 1e9:.2f} GB to download into {HF_HUB_CACHE}", file=sys.stderr)
    free = shutil.disk_usage(_existing(HF_HUB_CACHE)).free
    if missing > free:
        raise _PullError(
            f"{model} needs {missing / 1e9:.1f} GB and {free / 1e9:.1f} GB are free in"
            f" {HF_HUB_CACHE}. Make room, or set HF_HOME to another disk"
        )


def _existing(path: str) -> str:
    place = Path(path)
    while not place.exists():
        place = place.parent
    return str(place)
