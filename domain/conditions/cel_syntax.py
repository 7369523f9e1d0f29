"""The syntax tree of a checked expression, as CEL serialises it.

Names and numbers are those of cel.expr (github.com/google/cel-spec, proto/cel/expr/syntax.proto and checked.proto), as
far as they are used here: protobuf keeps the rest of a tree unchanged.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

SyntaxNode = Any
"""One `cel.expr.Expr`: protobuf makes its class at run time."""

_PACKAGE = "sojourn.cel"
_KINDS = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"int64": _KINDS.TYPE_INT64, "int32": _KINDS.TYPE_INT32, "double": _KINDS.TYPE_DOUBLE}
_SCALARS |= {"string": _KINDS.TYPE_STRING, "bytes": _KINDS.TYPE_BYTES, "bool": _KINDS.TYPE_BOOL}

# Each field is a name, a type (`*` for a list, or the name of another message) and a number.
_MESSAGES = {
    "Constant": [
        ("null_value", "int32", 1),
        ("bool_value", "bool", 2),
        ("int64_value", "int64", 3),
        ("double_value", "double", 5),
        ("string_value", "string", 6),
        ("bytes_value", "bytes", 7),
    ],
    "Ident": [("name", "string", 1)],
    "Select": [("operand", "Expr", 1), ("field", "string", 2), ("test_only", "bool", 3)],
    "Call": [("target", "Expr", 1), ("function", "string", 2), ("args", "*Expr", 3)],
    "List": [("elements", "*Expr", 1)],
    "Entry": [("map_key", "Expr", 3), ("value", "Expr", 4)],
    "Struct": [("entries", "*Entry", 2)],
    "Comprehension": [
        ("iter_var", "string", 1),
        ("iter_range", "Expr", 2),
        ("accu_var", "string", 3),
        ("accu_init", "Expr", 4),
        ("loop_condition", "Expr", 5),
        ("loop_step", "Expr", 6),
        ("result", "Expr", 7),
    ],
    "Expr": [
        ("id", "int64", 2),
        ("const_expr", "Constant", 3),
        ("ident_expr", "Ident", 4),
        ("select_expr", "Select", 5),
        ("call_expr", "Call", 6),
        ("list_expr", "List", 7),
        ("struct_expr", "Struct", 8),
        ("comprehension_expr", "Comprehension", 9),
    ],
    "Reference": [("name", "string", 1), ("overload_id", "*string", 3)],
    "Type": [("well_known", "int32", 5)],
    "ReferenceEntry": [("key", "int64", 1), ("value", "Reference", 2)],
    "TypeEntry": [("key", "int64", 1), ("value", "Type", 2)],
    "Position": [("key", "int64", 1), ("value", "int32", 2)],
    "SourceInfo": [("positions", "*Position", 4)],
    "CheckedExpr": [
        ("references", "*ReferenceEntry", 2),
        ("types", "*TypeEntry", 3),
        ("expr", "Expr", 4),
        ("source_info", "SourceInfo", 5),
    ],
}
# Messages with one field set at a time, and the index of the first such field.
_UNIONS = {"Constant": 0, "Expr": 1}
TIMESTAMP, DURATION = 2, 3
AND = "_&&_"


def _message_class(name: str) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="sojourn/cel.proto", package=_PACKAGE, syntax="proto3")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        if message in _UNIONS:
            described.oneof_decl.add(name="kind")
        for position, (field, kind, number) in enumerate(fields):
            bare = kind.removeprefix("*")
            added = described.field.add(name=field, number=number)
            added.label = _KINDS.LABEL_REPEATED if kind != bare else _KINDS.LABEL_OPTIONAL
            added.type = _SCALARS.get(bare, _KINDS.TYPE_MESSAGE)
            if added.type == _KINDS.TYPE_MESSAGE:
                added.type_name = f".{_PACKAGE}.{bare}"
            if message in _UNIONS and position >= _UNIONS[message]:
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


_CheckedExpr = _message_class("CheckedExpr")


class CheckedTree:
    """A deserialised expression: its tree, and the checker's results by node id."""

    def __init__(self, serialized: bytes) -> None:
        self._wrapped = any_pb2.Any.FromString(serialized)
        self._checked = _CheckedExpr.FromString(self._wrapped.value)
        self.root: SyntaxNode = self._checked.expr
        # Variables have a name and no overloads, functions have overloads and no name.
        self.variables: dict[int, str] = {
            entry.key: entry.value.name for entry in self._checked.references if not entry.value.overload_id
        }
        self._positions: dict[int, int] = {entry.key: entry.value for entry in self._checked.source_info.positions}
        self._types = {entry.key: entry.value.well_known for entry in self._checked.types}

    def time(self, node: SyntaxNode) -> int | None:
        """Return TIMESTAMP or DURATION if the checker knows that a node is one."""
        kind = self._types.get(node.id)
        return kind if kind in (TIMESTAMP, DURATION) else None

    def offset(self, node: SyntaxNode) -> int:
        """Return the position of a node in the text; for an operator, that of its sign."""
        return self._positions.get(node.id, 0)

    def rename(self, node: SyntaxNode, variable: str) -> None:
        """Let a variable's node name another one."""
        node.ident_expr.name = variable
        self.variables[node.id] = variable
        for entry in self._checked.references:
            if entry.key == node.id:
                entry.value.name = variable

    def path(self, node: SyntaxNode) -> tuple[str, ...] | None:
        """Return the variable and the keys of a path, as `event.properties`, `items`."""
        keys: list[str] = []
        while True:
            if (variable := self.variables.get(node.id)) is not None and "." in variable:
                return (variable, *reversed(keys))
            kind = node.WhichOneof("kind")
            if kind == "select_expr" and not node.select_expr.test_only:
                keys.append(node.select_expr.field)
                node = node.select_expr.operand
            elif kind == "call_expr" and node.call_expr.function == "_[_]" and _is_text(node.call_expr.args[1]):
                keys.append(node.call_expr.args[1].const_expr.string_value)
                node = node.call_expr.args[0]
            else:
                return None

    def serialize_untyped(self) -> bytes:
        """Serialise the tree without types, so that values select the overloads."""
        kept = [entry for entry in self._checked.references if not entry.value.overload_id]
        del self._checked.references[:]
        self._checked.references.extend(kept)
        del self._checked.types[:]
        self._wrapped.value = self._checked.SerializeToString()
        return self._wrapped.SerializeToString()


