"""The command line: ``dsc-lsp``."""

from dsc_lsp.cli.arguments import main

__all__ = ["main"]
