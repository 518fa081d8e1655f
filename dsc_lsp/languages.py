"""Languages, one row each: what the server must know to read the code at the cursor.

To support another language, add a row. A language without a row, or whose grammar package is
not installed, is served by ``PLAIN``: indentation and brackets.
"""

from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Grammar:
    """Where a tree-sitter grammar is found: a package and the function that returns it."""

    package: str
    function: str = "language"


@dataclass(frozen=True, slots=True)
class Language:
    """One language.

    ``identifiers`` are LSP language identifiers, ``suffixes`` file name endings.
    ``opener`` matches the end of code that opens a block, without trailing blanks and comments.
    ``closer`` matches the start of a line that closes a block at the indentation of its opener
    and belongs to it.
    ``opaque`` are the node types whose text is not code: comments and strings.
    """

    name: str
    identifiers: tuple[str, ...]
    suffixes: tuple[str, ...]
    opener: str
    closer: str | None
    grammar: Grammar | None = None
    opaque: tuple[str, ...] = ()


_BRACES = r"[{(\[]$"
_CLOSERS = r"[})\]]"
_C_STRINGS = ("comment", "string_literal", "raw_string_literal", "char_literal")
_SCRIPT_OPAQUE = ("comment", "string", "template_string", "regex")

PLAIN = Language("plain", (), (), r"[{(\[:]$", _CLOSERS)

LANGUAGES: tuple[Language, ...] = (
    Language(
        "python",
        ("python",),
        (".py", ".pyi"),
        r"[:{(\[]$",
        _CLOSERS,
        Grammar("tree_sitter_python"),
        ("comment", "string"),
    ),
    Language(
        "javascript",
        ("javascript", "javascriptreact"),
        (".js", ".mjs", ".cjs", ".jsx"),
        r"(?:[{(\[]|=>)$",
        _CLOSERS,
        Grammar("tree_sitter_javascript"),
        _SCRIPT_OPAQUE,
    ),
    Language(
        "typescript",
        ("typescript",),
        (".ts", ".mts", ".cts"),
        r"(?:[{(\[]|=>)$",
        _CLOSERS,
        Grammar("tree_sitter_typescript", "language_typescript"),
        _SCRIPT_OPAQUE,
    ),
    Language(
        "tsx",
        ("typescriptreact",),
        (".tsx",),
        r"(?:[{(\[]|=>)$",
        _CLOSERS,
        Grammar("tree_sitter_typescript", "language_tsx"),
        _SCRIPT_OPAQUE,
    ),
    Language(
        "java",
        ("java",),
        (".java",),
        _BRACES,
        _CLOSERS,
        Grammar("tree_sitter_java"),
        ("line_comment", "block_comment", "string_literal", "character_literal"),
    ),
    Language(
        "go",
        ("go",),
        (".go",),
        _BRACES,
        _CLOSERS,
        Grammar("tree_sitter_go"),
        ("comment", "interpreted_string_literal", "raw_string_literal", "rune_literal"),
    ),
    Language(
        "rust",
        ("rust",),
        (".rs",),
        _BRACES,
        _CLOSERS,
        Grammar("tree_sitter_rust"),
        ("line_comment", "block_comment", "string_literal", "raw_string_literal", "char_literal"),
    ),
    Language("c", ("c",), (".c", ".h"), _BRACES, _CLOSERS, Grammar("tree_sitter_c"), _C_STRINGS),
    Language(
        "cpp",
        ("cpp", "cuda-cpp"),
        (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".cu", ".cuh"),
        _BRACES,
        _CLOSERS,
        Grammar("tree_sitter_cpp"),
        _C_STRINGS,
    ),
    Language(
        "c-sharp",
        ("csharp",),
        (".cs",),
        _BRACES,
        _CLOSERS,
        Grammar("tree_sitter_c_sharp"),
        (
            "comment",
            "string_literal",
            "verbatim_string_literal",
            "raw_string_literal",
            "interpolated_string_expression",
            "character_literal",
        ),
    ),
    Language(
        "php",
        ("php",),
        (".php",),
        r"[{(\[:]$",
        _CLOSERS,
        Grammar("tree_sitter_php", "language_php"),
        ("comment", "string", "encapsed_string", "heredoc", "nowdoc"),
    ),
    Language(
        "ruby",
        ("ruby",),
        (".rb", ".rake", ".gemspec"),
        r"(?:^\s*(?:def|class|module|if|unless|while|until|for|case|begin|else|elsif|when|in|"
        r"rescue|ensure)\b.*|\bdo(?:\s*\|[^|]*\|)?|[{(\[])$",
        r"(?:end\b|[})\]])",
        Grammar("tree_sitter_ruby"),
        ("comment", "string", "heredoc_body", "regex"),
    ),
    Language(
        "bash",
        ("shellscript", "bash", "sh"),
        (".sh", ".bash"),
        r"(?:\bthen|\bdo|\belse|\bin|[{(])$",
        r"(?:fi\b|done\b|esac\b|[})])",
        Grammar("tree_sitter_bash"),
        ("comment", "string", "raw_string", "heredoc_body"),
    ),
)

_BY_IDENTIFIER = {name: row for row in LANGUAGES for name in row.identifiers}
_BY_SUFFIX = {suffix: row for row in LANGUAGES for suffix in row.suffixes}


def language_of(identifier: str, uri: str = "") -> Language:
    """Return the row of an LSP language identifier, or else of a file name; ``PLAIN`` else."""
    known = _BY_IDENTIFIER.get(identifier)
    return known or _BY_SUFFIX.get(PurePath(uri).suffix.lower(), PLAIN)


def identifier_of(path: PurePath) -> str:
    """Return the LSP language identifier for a file name; ``plaintext`` where none is known."""
    row = _BY_SUFFIX.get(path.suffix.lower())
    return row.identifiers[0] if row else "plaintext"
