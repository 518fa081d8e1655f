"""How like the gold text a suggestion is: the measures that papers report, and a few of ours."""

import re
from collections import Counter

from rapidfuzz import fuzz

from dsc_lsp.document import Cursor, Document
from dsc_lsp.syntax import has_errors

_IDENTIFIER = re.compile(r"[^\W\d]\w*")


def is_exact(text: str, gold: str) -> bool:
    """Whether a suggestion is the gold text, but for white space around it and line endings."""
    return _plain(text) == _plain(gold)


def edit_similarity(text: str, gold: str) -> float:
    """Return the likeness in percent, 100 times the normalized Indel similarity.

    CrossCodeEval's measure (arXiv 2310.11248, section 3), there too by ``fuzz.ratio``.
    """
    return fuzz.ratio(_plain(text), _plain(gold))


def identifier_f1(text: str, gold: str) -> float | None:
    """Return F1 of the identifiers in percent; ``None`` where the gold text has none."""
    wanted = Counter(_IDENTIFIER.findall(gold))
    if not wanted:
        return None
    given = Counter(_IDENTIFIER.findall(text))
    common = (wanted & given).total()
    return 200 * common / (wanted.total() + given.total())


def parses(cursor: Cursor, text: str, gold: str) -> bool | None:
    """Whether the document with the suggestion has no syntax error.

    ``None`` where there is no grammar for its language, parsing takes too long, or the document
    with the gold text has errors, too.
    """
    if has_errors(_filled(cursor, gold)) is not False:
        return None
    is_broken = has_errors(_filled(cursor, text))
    return None if is_broken is None else not is_broken


def _filled(cursor: Cursor, text: str) -> Document:
    document = cursor.document
    return document.replace(cursor.position, cursor.position, text, document.version)


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
