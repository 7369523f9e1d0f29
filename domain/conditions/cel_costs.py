"""How much work an evaluation may be, worked out before it begins.

CEL-C++ bounds the iterations of an expression and nothing else, holds the interpreter's lock while it evaluates, so
that neither a thread nor a deadline helps, and keeps everything that it makes until the end. So the work is bounded
beforehand, as cel-go does (cost.go of its checker): an upper bound from the expression and the sizes of just that data.
One unit is about 0.5 us on the machine where the figures were measured (docs/decisions/0055), and 80 bytes of text.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from domain.conditions import cel_patterns
from domain.conditions.cel_data import Size, size_of
from domain.conditions.cel_syntax import CheckedTree, Node, children, walk

# About 50 ms: the longest that one evaluation may keep a process from everything else.
MAX_UNITS = 100_000

# Comparing texts is so fast that these many characters are a unit; reading or copying them takes longer.
_COMPARED, _COPIED = 5_000, 80
# A function in Python: 13 us.
_CALLBACK = 30
# Per character and instruction of a pattern, where RE2 has to try all ways: 0.03 us.
_MATCHED = 0.065
_ARITHMETIC = frozenset(("_+_", "_-_", "_*_", "_/_"))
_COMPARISONS = frozenset(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith"))
_LOGICAL = frozenset(("_&&_", "_||_", "!_", "@not_strictly_false", "__not_strictly_false__"))
_NOTHING = Size(0, 0, 0)
_SCALAR = Size(1, 0, 0)


class Bound(NamedTuple):
    """At most so large is a value; `values` are those that it may be, where they are known."""

    size: Size
    values: Sequence[Any] | None = None


class Cost:
    """The work of one expression over any data."""

    __slots__ = ("_additions", "_depth", "_finds", "_lists", "_nodes", "_program", "_root", "_tree")

    def __init__(self, tree: CheckedTree) -> None:
        self._tree = tree
        self._root = tree.root
        nodes = list(walk(tree.root))
        calls = [node.call_expr for node in nodes if node.WhichOneof("kind") == "call_expr"]
        loops = [node.comprehension_expr for node in nodes if node.WhichOneof("kind") == "comprehension_expr"]
        self._nodes = len(nodes)
        self._additions = sum(call.function == "_+_" for call in calls)
        self._finds = sum(call.function == "contains" for call in calls)
        self._program = sum(_program(call) for call in calls if call.function == cel_patterns.FUNCTION)
        self._lists = sum(_makes_list(loop) for loop in loops)
        self._depth = _depth(tree.root)

    def exceeds(self, data: Mapping[str, Any], sizes: Sequence[Size]) -> bool:
        """Whether an evaluation over this data, whose sizes are these, could be more than MAX_UNITS of work."""
        try:
            return self._rough(_sum(sizes)) > MAX_UNITS and _Estimate(self._tree, data).cost(self._root)[0] > MAX_UNITS
        except OverflowError:
            # Loops within loops come to more than a float holds.
            return True

    def _rough(self, whole: Size) -> float:
        """More than any evaluation takes, for a quick look: most data is so small that nothing can be made of it."""
        growth = (1 + self._additions) * (1 + whole.items) ** self._lists
        nodes, characters, items = (size * growth for size in whole)
        each = 1 + _CALLBACK + nodes + characters / _COPIED
        each += self._finds * characters * characters / 10_000 + self._program * characters * _MATCHED
        times = max(1.0, float(items)) ** self._depth
        rough: float = self._nodes * each * times + self._lists * items * items
        return rough


class _Estimate:
    def __init__(self, tree: CheckedTree, data: Mapping[str, Any]) -> None:
        self._tree = tree
        self._data = data
        self._scopes: list[dict[str, Bound]] = []

    def cost(self, node: Node) -> tuple[float, Bound]:
        """The units that a node and all below it take, and what it gives."""
        match node.WhichOneof("kind"):
            case "const_expr":
                return 0.0, Bound(size_of(_literal(node)))
            case "ident_expr":
                return 1.0, self._named(node)
            case "select_expr":
                return self._select(node)
            case "call_expr":
                return self._call(node)
            case "comprehension_expr":
                return self._loop(node)
            case _:
                return self._made(node)

    def _named(self, node: Node) -> Bound:
        for scope in reversed(self._scopes):
            found: Bound | None = scope.get(node.ident_expr.name)
            if found is not None:
                return found
        variable: str = self._tree.variables.get(node.id, "")
        return _known([self._data[variable]]) if variable in self._data else Bound(_SCALAR)

    def _select(self, node: Node) -> tuple[float, Bound]:
        if (variable := self._tree.variables.get(node.id)) is not None and "." in variable:
            return 1.0, self._named(node)
        units, holder = self.cost(node.select_expr.operand)
        return units + 1, Bound(_SCALAR) if node.select_expr.test_only else _within(holder, node.select_expr.field)

    def _call(self, node: Node) -> tuple[float, Bound]:
        function = node.call_expr.function
        found = [self.cost(child) for child in children(node)]
        units = 1 + sum(one for one, _ in found)
        bounds = [bound for _, bound in found]
        sizes = [bound.size for bound in bounds]
        whole = _sum(sizes)
        if function in _LOGICAL:
            return units, Bound(_SCALAR)
        if function == "_?_:_":
            return units, _either(bounds[1:])
        if function == "_[_]":
            key = node.call_expr.args[1]
            is_text = key.WhichOneof("kind") == "const_expr" and key.const_expr.WhichOneof("kind") == "string_value"
            return units, _within(bounds[0], key.const_expr.string_value) if is_text else _item(bounds[0])
        if function in _COMPARISONS:
            return units + _compared(*sizes), Bound(_SCALAR)
        if function in ("@in", "_in_"):
            needle, holder = sizes
            times = max(1, holder.items)
            repeated = Size(needle.nodes * times, needle.characters * times, 0)
            return units + 0.2 * times + _compared(repeated, holder), Bound(_SCALAR)
        if function == "contains":
            # The naive search, a word of 16 letters at a time.
            return units + sizes[0].characters * sizes[1].characters / 10_000 + _copied(whole), Bound(_SCALAR)
        if function == cel_patterns.FUNCTION:
            tried = sizes[0].characters * _program(node.call_expr) * _MATCHED
            return units + _CALLBACK + tried + _copied(whole), Bound(_SCALAR)
        if function in _ARITHMETIC:
            # Of lists, one that is made; of texts, a copy; of numbers, of two kinds perhaps.
            return units + _CALLBACK + 0.2 * whole.items + _copied(whole), Bound(whole)
        return units + 2 + _copied(whole), Bound(whole)

    def _loop(self, node: Node) -> tuple[float, Bound]:
        loop = node.comprehension_expr
        units, over = self.cost(loop.iter_range)
        times = over.size.items
        begun, initial = self.cost(loop.accu_init)
        makes_list = _makes_list(loop)
        self._scopes.append(
            {loop.iter_var: _item(over), loop.accu_var: Bound(_NOTHING if makes_list else initial.size)}
        )
        condition, _ = self.cost(loop.loop_condition)
        step, made = self.cost(loop.loop_step)
        self._scopes.pop()
        if makes_list:
            # One item more each time, and all before it are copied.
            made = Bound(Size(made.size.nodes * times + 1, made.size.characters * times, times))
            units += times * times / 2
        elif made.size.characters:
            # Folds are not of the language; whatever makes texts here grows with each round.
            made = Bound(Size(made.size.nodes * times, made.size.characters * times, made.size.items * times))
        self._scopes.append({loop.accu_var: made})
        finished, result = self.cost(loop.result)
        self._scopes.pop()
        return units + begun + times * (condition + step) + finished, result

    def _made(self, node: Node) -> tuple[float, Bound]:
        found = [self.cost(child) for child in children(node)]
        whole = _sum([bound.size for _, bound in found])
        made = Size(whole.nodes + len(found) + 1, whole.characters, max(whole.items, len(found)))
        return sum(units for units, _ in found) + len(found) + 1, Bound(made)


def _known(values: Sequence[Any]) -> Bound:
    """One of these values."""
    sizes = [size_of(value) for value in values]
    return Bound(_largest(sizes), values)


def _within(holder: Bound, key: str) -> Bound:
    """What stands under a key."""
    if holder.values is None:
        return Bound(holder.size)
    return _known([value[key] for value in holder.values if isinstance(value, Mapping) and key in value])


def _item(holder: Bound) -> Bound:
    """Any item of a list, or any key of a map."""
    if holder.values is None:
        return Bound(holder.size)
    return _known([item for value in holder.values if isinstance(value, Mapping | list) for item in _both(value)])


def _both(value: Mapping[str, Any] | list[Any]) -> Sequence[Any]:
    return [*value, *value.values()] if isinstance(value, Mapping) else value


def _either(bounds: Sequence[Bound]) -> Bound:
    return Bound(_largest([bound.size for bound in bounds]))


def _largest(sizes: Sequence[Size]) -> Size:
    if not sizes:
        return _NOTHING
    return Size(*(max(column) for column in zip(*sizes, strict=True)))


def _sum(sizes: Sequence[Size]) -> Size:
    return Size(*(sum(column) for column in zip(_NOTHING, *sizes, strict=True)))


def _compared(one: Size, other: Size) -> float:
    return min(one.nodes, other.nodes) + min(one.characters, other.characters) / _COMPARED


def _copied(size: Size) -> float:
    return size.characters / _COPIED + 0.2 * size.nodes


def _literal(node: Node) -> Any:
    kind = node.const_expr.WhichOneof("kind")
    return node.const_expr.string_value if kind == "string_value" else 0


def _depth(node: Node) -> int:
    """How many loops lie within each other, those that follow one another counted as well."""
    below = [_depth(child) for child in children(node)]
    # A list that was made may be gone through again, and be larger than any that is known.
    return sum(below) + 1 if node.WhichOneof("kind") == "comprehension_expr" else max(below, default=0)


def _program(call: Any) -> int:
    """The instructions of the pattern of a call."""
    return int(cel_patterns.compile_pattern(call.args[0].const_expr.string_value).programsize)


def _makes_list(loop: Any) -> bool:
    """Whether a loop is a `map` or a `filter`."""
    return bool(loop.accu_init.WhichOneof("kind") == "list_expr")
