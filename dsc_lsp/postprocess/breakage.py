"""Whether a text breaks the code that it is put into."""

import re

from dsc_lsp import syntax
from dsc_lsp.document import Cursor
from dsc_lsp.languages import language_of
from dsc_lsp.postprocess.brackets import closing
from dsc_lsp.postprocess.whole import ends_in_string

_GOES_ON = re.compile(
    r"(?:[,+\-*/%&|^~<>=!?\\(\[{]|\b(?:and|or|not|in|is|if|else|extends|implements|where)|"
    r"(?:^|\n)\s*(?:@|#)[^\n]*|(?:^|\n)[\s}]*(?:else\s+)?(?:if|for|while)\b[^\n]*\))\s*$"
)
"""The end of a line behind which a statement goes on."""


def breaks_code(cursor: Cursor, text: str) -> bool:
    """Whether code that parses does no longer with the text at the cursor.

    What is open is closed first, and a name may stand for what is missing before the text is
    there, so that only what does not fit together counts. Where the code has errors already, the
    parser only guesses, and nothing is held against the text; nor where the text goes on.
    """
    before = syntax.code_before(cursor)
    if before is None:
        return False
    code = syntax.code_of(cursor, text)
    after = before + code
    text = text[: len(code.rstrip())]  # a comment at its end would hide what closes
    if not syntax.count_errors(cursor, text + closing(after)):
        return False
    if all(syntax.count_errors(cursor, name + closing(before)) for name in ("", "x")):
        return False
    return not _goes_on(after, cursor) and not ends_in_string(text + "\n", cursor)


def _goes_on(code: str, cursor: Cursor) -> bool:
    """Whether the last line of a code is the beginning of something."""
    language = language_of(cursor.document.language, cursor.document.uri)
    if _GOES_ON.search(code):
        return True
    # In Python the line that opens a block parses by itself.
    last = code.rstrip()
    opens = last.endswith(":") or re.search(language.opener, last) is not None
    return opens and language.name != "python"
