"""Upper bounds of the work of an evaluation, computed before it begins.

CEL-C++ bounds only the iterations of an expression. It holds the interpreter's lock while it evaluates, so that neither
a thread nor a deadline helps, and it keeps everything that it makes until the end. So the work is bounded beforehand,
as cel-go does (cost.go of its checker), from the expression and the sizes of the data. One unit is about 0.5 us, and 80
bytes of text (docs/semantics.md#bounded-work).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from domain.conditions import cel_patterns, cel_times
from domain.conditions.cel_data import Size, size_of
from domain.conditions.cel_syntax import CheckedTree, SyntaxNode, children

# About 50 ms: the longest time that one evaluation may block a process.
MAX_UNITS = 100_000
# The units of work that count as one more evaluation: at most 25 us.
UNITS_OF_AN_EVALUATION = 50
# Up to here a bound from sizes is enough. Beyond it the data itself is examined, which may take as long.
MAX_ROUGH_UNITS = 5_000
# Values examined, some 0.3 us each. Beyond these, a part counts as large as the whole.
MAX_EXAMINED = 20_000

# Bytes compared per unit; reading or copying is slower.
_COMPARED, _COPIED = 5_000, 80
# A missing key is copied into the error's text, escaped byte by byte.
_ESCAPED = 40
# CEL converts all data of a variable in each evaluation.
_CONVERTED = 0.3
# The cost of a Python function: of a text, and of two numbers.
_CALLBACK, _PROMOTED = 30, 4
# A function of time, over a local date.
_TIMED = 60
# Per byte and instruction of a pattern, at RE2's worst: 0.01 us.
_MATCHED = 0.065
# The longest text made of a number, a time or a duration.
_MADE_TEXT = 40
_ARITHMETIC = frozenset(("_+_", "_-_", "_*_", "_/_", "_%_"))
_COMPARISONS = frozenset(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith"))
_LOGICAL = frozenset(("_&&_", "_||_", "!_", "@not_strictly_false", "__not_strictly_false__"))
_ENORMOUS = 10**9
_NOTHING = Size(0, 0, 0)
_SCALAR = Size(1, 0, 0)


class Bound(NamedTuple):
    """An upper bound of a value's size, and its possible values if known."""

    size: Size
    values: Sequence[Any] | None = None


class Spent:
    """An upper bound of the units that several evaluations and their data took."""

    __slots__ = ("units",)

    def __init__(self) -> None:
        self.units = 0.0


class Cost:
    """The work of one expression over any data."""

    __slots__ = ("_rough", "_tree", "_variables")

    def __init__(self, tree: CheckedTree, variables: Iterable[str]) -> None:
        self._tree = tree
        self._variables = frozenset(variables)
        # Most data is small and similar.
        self._rough = lru_cache(maxsize=64)(self._below)

    def exceeds(self, data: Mapping[str, Any], sizes: Mapping[str, Size], spent: Spent) -> bool:
        """Return whether an evaluation over this data may cost more than MAX_UNITS."""
        # Only the powers of two matter, and `|` keeps the greatest.
        nodes = length = items = 0
        for one in sizes.values():
            nodes, length, items = nodes | one.nodes, length | one.bytes, items | one.items
        units = self._rough(nodes.bit_length(), length.bit_length(), items.bit_length())
        if units > MAX_ROUGH_UNITS:
            estimate = _Estimate(self._tree, data, sizes)
            units = estimate.units()
            spent.units += MAX_ROUGH_UNITS + estimate.examined
        # Nested loops may reach infinity, and infinity times zero is not a number.
        is_beyond = not units <= MAX_UNITS
        spent.units += 0 if is_beyond else units
        return is_beyond

    def _below(self, *powers: int) -> float:
        """Return the units of work for data smaller than these powers of two."""
        size = Size(*(1 << power for power in powers))
        return _Estimate(self._tree, {}, dict.fromkeys(self._variables, size)).units()


