"""Engines: who turns a prompt into text, and the one thread that owns them."""

from functools import partial

from dsc_lsp.engine import lookup
from dsc_lsp.engine.base import Engine
from dsc_lsp.engine.worker import Report
from dsc_lsp.pauses import import_alone
from dsc_lsp.settings import Settings


def open_engine(settings: Settings, report: Report) -> Engine:
    """Load the engine that the settings name; blocking, seconds; a local model imports torch.

    Raises:
        EngineError: it cannot be loaded; the message is for the user.
    """
    if not settings.remote_url.strip():
        return _open_local(settings, report)
    from dsc_lsp.engine.remote.opening import open_remote

    quietly = partial(_open_local, settings, lambda _message, _percent: None)
    return open_remote(settings, report, quietly if settings.remote_fallback else None)


def _open_local(settings: Settings, report: Report) -> Engine:
    if settings.model == lookup.NAME:
        return lookup.LookupEngine()

    from dsc_lsp.parsing import load_grammars

    load_grammars()  # Keys are answered meanwhile: what they need comes before torch.
    import_alone("numpy", "torch")
    from dsc_lsp.engine.opening import open_local

    return open_local(
        settings.model,
        device=settings.device,
        dtype=settings.dtype,
        quantization=settings.quantization,
        context_tokens=settings.context_tokens,
        draft_model=settings.draft_model.strip(),
        report=report,
    )
