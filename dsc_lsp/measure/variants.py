"""What a model is compared with: the repository's lookup alone, itself alone, both, no suffix."""

import copy
import dataclasses

from dsc_lsp.engine.base import Engine
from dsc_lsp.engine.lookup import LookupEngine
from dsc_lsp.models import STARTER, ModelFamily


def variants_of(engine: Engine) -> dict[str, Engine]:
    """Return the engine in each way of use, by what the table calls it.

    All but the lookup alone share the model and its keys and values, so one is to be used after
    the other.
    """
    family = engine.family
    margin = STARTER.lookup_margin
    alone = dataclasses.replace(family, lookup_margin=None)
    return {
        "lookup alone": LookupEngine(),
        "model alone": as_family(engine, alone),
        "model left to right": as_family(engine, dataclasses.replace(alone, fim=None)),
        "lookup and model": as_family(engine, dataclasses.replace(family, lookup_margin=margin)),
    }


def as_family(engine: Engine, family: ModelFamily) -> Engine:
    """Return the same engine, used as if it were of another family."""
    same = copy.copy(engine)
    object.__setattr__(same, "family", family)
    return same