class _Estimate:
    """A bound from the tree and the sizes of variables, closer if the data is known."""

    def __init__(self, tree: CheckedTree, data: Mapping[str, Any], sizes: Mapping[str, Size]) -> None:
        self._tree = tree
        self._sizes = sizes
        self._bounds = {name: Bound(size, [data[name]] if name in data else None) for name, size in sizes.items()}
        self._scopes: list[dict[str, Bound]] = []
        # Computed once for each holder's values and key. The holder is kept, so that its identity stays valid.
        self._parts: dict[tuple[int, str | None], tuple[Bound, Bound]] = {}
        self.examined = 0

    def units(self) -> float:
        """Return the units of work of an evaluation."""
        handed_over = sum(_CONVERTED * size.nodes + size.bytes / _COPIED for size in self._sizes.values())
        return handed_over + self.cost(self._tree.root)[0]

    def cost(self, node: SyntaxNode) -> tuple[float, Bound]:
        """Return the units of a node and all below it, and the bound of its value."""
        match node.WhichOneof("kind"):
            case "const_expr":
                literal = _literal(node)
                return 0.0, Bound(size_of(literal), [literal])
            case "ident_expr":
                return 1.0, self._value_bound(node)
            case "select_expr":
                return self._select(node)
            case "call_expr":
                return self._call(node)
            case "comprehension_expr":
                return self._loop(node)
            case _:
                return self._construction_cost(node)

    def _value_bound(self, node: SyntaxNode) -> Bound:
        for scope in reversed(self._scopes):
            found: Bound | None = scope.get(node.ident_expr.name)
            if found is not None:
                return found
        return self._bounds.get(self._tree.variables.get(node.id, ""), Bound(_SCALAR))

    def _select(self, node: SyntaxNode) -> tuple[float, Bound]:
        if (variable := self._tree.variables.get(node.id)) is not None and "." in variable:
            return 1.0, self._value_bound(node)
        units, holder = self.cost(node.select_expr.operand)
        field = node.select_expr.field
        if node.select_expr.test_only:
            return units + 1, Bound(_SCALAR)
        return units + 1 + _missing_key_cost(size_of(field)), self._part(holder, field)

    def _call(self, node: SyntaxNode) -> tuple[float, Bound]:
        function = node.call_expr.function
        found = [self.cost(child) for child in children(node)]
        units = 1 + sum(one for one, _ in found)
        bounds = [bound for _, bound in found]
        sizes = [bound.size for bound in bounds]
        whole = _sum(sizes)
        if function in _LOGICAL:
            return units, Bound(_SCALAR)
        if function == "_?_:_":
            return units, _merge_bounds(bounds[1:])
        if function == "_[_]":
            key = node.call_expr.args[1]
            is_text = key.WhichOneof("kind") == "const_expr" and key.const_expr.WhichOneof("kind") == "string_value"
            part = self._part(bounds[0], key.const_expr.string_value if is_text else None)
            return units + _missing_key_cost(sizes[1]), part
        if function in _COMPARISONS:
            return units + _compare_cost(*sizes), Bound(_SCALAR)
        if function in ("@in", "_in_"):
            needle, holder = sizes
            times = max(1, holder.items)
            return units + 0.2 * times + _compare_cost(_repeat(needle, times), holder), Bound(_SCALAR)
        if function == "contains":
            # A naive search, 16 bytes at a time.
            return units + sizes[0].bytes * sizes[1].bytes / 10_000 + _copy_cost(whole), Bound(_SCALAR)
        if function == cel_patterns.FUNCTION:
            tried = sizes[0].bytes * _program_size(node.call_expr) * _MATCHED
            return units + _CALLBACK + tried + _copy_cost(whole), Bound(_SCALAR)
        if function in cel_times.FUNCTIONS:
            return units + _TIMED + _copy_cost(whole), Bound(_SCALAR)
        if function == "string":
            return units + 2 + _copy_cost(whole), Bound(Size(1, max(whole.bytes, _MADE_TEXT), 0))
        if function in _ARITHMETIC:
            # Covers a new list, a copied text, and numbers of two kinds.
            return units + _PROMOTED + 0.2 * whole.items + _copy_cost(whole), Bound(whole)
        return units + 2 + _copy_cost(whole), Bound(whole)

    def _loop(self, node: SyntaxNode) -> tuple[float, Bound]:
        loop = node.comprehension_expr
        units, over = self.cost(loop.iter_range)
        times = over.size.items
        begun, initial = self.cost(loop.accu_init)
        makes_list = _makes_list(loop)
        self._scopes.append(
            {loop.iter_var: self._part(over, None), loop.accu_var: Bound(_NOTHING if makes_list else initial.size)}
        )
        condition, _ = self.cost(loop.loop_condition)
        step, made = self.cost(loop.loop_step)
        self._scopes.pop()
        if makes_list:
            # Each round adds one item and copies all before it.
            made = Bound(_repeat(made.size, times)._replace(items=times))
            units += times * times / 2
        elif made.size.bytes:
            # CEL has no folds; any other text grows with each round.
            made = Bound(_repeat(made.size, times))
        self._scopes.append({loop.accu_var: made})
        finished, result = self.cost(loop.result)
        self._scopes.pop()
        return units + begun + times * (condition + step) + finished, result

    def _construction_cost(self, node: SyntaxNode) -> tuple[float, Bound]:
        found = [self.cost(child) for child in children(node)]
        whole = _sum([bound.size for _, bound in found])
        made = Size(whole.nodes + len(found) + 1, whole.bytes, max(whole.items, len(found)))
        values = None
        if node.WhichOneof("kind") == "list_expr" and all(len(bound.values or ()) == 1 for _, bound in found):
            values = [[value for _, bound in found for value in bound.values or ()]]
        return sum(units for units, _ in found) + len(found) + 1, Bound(made, values)

    def _part(self, holder: Bound, key: str | None) -> Bound:
        """Bound the value of a key; without a key, any item of a list or map."""
        if holder.values is None or self.examined > MAX_EXAMINED:
            return Bound(holder.size)
        place = (id(holder.values), key)
        if place not in self._parts:
            values = _list_items(holder.values) if key is None else _values_at(holder.values, key)
            sizes = [size_of(value) for value in values]
            self.examined += sum(size.nodes for size in sizes)
            self._parts[place] = (holder, Bound(_largest(sizes), values))
        return self._parts[place][1]


