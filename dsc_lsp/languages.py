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
    and belongs to it; if it opens a block again (``} else {``), that one belongs to it too.
    ``opaque`` are the node types whose text is not code: comments and strings.
    ``unfinished`` matches what begins a comment or string and is no node of that kind: the
    cursor is in it, if it can go on to the cursor. What a line break ends is sought in the
    cursor's line only.
    ``preamble`` is what a grammar needs before a piece from the middle of a file.
    """

    name: str
    identifiers: tuple[str, ...]
    suffixes: tuple[str, ...]
    opener: str
    closer: str | None
    grammar: Grammar | None = None
    opaque: tuple[str, ...] = ()
    unfinished: str | None = None
    preamble: str = ""


_BRACES = r"(?:[{(\[]|\b(?:case\b.*|default\s*):)$"
_BRACES_AND_ARROWS = r"(?:[{(\[]|=>|\b(?:case\b.*|default\s*):)$"
_CLOSERS = r"[})\]]"
_ELEMENT = r"<[\w.]+(?:\s[^<>&|]*)?(?<!/)>$"
_ELEMENT_CLOSERS = r"(?:[})\]]|</)"
# Alternatives that begin with a sign each, not with a set of signs, are found three times as fast.
_QUOTED = r"\"[^\n]*\Z|'[^\n]*\Z"
# An apostrophe also marks lifetimes and thousands, so only one right before a bracket counts.
_C_UNFINISHED = r"/\*|\"[^\n]*\Z|'[{(\[]\Z"
_SCRIPT_UNFINISHED = rf"/\*|`|{_QUOTED}"
_SCRIPT_OPAQUE = ("comment", "string", "template_string", "regex")
_VOID_ELEMENTS = r"area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr"

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
        rf"\"\"\"|'''|{_QUOTED}",
    ),
    Language(
        "javascript",
        ("javascript", "javascriptreact", "jsx"),
        (".js", ".mjs", ".cjs", ".jsx"),
        rf"(?:{_BRACES_AND_ARROWS}|{_ELEMENT})",
        _ELEMENT_CLOSERS,
        Grammar("tree_sitter_javascript"),
        _SCRIPT_OPAQUE,
        _SCRIPT_UNFINISHED,
    ),
    Language(
        "typescript",
        ("typescript",),
        (".ts", ".mts", ".cts"),
        _BRACES_AND_ARROWS,
        _CLOSERS,
        Grammar("tree_sitter_typescript", "language_typescript"),
        _SCRIPT_OPAQUE,
        _SCRIPT_UNFINISHED,
    ),
    Language(
        "tsx",
        ("typescriptreact", "tsx"),
        (".tsx",),
        rf"(?:{_BRACES_AND_ARROWS}|{_ELEMENT})",
        _ELEMENT_CLOSERS,
        Grammar("tree_sitter_typescript", "language_tsx"),
        _SCRIPT_OPAQUE,
        _SCRIPT_UNFINISHED,
    ),
    Language(
        "java",
        ("java",),
        (".java",),
        _BRACES,
        _CLOSERS,
        Grammar("tree_sitter_java"),
        ("line_comment", "block_comment", "string_literal", "character_literal"),
        rf"\"\"\"|{_C_UNFINISHED}",
    ),
    Language(
        "go",
        ("go",),
        (".go",),
        _BRACES,
        _CLOSERS,
        Grammar("tree_sitter_go"),
        ("comment", "interpreted_string_literal", "raw_string_literal", "rune_literal"),
        rf"`|{_C_UNFINISHED}",
    ),
    Language(
        "rust",
        ("rust",),
        (".rs",),
        _BRACES,
        _CLOSERS,
        Grammar("tree_sitter_rust"),
        ("line_comment", "block_comment", "string_literal", "raw_string_literal", "char_literal"),
        _C_UNFINISHED,
    ),
    Language(
        "c",
        ("c",),
        (".c", ".h"),
        _BRACES,
        _CLOSERS,
        Grammar("tree_sitter_c"),
        ("comment", "string_literal", "char_literal"),
        _C_UNFINISHED,
    ),
    Language(
        "cpp",
        ("cpp", "cuda-cpp"),
        (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".cu", ".cuh"),
        rf"(?:{_BRACES}|\b(?:public|protected|private)\s*:$)",
        _CLOSERS,
        Grammar("tree_sitter_cpp"),
        ("comment", "string_literal", "raw_string_literal", "char_literal"),
        rf"R\"\w*\(|{_C_UNFINISHED}",
    ),
    Language(
        "c-sharp",
        ("csharp",),
        (".cs",),
        _BRACES_AND_ARROWS,
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
        rf"\"\"\"|@\$?\"|{_C_UNFINISHED}",
    ),
    Language(
        "php",
        ("php",),
        (".php",),
        r"[{(\[:]$",
        r"(?:end(?:if|for|foreach|while|switch)\b|else(?:if)?\b|[})\]])",
        Grammar("tree_sitter_php", "language_php"),
        ("comment", "string", "encapsed_string", "heredoc", "nowdoc", "text"),
        rf"/\*|<<<|{_QUOTED}",
        preamble="<?php\n",
    ),
    Language(
        "ruby",
        ("ruby",),
        (".rb", ".rake", ".gemspec"),
        r"(?:(?:^\s*|=\s*|\bprivate\s+)(?:def|class|module|if|unless|while|until|for|case|begin|"
        r"else|elsif|when|in|rescue|ensure)\b.*|\bdo(?:\s*\|[^|]*\|)?|[{(\[](?:\s*\|[^|]*\|)?)$",
        r"(?:(?:end|else|elsif|when|in|rescue|ensure)\b|[})\]])",
        Grammar("tree_sitter_ruby"),
        ("comment", "string", "heredoc_body", "regex"),
        rf"^=begin\b|{_QUOTED}|`[^\n]*\Z",
    ),
    Language(
        "bash",
        ("shellscript", "bash", "sh"),
        (".sh", ".bash"),
        r"(?:\b(?:then|do|else|in)|[{(]|^\s*[^()]+\))$",
        r"(?:(?:fi|done|esac|else|elif)\b|[})])",
        Grammar("tree_sitter_bash"),
        ("comment", "string", "raw_string", "heredoc_body"),
        rf"(?<!<)<<-?[\"'\\]?([A-Za-z_]\w*)\b(?![\s\S]*^\t*\1$)|{_QUOTED}",
    ),
    Language(
        "html",
        ("html",),
        (".html", ".htm"),
        rf"(?:[{{\[]$|(?!<(?:{_VOID_ELEMENTS})\b){_ELEMENT})",
        _ELEMENT_CLOSERS,
        Grammar("tree_sitter_html"),
        ("comment", "quoted_attribute_value"),
        r"<!--|=\s*[\"'][^\n\"']*\Z",
    ),
    Language(
        "css",
        ("css", "scss", "less"),
        (".css", ".scss", ".less"),
        r"[{(\[]$",
        _CLOSERS,
        Grammar("tree_sitter_css"),
        ("comment", "string_value"),
        rf"/\*|{_QUOTED}",
    ),
    Language(
        "json",
        ("json", "jsonc"),
        (".json", ".jsonc"),
        r"[{\[]$",
        _CLOSERS,
        Grammar("tree_sitter_json"),
        ("comment", "string"),
        r"/\*|\"[^\n]*\Z",
    ),
    Language(
        "yaml",
        ("yaml",),
        (".yaml", ".yml"),
        r"(?:[{\[]|^(?:[^:]|:\S)*:(?:\s+[|>][-+\d]*)?)$",
        # The items of a list may stand as deep as its key.
        r"(?:-\s|[}\]])",
        Grammar("tree_sitter_yaml"),
        ("comment", "double_quote_scalar", "single_quote_scalar"),
        _QUOTED,
    ),
    Language(
        "kotlin",
        ("kotlin",),
        (".kt", ".kts"),
        r"(?:[{(\[]|->)$",
        _CLOSERS,
        Grammar("tree_sitter_kotlin"),
        (
            "line_comment",
            "block_comment",
            "string_literal",
            "multiline_string_literal",
            "character_literal",
        ),
        rf"\"\"\"|{_C_UNFINISHED}",
    ),
    Language(
        "swift",
        ("swift",),
        (".swift",),
        rf"(?:{_BRACES}|\{{[^{{}}]*\bin$)",
        _CLOSERS,
        Grammar("tree_sitter_swift"),
        ("comment", "multiline_comment", "line_string_literal", "multi_line_string_literal"),
        r"\"\"\"|/\*|\"[^\n]*\Z",
    ),
    Language(
        "lua",
        ("lua",),
        (".lua",),
        r"(?:\b(?:then|do|else|repeat|function\b[^()]*\([^()]*\))|[{(\[])$",
        r"(?:(?:end|else|elseif|until)\b|[})\]])",
        Grammar("tree_sitter_lua"),
        ("comment", "string"),
        rf"\[=*\[|{_QUOTED}",
    ),
    Language(
        "scala",
        ("scala",),
        (".scala", ".sc", ".sbt"),
        r"(?:[{(\[:]|=>|\b(?:then|else|do|match|yield|try)|\b(?:def|val|var|given)\b.*=)$",
        r"(?:(?:else|catch|finally|end)\b|[})\]])",
        Grammar("tree_sitter_scala"),
        (
            "comment",
            "block_comment",
            "string",
            "interpolated_string_expression",
            "character_literal",
        ),
        rf"\"\"\"|{_C_UNFINISHED}",
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
