"""``python -m dsc_lsp``."""

import sys

from dsc_lsp.cli import main

if __name__ == "__main__":
    sys.exit(main())