def _values_at(values: Sequence[Any], key: str) -> Sequence[Any]:
    return [value[key] for value in values if isinstance(value, Mapping) and key in value]


def _list_items(values: Sequence[Any]) -> Sequence[Any]:
    return [
        item
        for value in values
        if isinstance(value, Mapping | list)
        for item in ([*value, *value.values()] if isinstance(value, Mapping) else value)
    ]


def _merge_bounds(bounds: Sequence[Bound]) -> Bound:
    return Bound(_largest([bound.size for bound in bounds]))


def _largest(sizes: Sequence[Size]) -> Size:
    if len(sizes) < 2:
        return sizes[0] if sizes else _NOTHING
    return Size(*(max(column) for column in zip(*sizes, strict=True)))


def _sum(sizes: Sequence[Size]) -> Size:
    return Size(*(sum(column) for column in zip(_NOTHING, *sizes, strict=True)))


def _repeat(size: Size, times: int) -> Size:
    """Return the size of `times` values, capped: a larger one is refused anyway."""
    return Size(*(min(number * times + 1, _ENORMOUS) for number in size))


def _compare_cost(one: Size, other: Size) -> float:
    return min(one.nodes, other.nodes) + min(one.bytes, other.bytes) / _COMPARED


def _copy_cost(size: Size) -> float:
    return size.bytes / _COPIED + 0.2 * size.nodes


def _missing_key_cost(key: Size) -> float:
    """Return the cost of reporting a missing key, which each round of a loop may do."""
    return key.bytes / _ESCAPED


def _literal(node: SyntaxNode) -> Any:
    kind = node.const_expr.WhichOneof("kind")
    return getattr(node.const_expr, kind) if kind in ("string_value", "bytes_value") else 0


def _program_size(call: Any) -> int:
    """Return the number of instructions of a call's pattern."""
    return int(cel_patterns.compile_pattern(call.args[0].const_expr.string_value).programsize)


def _makes_list(loop: Any) -> bool:
    """Whether a loop is a `map` or a `filter`."""
    return bool(loop.accu_init.WhichOneof("kind") == "list_expr")
