"""Commands that an editor runs through ``workspace/executeCommand``."""

import asyncio
from typing import Any

from dsc_lsp.engine import checkpoint
from dsc_lsp.engine.checkpoint import KnownModel

KNOWN_MODELS = "dsc.models"


async def known_models() -> list[dict[str, Any]]:
    """Return the models that can be chosen, for an editor's list; the disk is read elsewhere."""
    return [_as_json(model) for model in await asyncio.to_thread(checkpoint.known_models)]


def _as_json(model: KnownModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "isOnDisk": model.weight_bytes > 0,
        "megabytes": round(model.weight_bytes / 2**20),
        "note": model.problem,
    }
