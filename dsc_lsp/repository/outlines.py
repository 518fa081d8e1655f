"""The outline of a file: its definitions, each with a header that stands without its body.

One row of ``QUERIES`` a language. In a query, ``@name`` is the name, ``@body`` what may be left
out, and the whole definition is ``@type`` (what has members), ``@function``, ``@value`` or
``@field`` (an attribute that a function sets).
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tree_sitter import Node

from dsc_lsp.repository.trees import matches, parse, text_of

_LONGEST_HEADER = 400
_LONGEST_VALUE = 160
_COMMENTS = re.compile(r"(?<=[:{])(?:\s*\n\s*(?:#|//).*)+$")
_MOST_DEFINITIONS = 4_000


class Definition(NamedTuple):
    """A definition: ``kind`` is ``type``, ``function``, ``value`` or ``field``.

    ``header`` is its text up to the body, from the start of its first line. ``parent`` is the
    place in the outline of the definition that it stands in, or -1. Lines count from 0.
    """

    name: str
    kind: str
    header: str
    parent: int
    first_line: int
    last_line: int


Outline = tuple[Definition, ...]


def outline(text: str, language: str) -> Outline:
    """Return the definitions of a text in their order; ``language`` is a name in ``languages``.

    What is defined inside a function is left out, except the attributes that it sets.
    """
    query = QUERIES.get(language)
    root = parse(text, language) if query is not None else None
    if query is None or root is None:
        return ()
    return outline_in(matches(root, language, query), text)


def outline_in(captured: Iterable[Mapping[str, list[Node]]], text: str) -> tuple[Definition, ...]:
    """Return the definitions among the matches of ``QUERIES`` in a tree of a text."""
    data = text.encode("utf-8", "replace")  # as the parser has it
    found: dict[tuple[int, int], tuple[Node, str, Node, Node | None]] = {}
    for captures in captured:
        for kind in ("type", "function", "value", "field"):
            if kind in captures and "name" in captures:
                node = captures[kind][0]
                body = captures["body"][0] if "body" in captures else None
                name = captures["name"][0]
                key = (name.start_byte, name.end_byte)
                if key not in found or (body is not None and found[key][3] is None):
                    found[key] = (node, kind, name, body)
    return _nested(sorted(found.values(), key=lambda entry: entry[0].start_byte), data)


def _nested(
    entries: list[tuple[Node, str, Node, Node | None]], data: bytes
) -> tuple[Definition, ...]:
    result: list[Definition] = []
    open_: list[tuple[int, int]] = []  # the end of an enclosing definition, its place
    fields: set[tuple[int, str]] = set()
    for node, kind, name_node, body in entries[:_MOST_DEFINITIONS]:
        whole = _with_decorators(node)
        while open_ and open_[-1][0] <= node.start_byte:
            open_.pop()
        parent = open_[-1][1] if open_ else -1
        name = text_of(name_node, data).lstrip(":$")
        inside_function = parent >= 0 and result[parent].kind == "function"
        if inside_function != (kind == "field"):
            continue
        if kind == "field":
            key = (result[parent].parent, name)
            if key in fields:
                continue
            fields.add(key)
        header = _header(whole, body, data, kind)
        result.append(
            Definition(name, kind, header, parent, whole.start_point[0], node.end_point[0])
        )
        if kind in ("type", "function"):
            open_.append((node.end_byte, len(result) - 1))
    return tuple(result)


def _header(whole: Node, body: Node | None, data: bytes, kind: str) -> str:
    """Return the text up to the body, with the indentation of its first line."""
    start = data.rfind(b"\n", 0, whole.start_byte) + 1
    before = data[start : whole.start_byte]
    if before.strip():  # something else stands before it in its line
        before = before[: len(before) - len(before.lstrip())]
    # Members in the line of their type are not shown by themselves.
    in_a_line = kind == "type" and whole.start_point[0] == whole.end_point[0]
    if in_a_line and whole.end_byte - whole.start_byte <= _LONGEST_VALUE:
        body = None
    end = whole.end_byte if body is None else body.start_byte
    text = (before + data[whole.start_byte : end]).decode("utf-8", "replace").rstrip()
    most = _LONGEST_VALUE if kind in ("value", "field") else _LONGEST_HEADER
    if body is None and (len(text) > most or ("\n" in text and kind in ("value", "field"))):
        text = text.split("\n", 1)[0][:most].rstrip()
    # What a block begins with is not in its node where it is a comment.
    return _COMMENTS.sub("", text[:_LONGEST_HEADER])


def _with_decorators(node: Node) -> Node:
    parent = node.parent
    if parent is not None and parent.type in _WRAPPERS:
        return _with_decorators(parent)
    return node


_WRAPPERS = frozenset(
    {"decorated_definition", "export_statement", "template_declaration", "type_declaration"}
)
_SCRIPT = """
(function_declaration name: (_) @name body: (_) @body) @function
(generator_function_declaration name: (_) @name body: (_) @body) @function
(class_declaration name: (_) @name body: (_) @body) @type
(method_definition name: (_) @name body: (_) @body) @function
(program (lexical_declaration (variable_declarator name: (identifier) @name
  value: (arrow_function body: (_) @body))) @function)
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name
  value: (arrow_function body: (_) @body))) @function))
