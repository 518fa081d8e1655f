"""The user's settings as a command of the command line sees them."""

import dataclasses
import sys
from typing import Any

from dsc_lsp.settings import Parsed, Settings, config_file, read_config_file


def chosen_settings(
    *, model: str | None, device: str | None, remote: str | None = None
) -> Settings:
    """Return defaults, configuration file and options of the command line, the last one wins."""
    parsed = read_config_file(config_file(), Settings())
    for problem in parsed.problems:
        print(f"dsc-lsp: {problem}", file=sys.stderr)
    return with_options(parsed, model=model, device=device, remote=remote).settings


def with_options(
    parsed: Parsed, *, model: str | None, device: str | None, remote: str | None = None
) -> Parsed:
    """Return settings with the options of the command line over them.

    A server that is named here answers alone: another model must not be taken for it. A model
    that is named runs on this machine.
    """
    options = {"model": model, "device": device}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if remote is not None:
        given |= {"remote_url": remote, "remote_fallback": False}
    elif model is not None:
        given |= {"remote_url": ""}
    return Parsed(dataclasses.replace(parsed.settings, **given), parsed.problems)
