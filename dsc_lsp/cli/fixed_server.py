"""The server on stdin and stdout with an engine that costs nothing: ``bench`` measures the rest.

``python -m dsc_lsp.cli.fixed_server``
"""

from dsc_lsp.cli.serve import answer
from dsc_lsp.measure.fixed import FixedEngine
from dsc_lsp.server.transport import claim_stdio
from dsc_lsp.settings import Parsed, Settings


def main() -> None:
    """Serve until the client ends."""
    reader, writer = claim_stdio()
    answer(reader, writer, lambda _settings, _report: FixedEngine(), Parsed(Settings(), ()))


if __name__ == "__main__":
    main()
