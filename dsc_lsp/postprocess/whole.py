"""Whether a text under way has come to a place where it could end."""

import re

from dsc_lsp import syntax
from dsc_lsp.document import Cursor
from dsc_lsp.postprocess.brackets import is_closed
from dsc_lsp.postprocess.extent import Extent


def is_whole(text: str, extent: Extent, cursor: Cursor) -> bool:
    """Whether the lines that have ended leave nothing open: no bracket, string or block.

    What stands behind the last line break is not looked at. The first line alone is the whole
    of a statement that opens no block, several lines are some of those of a block.
    """
    lines = text.rpartition("\n")[0]
    last = lines.rpartition("\n")[2].rstrip()
    if not last or re.search(extent.opener, last):
        return False
    return is_closed(syntax.code_of(cursor, lines)) and not syntax.ends_in_text(cursor, lines)
