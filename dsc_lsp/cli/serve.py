"""``dsc-lsp serve``: speak to an editor over stdin and stdout."""

import logging
import os
import sys

from dsc_lsp.engine import open_engine
from dsc_lsp.server.app import serve
from dsc_lsp.server.transport import claim_stdio
from dsc_lsp.settings import Settings, config_file, read_config_file

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run(*, log_level: str) -> int:
    """Serve until the client ends; returns the exit code of the protocol."""
    if sys.stdin.isatty():
        print(
            "dsc-lsp speaks the Language Server Protocol on stdin and stdout and waits for an"
            " editor. To see it work, run `dsc-lsp demo`.",
            file=sys.stderr,
        )
    logging.basicConfig(level=log_level.upper(), format=_FORMAT, stream=sys.stderr)
    # pygls logs whole messages, which hold code.
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)
    reader, writer = claim_stdio()
    ended = serve(reader, writer, open_engine, read_config_file(config_file(), Settings()))
    if not ended.clean:
        # The engine's thread is deep in a library (loading, say) and would hold the process.
        logging.shutdown()
        os._exit(ended.code)
    return ended.code
