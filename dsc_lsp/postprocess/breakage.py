"""Whether a text breaks the code that it is put into."""

import re

from dsc_lsp import syntax
from dsc_lsp.document import Cursor
from dsc_lsp.languages import language_of
from dsc_lsp.postprocess.brackets import closing, lone_brackets

_GOES_ON = re.compile(
    r"(?:[,+\-*/%&|^~<>=!?\\(\[{]|\b(?:and|or|not|in|is|if|else|extends|implements|where)|"
    r"^\s*(?:@|#).*|^[\s}]*(?:else\s+)?(?:if|for|while)\b.*\))$"
)
"""A line behind which a statement goes on, without blanks at its end."""


def breaks_code(cursor: Cursor, text: str) -> bool:
    """Whether code that parses does no longer with the text at the cursor.

    What is open is closed first, and a name may stand for what is missing before the text is
    there, so that only what does not fit together counts. Where the code has errors already, the
    parser only guesses, and nothing is held against the text; nor where the text goes on.
    """
    before = syntax.code_before(cursor)
    if before is None:
        return False
    code, opened = syntax.code_of(cursor, text), lone_brackets(before)
    text = text[: len(code.rstrip())]  # a comment at its end would hide what closes
    if not syntax.count_errors(cursor, text + closing(opened + code)):
        return False
    if all(syntax.count_errors(cursor, name + closing(opened)) for name in ("", "x")):
        return False
    return not _goes_on(before + code, cursor) and not syntax.ends_in_text(cursor, text)


def _goes_on(code: str, cursor: Cursor) -> bool:
    """Whether the last line of a code is the beginning of something."""
    language = language_of(cursor.document.language, cursor.document.uri)
    last = code.rstrip().rpartition("\n")[2]
    if _GOES_ON.search(last):
        return True
    # In Python the line that opens a block parses by itself.
    opens = last.endswith(":") or re.search(language.opener, last) is not None
    return opens and language.name != "python"