def children(node: SyntaxNode) -> Iterator[SyntaxNode]:
    """Return the children of a node, in the order of evaluation."""
    match node.WhichOneof("kind"):
        case "select_expr":
            yield node.select_expr.operand
        case "call_expr":
            if node.call_expr.HasField("target"):
                yield node.call_expr.target
            yield from node.call_expr.args
        case "list_expr":
            yield from node.list_expr.elements
        case "struct_expr":
            for entry in node.struct_expr.entries:
                yield from (entry.map_key, entry.value)
        case "comprehension_expr":
            loop = node.comprehension_expr
            yield from (loop.iter_range, loop.accu_init, loop.loop_condition, loop.loop_step, loop.result)


def walk(node: SyntaxNode) -> Iterator[SyntaxNode]:
    """Iterate over a node and all nodes below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def function_of(node: SyntaxNode) -> str | None:
    """Return the function that a node calls; None if it calls none."""
    return node.call_expr.function if node.WhichOneof("kind") == "call_expr" else None


def conjuncts(node: SyntaxNode) -> Iterator[SyntaxNode]:
    """Iterate over the parts that `&&` joins; over the node itself if there is none."""
    if function_of(node) == AND:
        for part in node.call_expr.args:
            yield from conjuncts(part)
    else:
        yield node


def _is_text(node: SyntaxNode) -> bool:
    return bool(node.WhichOneof("kind") == "const_expr" and node.const_expr.WhichOneof("kind") == "string_value")
