"""What JavaScript and TypeScript files define, use and import, by a walk over their trees.

The grammar is the product's, for there is no other parser in Python; its queries, its outlines and
its resolver are not.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping

from tree_sitter import Node

from dsc_lsp.languages import language_of
from dsc_lsp.measure.context_facts import Facts
from dsc_lsp.repository.trees import parse

_LANGUAGES = frozenset({"javascript", "typescript", "tsx"})
_ENDINGS = ("", ".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".d.ts")
_INDEXES = tuple(f"/index{ending}" for ending in _ENDINGS[1:])
_MOST_STEPS = 4
_DECLARES = frozenset({
    "function_declaration", "generator_function_declaration", "class_declaration",
    "abstract_class_declaration", "interface_declaration", "type_alias_declaration",
    "enum_declaration", "function_signature", "method_definition", "method_signature",
    "abstract_method_signature", "public_field_definition", "field_definition",
    "property_signature", "variable_declarator",
})  # fmt: skip
_OF_ITS_OWN = frozenset({"function_declaration", "arrow_function", "function_expression",
                         "method_definition", "generator_function_declaration"})  # fmt: skip
_NAMES = frozenset({"identifier", "property_identifier", "type_identifier",
                    "shorthand_property_identifier", "private_property_identifier"})  # fmt: skip
_BUILT_IN = frozenset(
    re.findall(
        r"\w+",
        """
        Array ArrayBuffer BigInt Boolean Buffer Date Error EventEmitter Function Infinity Iterator
        JSON Math Number Object Omit Partial Pick Promise Proxy RangeError Readonly Record Reflect
        RegExp Request Response String Symbol SyntaxError TypeError Uint8Array WeakMap WeakSet
        abort aborted acos acosh addAbortSignal addListener allSettled alloc allocUnsafe anchor
        append apply arguments arrayBuffer asciiSlice asciiWrite asin asinh assert assign
        asyncDispose asyncIterator atan atan2 atanh attribute base64Slice base64Write
        base64urlSlice base64urlWrite basename bind blink blob body bodyUsed bold boolean buffer
        byteLength byteOffset bytes cache call caller canParse catch cbrt ceil charAt charCodeAt
        clear clearInterval clearTimeout clone closed clz32 codePointAt compare compile compose
        concat console construct constructor context copy copyBytesFrom copyWithin cork cosh count
        countReset create createTask credentials debug default defineProperty delete
        deleteProperty delimiter description destination destroy destroyed dirname dirxml
        dispatchEvent dispose document dotAll duplex duplexPair emit endsWith entries equals error
        errorMonitor errored eventNames every exec expm1 exports extname fill filter finally find
        findIndex findLast findLastIndex finished fixed flags flat flatMap floor fontcolor
        fontsize forEach formData format freeze from fromCharCode fromCodePoint fromEntries
        fromWeb fround global globalThis group groupCollapsed groupEnd hasIndices hasInstance
        hasOwn hasOwnProperty hash headers hexSlice hexWrite host hostname href hypot ignoreCase
        imul includes indexOf info init input inspect integrity isAbsolute isArray isBuffer
        isDestroyed isDisturbed isEncoding isErrored isExtensible isFinite isFrozen isInteger
        isNaN isPrototypeOf isReadable isSafeInteger isSealed isWellFormed isWritable italics
        iterator join json keepalive keyFor keys lastIndexOf lastMatch lastParen latin1Slice
        latin1Write leftContext length link listenerCount listeners localeCompare log10 log1p log2
        match matchAll matchesGlob message method mode module multiline name never normalize
        number offset onabort once origin ownKeys padEnd padStart parent parse parseFloat parseInt
        password pathname pipe pipeline poolSize port posix process profile profileEnd promises
        protocol prototype push race random rawListeners readFile reason redirect reduce
        reduceRight referrer referrerPolicy reject relative removeListener repeat replace
        replaceAll require resolve reverse rightContext round seal search searchParams
        setImmediate setInterval setTimeout shift sign signal sinh size slice small some sort
        source species splice split sqrt startsWith sticky strike string stringify subarray substr
        substring swap16 swap32 swap64 symbol table tanh test text then throwIfAborted time
        timeEnd timeLog timeStamp timeout toDateString toExponential toFixed toGMTString
        toISOString toJSON toLocaleString toLowerCase toPrecision toPrimitive toReversed toSorted
        toSpliced toString toStringTag toTimeString toUTCString toUpperCase toWeb toWellFormed
        trace trim trimEnd trimLeft trimRight trimStart trunc ucs2Slice ucs2Write uncork undefined
        unicode unicodeSets unknown unscopables unshift username usingDomains utf8Slice utf8Write
        valueOf values void warn win32 window with writable writableBuffer writableCorked
        writableEnded writableLength write writeFile
        """,
    )
)
"""Of the language and of Node's most used objects; JavaScript has no list to ask for."""


def script_facts(texts: Mapping[str, str]) -> dict[str, Facts]:
    """Return what each JavaScript and TypeScript file says; ``texts`` are by path."""
    roots: dict[str, Node] = {}
    for path, text in texts.items():
        language = language_of("", path).name
        root = parse(text, language) if language in _LANGUAGES else None
        if root is not None:
            roots[path] = root
    statements = {path: list(_statements(root)) for path, root in roots.items()}
    result: dict[str, Facts] = {}
    for path, root in roots.items():
        defined, used = _names(root)
        imported = _imported(path, statements)
        result[path] = Facts(frozenset(defined), tuple(sorted(used, key=_place)), tuple(imported))
    return result