(program (lexical_declaration (variable_declarator name: (identifier) @name)) @value)
(program (variable_declaration (variable_declarator name: (identifier) @name)) @value)
(program (export_statement
  (lexical_declaration (variable_declarator name: (identifier) @name)) @value))
(program (lexical_declaration (variable_declarator name: (identifier) @name
  value: (object) @body)) @type)
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name
  value: (object) @body)) @type))
(program (lexical_declaration (variable_declarator
  value: (object (pair key: (property_identifier) @name) @value))))
(program (export_statement (lexical_declaration (variable_declarator
  value: (object (pair key: (property_identifier) @name) @value)))))
(program (expression_statement (assignment_expression
  left: (member_expression property: (_) @name)
  right: [(function_expression body: (_) @body) (arrow_function body: (_) @body)]) @function))
(program (expression_statement (assignment_expression
  left: (member_expression property: (_) @name)) @value))
(assignment_expression left: (member_expression object: (this) property: (_) @name)) @field
"""
_TYPESCRIPT = (
    _SCRIPT
    + """
(abstract_class_declaration name: (_) @name body: (_) @body) @type
(public_field_definition name: (_) @name) @value
(abstract_method_signature name: (_) @name) @value
(interface_declaration name: (_) @name body: (_) @body) @type
(interface_body (property_signature name: (_) @name) @value)
(interface_body (method_signature name: (_) @name) @value)
(type_alias_declaration name: (_) @name) @value
(type_alias_declaration name: (_) @name value: (object_type) @body) @type
(type_alias_declaration name: (_) @name
  value: (intersection_type (object_type) @body)) @type
(object_type (property_signature name: (_) @name) @value)
(object_type (method_signature name: (_) @name) @value)
(enum_declaration name: (_) @name body: (_) @body) @type
(enum_body (property_identifier) @name @value)
(enum_body (enum_assignment name: (_) @name) @value)
(function_signature name: (_) @name) @value
(internal_module name: (_) @name body: (_) @body) @type
"""
)
_C = """
(function_definition declarator: (function_declarator declarator: (_) @name)
  body: (_) @body) @function
(function_definition declarator: (pointer_declarator declarator:
  (function_declarator declarator: (_) @name)) body: (_) @body) @function
(declaration declarator: (function_declarator declarator: (_) @name)) @value
(declaration declarator: (pointer_declarator
  declarator: (function_declarator declarator: (_) @name))) @value
(struct_specifier name: (_) @name body: (_) @body) @type
(union_specifier name: (_) @name body: (_) @body) @type
(enum_specifier name: (_) @name body: (_) @body) @type
(enumerator name: (_) @name) @value
(field_declaration declarator: (field_identifier) @name) @value
(field_declaration declarator: (pointer_declarator declarator: (field_identifier) @name)) @value
(field_declaration declarator: (array_declarator declarator: (field_identifier) @name)) @value
(type_definition declarator: (type_identifier) @name) @value
(preproc_def name: (_) @name) @value
(preproc_function_def name: (_) @name) @value
"""
QUERIES = {
    "python": """
(class_definition name: (_) @name body: (_) @body) @type
(function_definition name: (_) @name body: (_) @body) @function
(module (expression_statement (assignment left: (identifier) @name)) @value)
(class_definition
  body: (block (expression_statement (assignment left: (identifier) @name)) @value))
