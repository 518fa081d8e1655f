"""Commands that an editor runs through ``workspace/executeCommand``."""

import asyncio
from typing import Any

from dsc_lsp.engine import checkpoint
from dsc_lsp.engine.checkpoint import KnownModel
from dsc_lsp.engine.config import parse_config
from dsc_lsp.engine.memory import Precision, weight_bytes
from dsc_lsp.models import SHAPES

KNOWN_MODELS = "dsc.models"

_AS_PUBLISHED = Precision(itemsize=2)


async def known_models() -> list[dict[str, Any]]:
    """Return the models that can be chosen, for an editor's list; the disk is read elsewhere."""
    return [_as_json(model) for model in await asyncio.to_thread(checkpoint.known_models)]


def _as_json(model: KnownModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "isOnDisk": model.weight_bytes > 0,
        "megabytes": round((model.weight_bytes or _published_bytes(model.name)) / 2**20),
        "note": model.problem,
    }


def _published_bytes(name: str) -> int:
    """Return how large a checkpoint is on the hub, 0 if we do not know its shape."""
    shape = SHAPES.get(name.rpartition("/")[2].removesuffix("-base"))
    return weight_bytes(parse_config(shape.config()), _AS_PUBLISHED) if shape else 0