def _place(use: tuple[str, int, int]) -> tuple[int, int]:
    return use[1:]


def _names(root: Node) -> tuple[set[str], list[tuple[str, int, int]]]:
    """Return the names that a file defines for others, and those that it uses, with their places.

    Functions' variables are their own; attributes that they set are not.
    """
    defined: set[str] = set()
    used: list[tuple[str, int, int]] = []
    open_ = [(root, False)]
    while open_:
        node, inside = open_.pop()
        if node.type in _NAMES:
            name = _text(node).lstrip("#")
            if _is_defined(node, inside=inside):
                defined.add(name)
            elif name not in _BUILT_IN and not _is_label(node):
                used.append((name, node.start_point[0], node.start_point[1]))
        below = inside or node.type in _OF_ITS_OWN
        own_name = node.child_by_field_name("name") if below is not inside else None
        open_ += ((child, inside if child == own_name else below) for child in node.children)
    return defined, used


def _is_defined(node: Node, *, inside: bool) -> bool:
    parent = node.parent
    if parent is None:
        return False
    if parent.type in _DECLARES and parent.child_by_field_name("name") == node:
        return not inside or parent.type == "method_definition"
    if parent.type == "member_expression" and parent.child_by_field_name("property") == node:
        outer = parent.parent
        assigned = outer is not None and outer.type == "assignment_expression"
        owner = _text(parent.child_by_field_name("object"))
        is_left = outer is not None and outer.child_by_field_name("left") == parent
        return (
            assigned
            and is_left
            and bool(re.fullmatch(r"this|exports|module\.exports|\w+\.prototype|[A-Z]\w*", owner))
        )
    if parent.type == "pair" and parent.child_by_field_name("key") == node:
        return not inside
    return parent.type == "enum_body" or (
        parent.type == "enum_assignment" and parent.child_by_field_name("name") == node
    )


def _is_label(node: Node) -> bool:
    """Whether a name is one that its place gives: a parameter, a key, an imported name."""
    parent = node.parent
    if parent is None:
        return True
    if parent.type in ("import_specifier", "import_clause", "namespace_import", "export_specifier",
                       "required_parameter", "optional_parameter", "formal_parameters",
                       "type_parameter", "rest_pattern", "labeled_statement"):  # fmt: skip
        return True
    if parent.type in _DECLARES or parent.type == "function_expression":
        return parent.child_by_field_name("name") == node
    return parent.type == "pair" and parent.child_by_field_name("key") == node


def _statements(root: Node) -> Iterator[tuple[str, str, str]]:
    """Yield what a file imports: module, name (``*`` for all), ``export`` if handed on only."""
    open_ = [root]
    while open_:
        node = open_.pop()
        open_ += reversed(node.children)
        source = node.child_by_field_name("source")
        if node.type in ("import_statement", "export_statement") and source is not None:
            kind = "export" if node.type == "export_statement" else ""
            names = [_text(n.child_by_field_name("name")) for n in _specifiers(node)]
            for name in names or ["*"]:
                yield _text(source).strip("\"'`"), name, kind
        elif node.type == "call_expression":
            called = _text(node.child_by_field_name("function"))
            arguments = node.child_by_field_name("arguments")
            if called in ("require", "import") and arguments is not None:
                found = re.fullmatch(r"\(\s*[\"'`]([^\"'`]+)[\"'`]\s*\)", _text(arguments))
                if found is not None:
                    yield found[1], "*", ""


def _specifiers(node: Node) -> Iterator[Node]:
    open_ = list(node.children)
    while open_:
        child = open_.pop(0)
        if child.type in ("import_specifier", "export_specifier"):
            yield child
        elif child.type in ("import_clause", "named_imports", "export_clause"):
            open_ += child.children


def _imported(path: str, statements: Mapping[str, list[tuple[str, str, str]]]) -> dict[str, None]:
    """Return the files that a file imports, and those that these hand names on from."""
    found: dict[str, None] = {}
    open_ = [(path, module, name, 0) for module, name, _ in statements[path]]
    while open_:
        importer, module, name, steps = open_.pop(0)
        target = _resolved(importer, module, statements)
        if target is None or target == path:
            continue
        found[target] = None
        if steps < _MOST_STEPS:
            onward = [(m, n) for m, n, kind in statements[target] if kind]
            open_ += [
                (target, m, n, steps + 1) for m, n in onward if "*" in (n, name) or n == name
            ]
    return found


def _resolved(importer: str, module: str, files: Mapping[str, object]) -> str | None:
    if not module.startswith("."):
        return None
    base = posixpath.normpath(posixpath.join(posixpath.dirname(importer), module))
    bases = (base, re.sub(r"\.[cm]?jsx?$", "", base))
    candidates = (
        posixpath.normpath(f"{one}{end}") for one in bases for end in (*_ENDINGS, *_INDEXES)
    )
    return next((path for path in candidates if path in files), None)


def _text(node: Node | None) -> str:
    return "" if node is None else (node.text or b"").decode("utf-8", "replace")
