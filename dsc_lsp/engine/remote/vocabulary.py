"""The tokenizer of a model that somebody else serves, as far as it is on this disk."""

from pathlib import Path

from dsc_lsp.engine.base import EngineError
from dsc_lsp.engine.tokens import CheckpointTokenizer, load_tokenizer
from dsc_lsp.models import (
    DEEPSEEK_CODER_BASE,
    DEEPSEEK_CODER_INSTRUCT,
    HUB_CHECKPOINTS,
    STARTER,
    STARTER_CHECKPOINT,
    ModelFamily,
)

_FILE = "tokenizer.json"


def find_tokenizer(wanted: str, model: str, family: ModelFamily) -> CheckpointTokenizer | None:
    """Return the tokenizer that the user names, or one that fits the served model, if it is here.

    ``wanted`` is a directory, a ``tokenizer.json``, a hub id that was pulled, or empty.

    Raises:
        EngineError: the tokenizer that the user names is not there or cannot be used.
    """
    if wanted:
        return load_tokenizer(_named(wanted), family)
    for path in _candidates(model, family):
        try:
            return load_tokenizer(path, family)
        except EngineError:
            continue
    return None


def _named(wanted: str) -> Path:
    path = Path(wanted).expanduser()
    if path.is_dir():
        return path / _FILE
    if path.is_file():
        return path
    pulled = _pulled(wanted)
    if pulled is None:
        raise EngineError(
            f"The tokenizer {wanted} (`dsc.remoteTokenizer`) is not on this disk."
            f" Run `dsc-lsp pull {wanted} --tokenizer-only`, or name a directory with {_FILE}."
        )
    return pulled


def _candidates(model: str, family: ModelFamily) -> list[Path]:
    if family is STARTER:
        return [STARTER_CHECKPOINT / _FILE]
    # All sizes of DeepSeek-Coder have one vocabulary, and servers name models as they like.
    related = HUB_CHECKPOINTS if family in {DEEPSEEK_CODER_BASE, DEEPSEEK_CODER_INSTRUCT} else ()
    pulled = (_pulled(name) for name in (model, *related))
    return [path for path in pulled if path is not None]


def _pulled(hub_id: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(hub_id, _FILE)
    except HFValidationError:
        return None
    return Path(path) if isinstance(path, str) else None
