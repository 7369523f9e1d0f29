"""The data that a template reads, and its kinds, from the use of each value.

A value is followed through variables, loops and filters: of `{% for item in entry.properties.items %}` and
`{{ item.price | money: "EUR" }}` it is seen that the items are a list of objects, each with a number.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from liquid.ast import Node
from liquid.builtin.expressions import LoopExpression, Path, StringLiteral
from liquid.builtin.expressions.filtered import Filter, FilteredExpression
from liquid.builtin.expressions.logical import (
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import FloatLiteral, IntegerLiteral, RangeLiteral
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import _AnyExpression
from liquid.expression import Expression

from domain.templates.liquid_blocks import BlockTextNode
from domain.templates.liquid_nodes import walk_nodes
from domain.templates.list_filters import LIST_FILTERS
from domain.templates.number_filters import NUMBER_FILTERS
from domain.templates.variables import DATA, nest

# The steps from a variable to a value: names, and 0 for any item of a list.
DataPath = tuple[str | int, ...]
Kind = Literal["text", "number", "date", "currency", "list"]

ITEM: Final = 0
# Longer paths are not followed. Lists are of two items, but not those deep within others, or there would be too many.
MAX_PATH: Final = 20
MAX_LISTS_OF_TWO: Final = 3
# The text of a literal that is used as a key.
SAMPLE_TEXT: Final = "Sample"

_DATA_ROOTS = frozenset(path[0] for path in DATA)
_LITERALS = (FloatLiteral, IntegerLiteral, StringLiteral)


@dataclass(frozen=True, slots=True)
class _ListOf:
    """A list that a filter has made of the values of a path."""

    items: DataPath


# None is a value that is not of the data, or made of it.
_Source = DataPath | _ListOf | None


class ExpectedData:
    """The paths that a template reads, with kinds, and literals of comparisons."""

    def __init__(self, texts: Iterable[Iterable[Node]]) -> None:
        self.literals: dict[DataPath, list[Any]] = {}
        self._kinds: dict[DataPath, Kind] = {}
        self._parts: dict[DataPath, dict[str | int, None]] = {}
        for nodes in texts:
            self._names: dict[str, _Source] = {}
            for node in walk_nodes(nodes):
                self._read(node)

    def kind(self, path: DataPath) -> Kind:
        return "list" if ITEM in self._parts.get(path, ()) else self._kinds.get(path, "text")

    def leaves(self) -> Iterator[DataPath]:
        """Iterate over the paths of lists, and of values in which nothing else is read."""
        waiting: list[DataPath] = sorted(DATA)
        while waiting:
            path = waiting.pop()
            parts = self._parts.get(path, {})
            if path not in DATA and (ITEM in parts or not parts):
                yield path
            waiting += [(*path, part) for part in parts if ITEM not in parts or part == ITEM]

    def sample(self, values: Mapping[DataPath, Any]) -> dict[str, Any]:
        """Return objects and lists of two from the values of leaves, without the others.

        A value for a list takes its place.
        """
        return nest({path: self._sample(path, values) for path in DATA})

    def _sample(self, path: DataPath, values: Mapping[DataPath, Any]) -> Any:
        """Return the value, or ABSENT."""
        parts = self._parts.get(path, {})
        if path in values or (not parts and path not in DATA):
            return values.get(path, ABSENT)
        if ITEM in parts:
            item = self._sample((*path, ITEM), values)
            return [] if item is ABSENT else [item] * (2 if path.count(ITEM) < MAX_LISTS_OF_TWO else 1)
        inner = {str(part): self._sample((*path, part), values) for part in parts}
        return {name: value for name, value in inner.items() if value is not ABSENT}

    def _read(self, node: Node) -> None:
        expressions = [*node.expressions()]
        sources = [self._source(expression) for expression in expressions]
        match node:
            case AssignNode():
                self._names[node.name] = sources[0]
            case CaptureNode():
                self._names[node.name] = None
            case BlockTextNode():
                self._names |= zip((argument.name for argument in node.arguments), sources, strict=True)
        for expression, source in zip(expressions, sources, strict=True):
            if isinstance(expression, LoopExpression):
                self._names[expression.identifier] = source

    def _source(self, expression: Expression) -> _Source:
        """Return the source of an expression's value, and note the paths that are read."""
        match expression:
            case Path():
                return self._path(expression)
            case FilteredExpression():
                source = self._source(expression.left)
                for used in expression.filters or ():
                    source = self._apply_filter(source, used)
                return source
            case LoopExpression():
                for bound in (expression.limit, expression.offset, expression.cols):
                    self._note(self._source(bound) if bound is not None else None, "number")
                return self._item(self._source(expression.iterable))
            case RangeLiteral():
                for bound in (expression.start, expression.stop):
                    self._note(self._source(bound), "number")
            case EqExpression() | NeExpression():
                self._compare([expression.left, expression.right])
            case GeExpression() | GtExpression() | LeExpression() | LtExpression():
                self._compare([expression.left, expression.right], is_order=True)
            case _AnyExpression():
                self._compare([expression.left, *expression.expressions])
            case _:
                for child in expression.children():
                    self._source(child)
        return None

    def _path(self, expression: Path) -> _Source:
        root, *segments = expression.path
        source: _Source = None
        if isinstance(root, Path):
            self._source(root)
        else:
            source = self._names.get(str(root), (root,) if root in _DATA_ROOTS else None)
        for segment in segments:
            match segment:
                case Path():
                    is_text = isinstance(self._source(segment), tuple)
                    source = self._part(source, SAMPLE_TEXT) if is_text else self._item(source)
                case int() | "first" | "last":
                    source = self._item(source)
                case "size":
                    source = None
                case _:
                    source = self._part(source, segment)
        return source

    def _apply_filter(self, source: _Source, used: Filter) -> _Source:
        """Return the source of a filter's result, which may be that of its input."""
        arguments = [self._source(argument.value) for argument in used.args]
        name = used.name
        if name in NUMBER_FILTERS or name in ("number", "money"):
            self._note(source, "number")
            for argument in arguments:
                self._note(argument, "currency" if name == "money" else "number")
        elif name in ("date", "localized_date"):
            self._note(source, "date")
        elif name in ("first", "last"):
            return self._item(source)
        elif name in ("size", "split", "json"):
            return None
        elif name in LIST_FILTERS:
            return self._list_items(source, used, arguments)
        return source

    def _list_items(self, source: _Source, used: Filter, arguments: list[_Source]) -> _Source:
        item = self._item(source)
        field = item
        values = [argument.value for argument in used.args]
        if used.name not in ("concat", "join") and values and isinstance(values[0], StringLiteral):
            field = self._part(item, values[0].value)
        if isinstance(field, tuple):
            self._compare_with(field, values[1:])
        match used.name:
            case "map":
                return _ListOf(field) if isinstance(field, tuple) else None
            case "find":
                return item
            case "concat":
                self._item(arguments[0])
            case "sum":
                self._note(field, "number")
        return None if used.name in ("sum", "join", "has", "find_index") else source

    def _compare(self, sides: list[Expression], *, is_order: bool = False) -> None:
        sources = [self._source(side) for side in sides]
        has_text = any(isinstance(side, StringLiteral) for side in sides)
        for source in sources:
            if isinstance(source, tuple):
                self._compare_with(source, sides)
                if is_order and not has_text:
                    self._note(source, "number")

    def _compare_with(self, path: DataPath, others: list[Expression]) -> None:
        self.literals.setdefault(path, []).extend(other.value for other in others if isinstance(other, _LITERALS))

    def _note(self, source: _Source, kind: Kind) -> None:
        if isinstance(source, tuple):
            self._kinds.setdefault(source, kind)

    def _item(self, source: _Source) -> DataPath | None:
        return source.items if isinstance(source, _ListOf) else self._part(source, ITEM)

    def _part(self, source: _Source, name: str | int) -> DataPath | None:
        # A loop over all traits or properties accepts any of them.
        if not isinstance(source, tuple) or len(source) == MAX_PATH or (source in DATA and name == ITEM):
            return None
        self._parts.setdefault(source, {})[name] = None
        return (*source, name)


def path_text(path: DataPath) -> str:
    """Return the path as an author writes it, with `[]` for the items of a list."""
    first, *others = path
    steps = ("[]" if part == ITEM else f".{part}" if str(part).isidentifier() else f'["{part}"]' for part in others)
    return "".join((str(first), *steps))


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


# A value that is not there.
ABSENT: Final = _Absent()
