"""From what the user wrote in ``dsc.model`` to a checkpoint directory that can be loaded.

Weights are safetensors only, code of a checkpoint is never run, and nothing is downloaded.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsc_lsp.engine.base import EngineError
from dsc_lsp.models import HUB_CHECKPOINTS, STARTER_CHECKPOINT, ModelFamily, family_of

FREE_SHARE = 0.8
"""The share of the free device memory that weights may take, leaving room for the KV cache."""

FILES = ("config.json", "tokenizer.json", "*.safetensors", "*.safetensors.index.json")
"""What of a hub's repository is needed; it may hold the same weights in other formats."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A directory with ``config.json``, ``tokenizer.json`` and safetensors weights."""

    name: str
    directory: Path
    family: ModelFamily
    weight_bytes: int


def find_checkpoint(
    model: str, free_bytes: Callable[[], int | None], share: float = 1.0
) -> Checkpoint:
    """Return the checkpoint for a directory, a hub id that is on this disk, or ``auto``.

    ``auto`` is the most able DeepSeek-Coder on this disk that fits the accelerator, else the
    embedded starter; ``free_bytes`` gives the accelerator's free memory, ``None`` without one,
    and ``share`` of its size on the disk is what a checkpoint takes there.

    Raises:
        EngineError: there is no such checkpoint, or it cannot be loaded; says what to do.
    """
    if model == "auto":
        return _best_fit(free_bytes(), share) or inspect_checkpoint("starter", STARTER_CHECKPOINT)
    if model == "starter":
        return inspect_checkpoint("starter", STARTER_CHECKPOINT)
    directory = Path(os.path.expanduser(model))  # noqa: PTH111 - Path's raises for unknown users
    if os.path.isdir(directory):  # noqa: PTH112 - Path's raises for names too long
        return inspect_checkpoint(directory.absolute().name, directory)
    if os.path.exists(directory):  # noqa: PTH110 - the same
        raise EngineError(
            f"The model {model} is a file. Set `dsc.model` to the checkpoint's directory."
        )
    if model.count("/") == 1 and not model.startswith(("/", ".", "~")):
        cached = _cached_directory(model)
        if cached is not None:
            return inspect_checkpoint(model, cached)
        raise EngineError(
            f"The model {model} is not on this disk, and nothing is downloaded by itself."
            f" Run `dsc-lsp pull {model}`, or set `dsc.model` to a directory or to `starter`."
        )
    raise EngineError(
        f"The model directory {model} does not exist."
        " Set `dsc.model` to an existing directory, a hub id, `auto` or `starter`."
    )


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A checkpoint that can be chosen: one of the hub's that we know, or one in the hub's cache.

    ``weight_bytes`` is 0 where it is not on this disk; ``problem`` says why what is there cannot
    be loaded.
    """

    name: str
    weight_bytes: int
    problem: str


def known_models() -> tuple[KnownModel, ...]:
    """Return DeepSeek-Coder's checkpoints, on this disk or not, the most able first; reads it."""
    return tuple(_known(name) for name in dict.fromkeys((*HUB_CHECKPOINTS, *_cached_names())))


def _known(name: str) -> KnownModel:
    directory = _cached_directory(name)
    if directory is None:
        return KnownModel(name, 0, "")
    try:
        return KnownModel(name, inspect_checkpoint(name, directory).weight_bytes, "")
    except EngineError as error:
        return KnownModel(name, 0, str(error))


def _cached_names() -> list[str]:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return []
    names = (found.repo_id for found in repositories if found.repo_type == "model")
    return sorted(name for name in names if "deepseek-coder" in name.lower())


def inspect_checkpoint(name: str, directory: Path) -> Checkpoint:
    """Look at a directory without loading it; raises ``EngineError`` with cause and remedy."""
    _check_config(directory / "config.json")
    weights = sorted(directory.glob("*.safetensors"))
    if not weights:
        raise EngineError(_no_weights(directory))
    family = family_of(name if name != "starter" else directory.name)
    return Checkpoint(name, directory, family, sum(file.stat().st_size for file in weights))


def _check_config(path: Path) -> None:
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        model_type = config.get("model_type")
    except FileNotFoundError:
        raise EngineError(
            f"{path} is missing, so {path.parent} is not a model directory."
            " Set `dsc.model` to a directory with config.json, tokenizer.json and *.safetensors."
        ) from None
    except (OSError, ValueError, AttributeError) as error:
        raise EngineError(f"{path} cannot be read. Download the checkpoint again.") from error
    if model_type != "llama":
        raise EngineError(
            f"{path} describes a {model_type!r} model; this server runs models of the Llama"
            " architecture. Choose a DeepSeek-Coder checkpoint in `dsc.model`."
        )


def _no_weights(directory: Path) -> str:
    pickled = sorted(
        file.name
        for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt")
        for file in directory.glob(pattern)
    )
    if pickled:
        return (
            f"{directory} has its weights only as {pickled[0]}, a pickle file, which can run code"
            " and is never loaded. Download the checkpoint's *.safetensors files, or convert it"
            " with `save_pretrained(..., safe_serialization=True)`."
        )
    return (
        f"{directory} has no weights (*.safetensors). Download the checkpoint again:"
        " an interrupted download leaves such a directory."
    )


def _best_fit(free: int | None, share: float) -> Checkpoint | None:
    if free is None:
        return None
    for name in HUB_CHECKPOINTS:
        directory = _cached_directory(name)
        if directory is None:
            continue
        try:
            checkpoint = inspect_checkpoint(name, directory)
        except EngineError:
            continue
        if checkpoint.weight_bytes * share <= free * FREE_SHARE:
            return checkpoint
    return None


def _cached_directory(hub_id: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        # Without patterns a snapshot would have to hold every file of the repository.
        return Path(snapshot_download(hub_id, local_files_only=True, allow_patterns=list(FILES)))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
