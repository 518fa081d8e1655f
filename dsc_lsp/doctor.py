"""Findings about this machine, with advice: what is installed, which model fits, what to do."""

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from dsc_lsp import __version__
from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.checkpoint import FREE_SHARE, find_checkpoint
from dsc_lsp.engine.config import parse_config
from dsc_lsp.engine.memory import gibibytes, share_of_checkpoint, weight_bytes
from dsc_lsp.engine.tokens import load_tokenizer
from dsc_lsp.languages import LANGUAGES
from dsc_lsp.models import HUB_CHECKPOINTS, SHAPES
from dsc_lsp.settings import Parsed, Settings, config_file
from dsc_lsp.syntax import has_grammar

if TYPE_CHECKING:
    from dsc_lsp.engine.opening import Residence
    from dsc_lsp.engine.remote.checkup import Checkup

_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "pygls", "tree-sitter")


class Verdict(Enum):
    """How a finding is to be taken."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``advice`` says what to do, where there is something to do."""

    verdict: Verdict
    subject: str
    text: str
    advice: str = ""


def examine(parsed: Parsed) -> Iterator[Finding]:
    """Look at everything the server needs, without loading the model's weights."""
    yield Finding(Verdict.GOOD, "dsc-lsp", f"{__version__} in {sys.prefix}")
    yield Finding(Verdict.GOOD, "python", f"{platform.python_version()} on {platform.platform()}")
    yield from _settings(parsed)
    yield from _packages()
    yield _grammars()
    if parsed.settings.remote_url.strip():
        yield from _servers(parsed.settings)
    yield _device(parsed.settings)
    yield from _model(parsed.settings)
    yield _on_path()


def _settings(parsed: Parsed) -> Iterator[Finding]:
    path = config_file()
    state = "read" if path.exists() else "not there, so defaults hold"
    yield Finding(Verdict.GOOD, "settings", f"{path} ({state})")
    for problem in parsed.problems:
        yield Finding(Verdict.BAD, "settings", problem, "Correct the configuration file.")


def _packages() -> Iterator[Finding]:
    versions: list[str] = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            advice = "Install dsc-lsp again into a fresh virtual environment."
            yield Finding(Verdict.BAD, "packages", f"{name} is not installed", advice)
    yield Finding(Verdict.GOOD, "packages", ", ".join(versions))


def _grammars() -> Finding:
    absent = [row.name for row in LANGUAGES if row.grammar and not has_grammar(row.grammar)]
    if not absent:
        return Finding(Verdict.GOOD, "grammars", f"all {len(LANGUAGES)} are there")
    text = f"{', '.join(absent)} missing; indentation decides there"
    return Finding(Verdict.NOTE, "grammars", text, "Install the tree-sitter-… packages again.")


def _device(settings: Settings) -> Finding:
    try:
        from dsc_lsp.engine.devices import describe, free_bytes

        residence = _residence(settings)
        device = residence.device
    except EngineError as error:
        return Finding(Verdict.BAD, "device", str(error))
    except (ImportError, OSError) as error:
        advice = "Install torch again into this environment."
        return Finding(Verdict.BAD, "device", f"torch does not start: {error}", advice)
    free = free_bytes(device)
    if free is None:
        text = f"{describe(device)}, no accelerator; the embedded starter is made for this"
        return Finding(Verdict.NOTE, "device", text)
    text = f"{describe(device)}, {gibibytes(free)} free"
    for name in HUB_CHECKPOINTS:
        config = parse_config(SHAPES[_shape(name)].config())
        if weight_bytes(config, residence.precision) <= free * FREE_SHARE:
            return Finding(Verdict.GOOD, "device", text, f"The best model that fits is {name}.")
    return Finding(Verdict.NOTE, "device", f"{text}; too little for DeepSeek-Coder 1.3B")


def _model(settings: Settings) -> Iterator[Finding]:
    try:
        free, share = _free(settings)
        checkpoint = find_checkpoint(settings.model, free, share)
        load_tokenizer(checkpoint.directory / "tokenizer.json", checkpoint.family)
    except EngineError as error:
        yield Finding(Verdict.BAD, "model", str(error))
        return
    size = checkpoint.weight_bytes / 2**20
    text = f"{checkpoint.name} ({checkpoint.family.name}, {size:.0f} MiB of weights)"
    advice = ""
    if checkpoint.name == "starter" and settings.model == "auto":
        advice = f"With a GPU, DeepSeek-Coder does better: `dsc-lsp pull {HUB_CHECKPOINTS[1]}`."
    yield Finding(Verdict.GOOD, "model", text, advice)


def _servers(settings: Settings) -> Iterator[Finding]:
    from dsc_lsp.engine.remote.checkup import check_up

    try:
        for seen in check_up(settings):
            yield from _server(seen)
    except EngineError as error:
        yield Finding(Verdict.BAD, "server", str(error))


def _server(seen: "Checkup") -> Iterator[Finding]:
    if seen.fault:
        yield Finding(Verdict.BAD, "server", seen.fault)
        return
    context = f", {seen.context_tokens} tokens of context" if seen.context_tokens else ""
    yield Finding(
        Verdict.GOOD,
        "server",
        f"{seen.place} is {seen.kind} with {seen.model}{context};"
        f" first token {seen.first_token_ms:.0f} ms",
    )
    if len(seen.models) > 1:
        text = f"it serves {', '.join(seen.models[:10])}"
        yield Finding(Verdict.NOTE, "server", text, "`dsc.remoteModel` says which to ask for.")
    if seen.takes_ids:
        yield Finding(Verdict.GOOD, "server", "prompts go as token ids, exact")
    elif seen.tokenizer_fits is False:
        text = "our tokenizer counts otherwise than the server, so it is not that of the model"
        yield Finding(Verdict.BAD, "server", text, "Set `dsc.remoteTokenizer` to the right one.")
    elif seen.has_tokenizer:
        yield Finding(Verdict.NOTE, "server", "it takes no token ids; prompts go as text")
    else:
        text = "no tokenizer of this model is here; prompts go as text, their tokens estimated"
        advice = f"Run `dsc-lsp pull {seen.model} --tokenizer-only`, or set `dsc.remoteTokenizer`."
        yield Finding(Verdict.NOTE, "server", text, advice)
    after = f"a token right after a cancelled answer took {seen.after_cancel_ms:.0f} ms"
    if seen.cancel_works:
        yield Finding(Verdict.GOOD, "server", f"cancel works: {after}")
    else:
        advice = "It goes on with cancelled answers. A proxy that buffers may hide the cancel."
        yield Finding(Verdict.NOTE, "server", after, advice)


def _shape(checkpoint: str) -> str:
    return checkpoint.rpartition("/")[2].removesuffix("-base")


def _residence(settings: Settings) -> "Residence":
    from dsc_lsp.engine.opening import residence_of

    return residence_of(
        device=settings.device, dtype=settings.dtype, quantization=settings.quantization
    )


def _free(settings: Settings) -> tuple[Callable[[], int | None], float]:
    """Return who tells the free memory, and what share of its file a checkpoint takes of it."""
    from dsc_lsp.engine.devices import free_bytes

    residence = _residence(settings)
    return lambda: free_bytes(residence.device), share_of_checkpoint(residence.precision)


def _on_path() -> Finding:
    found = shutil.which("dsc-lsp")
    if found:
        return Finding(Verdict.GOOD, "command", f"editors find {found}")
    return Finding(
        Verdict.NOTE,
        "command",
        "dsc-lsp is not on the PATH of this shell",
        f"Give editors the whole path: {shutil.which('dsc-lsp', path=f'{sys.prefix}/bin')}",
    )
