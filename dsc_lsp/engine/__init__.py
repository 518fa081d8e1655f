"""Engines: who turns a prompt into text, and the one thread that owns them."""

from dsc_lsp.engine.base import Engine
from dsc_lsp.engine.worker import Report
from dsc_lsp.settings import Settings


def open_engine(settings: Settings, report: Report) -> Engine:
    """Load the engine that the settings name; blocking, seconds; imports torch.

    Raises:
        EngineError: it cannot be loaded; the message is for the user.
    """
    from dsc_lsp.engine.local import open_local

    return open_local(
        settings.model,
        device=settings.device,
        context_tokens=settings.context_tokens,
        report=report,
    )