((assignment left: (attribute object: (identifier) @self attribute: (identifier) @name)) @field
  (#eq? @self "self"))
""",
    "javascript": _SCRIPT + "(field_definition property: (_) @name) @value",
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT,
    "java": """
(class_declaration name: (_) @name body: (_) @body) @type
(interface_declaration name: (_) @name body: (_) @body) @type
(enum_declaration name: (_) @name body: (_) @body) @type
(record_declaration name: (_) @name body: (_) @body) @type
(annotation_type_declaration name: (_) @name body: (_) @body) @type
(method_declaration name: (_) @name) @function
(method_declaration name: (_) @name body: (_) @body) @function
(constructor_declaration name: (_) @name body: (_) @body) @function
(field_declaration declarator: (variable_declarator name: (_) @name)) @value
(enum_constant name: (_) @name) @value
""",
    "go": """
(function_declaration name: (_) @name body: (_) @body) @function
(method_declaration name: (_) @name body: (_) @body) @function
(type_spec name: (_) @name type: (struct_type (field_declaration_list) @body)) @type
(type_spec name: (_) @name type: (interface_type) @body) @type
(type_spec name: (_) @name) @value
(field_declaration name: (_) @name) @value
(method_elem name: (_) @name) @value
(source_file (const_declaration (const_spec name: (_) @name) @value))
(source_file (var_declaration (var_spec name: (_) @name) @value))
""",
    "rust": """
(function_item name: (_) @name body: (_) @body) @function
(function_signature_item name: (_) @name) @value
(struct_item name: (_) @name body: (field_declaration_list) @body) @type
(struct_item name: (_) @name) @value
(enum_item name: (_) @name body: (_) @body) @type
(enum_variant name: (_) @name) @value
(union_item name: (_) @name body: (_) @body) @type
(trait_item name: (_) @name body: (_) @body) @type
(impl_item type: (_) @name body: (_) @body) @type
(mod_item name: (_) @name body: (_) @body) @type
(field_declaration name: (_) @name) @value
(const_item name: (_) @name) @value
(static_item name: (_) @name) @value
(type_item name: (_) @name) @value
(macro_definition name: (_) @name) @value
""",
    "c": _C,
    "cpp": _C
    + """
(class_specifier name: (_) @name body: (_) @body) @type
(namespace_definition name: (_) @name body: (_) @body) @type
(function_definition declarator: (reference_declarator (function_declarator declarator: (_) @name))
  body: (_) @body) @function
(field_declaration declarator: (function_declarator declarator: (_) @name)) @value
(alias_declaration name: (_) @name) @value
""",
    "c-sharp": """
(namespace_declaration name: (_) @name body: (_) @body) @type
(class_declaration name: (_) @name body: (_) @body) @type
(struct_declaration name: (_) @name body: (_) @body) @type
(interface_declaration name: (_) @name body: (_) @body) @type
(enum_declaration name: (_) @name body: (_) @body) @type
(record_declaration name: (_) @name body: (_) @body) @type
(record_declaration name: (_) @name) @value
(method_declaration name: (_) @name) @function
(method_declaration name: (_) @name body: (_) @body) @function
(constructor_declaration name: (_) @name body: (_) @body) @function
(property_declaration name: (_) @name) @value
(field_declaration (variable_declaration (variable_declarator name: (_) @name))) @value
(enum_member_declaration name: (_) @name) @value
""",
    "php": """
(class_declaration name: (_) @name body: (_) @body) @type
(interface_declaration name: (_) @name body: (_) @body) @type
(trait_declaration name: (_) @name body: (_) @body) @type
(enum_declaration name: (_) @name body: (_) @body) @type
(method_declaration name: (_) @name) @function
(method_declaration name: (_) @name body: (_) @body) @function
(function_definition name: (_) @name body: (_) @body) @function
(property_declaration (property_element name: (_) @name)) @value
(const_declaration (const_element (name) @name)) @value
""",
    "ruby": """
(class name: (_) @name body: (_) @body) @type
(module name: (_) @name body: (_) @body) @type
(method name: (_) @name) @function
(method name: (_) @name body: (_) @body) @function
(singleton_method name: (_) @name body: (_) @body) @function
(assignment left: (constant) @name) @value
((call method: (identifier) @attribute arguments: (argument_list . (simple_symbol) @name)) @value
  (#match? @attribute "^(attr_reader|attr_writer|attr_accessor)$"))
""",
    "kotlin": """
(class_declaration name: (_) @name (class_body) @body) @type
(class_declaration name: (_) @name (enum_class_body) @body) @type
(class_declaration name: (_) @name) @type
(object_declaration name: (_) @name (class_body) @body) @type
(function_declaration name: (_) @name (function_body) @body) @function
(function_declaration name: (_) @name) @function
(property_declaration (variable_declaration (identifier) @name)) @value
(type_alias type: (identifier) @name) @value
(enum_entry (identifier) @name) @value
""",
    "swift": """
(class_declaration name: (_) @name body: (_) @body) @type
(protocol_declaration name: (_) @name body: (_) @body) @type
(function_declaration name: (_) @name body: (_) @body) @function
(init_declaration "init" @name body: (_) @body) @function
(protocol_function_declaration name: (_) @name) @value
(property_declaration name: (pattern bound_identifier: (_) @name)) @value
(enum_entry name: (_) @name) @value
(typealias_declaration "typealias" . name: (_) @name) @value
""",
    "lua": """
(function_declaration name: (identifier) @name body: (_) @body) @function
(function_declaration name: (identifier) @name) @function
(function_declaration name: (dot_index_expression field: (_) @name) body: (_) @body) @function
(function_declaration name: (method_index_expression method: (_) @name) body: (_) @body) @function
(function_declaration name: (method_index_expression method: (_) @name)) @function
(chunk (assignment_statement (variable_list name: (identifier) @name)) @value)
(chunk (variable_declaration (assignment_statement
  (variable_list name: (identifier) @name))) @value)
(chunk (assignment_statement
  (variable_list name: (dot_index_expression field: (_) @name))) @value)
""",
    "scala": """
(class_definition name: (_) @name body: (_) @body) @type
(class_definition name: (_) @name) @type
(object_definition name: (_) @name body: (_) @body) @type
(trait_definition name: (_) @name body: (_) @body) @type
(enum_definition name: (_) @name body: (_) @body) @type
(function_definition name: (_) @name body: (_) @body) @function
(function_declaration name: (_) @name) @value
(val_definition pattern: (identifier) @name) @value
(var_definition pattern: (identifier) @name) @value
(type_definition name: (_) @name) @value
(simple_enum_case name: (_) @name) @value
""",
    "bash": "(function_definition name: (_) @name body: (_) @body) @function",
}
