"""Compile the text of an expression for CEL, or explain its faults."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from cel_expr_python import cel
from google.protobuf.message import DecodeError
from msgspec import Struct

from domain.conditions import cel_areas, cel_numbers, cel_patterns, cel_times
from domain.conditions.cel_areas import PERSON, name_person, replace_calls
from domain.conditions.cel_checks import find_faults, find_segments, find_stages, find_subscriptions
from domain.conditions.cel_costs import Cost
from domain.conditions.cel_errors import explain, position
from domain.conditions.cel_numbers import Unified, unify
from domain.conditions.cel_roots import (
    COMPUTED,
    COMPUTED_TYPES,
    DEVICES,
    JSON,
    NULLABLE,
    ROOTS,
    VARIABLES,
    VISIBLE,
    ExpressionScope,
)
from domain.conditions.cel_syntax import CheckedTree, SyntaxNode, walk
from domain.people.computed.definition import TraitType

MAX_LENGTH = 2_000
_HAS_FIELD = re.compile(r"\bhas\(\s*(profile\.computed\.\w+|(?:event|entry|profile|account|journey)\.[a-z_]+)\s*\)")
_COMPUTED = re.compile(r"\bprofile\s*\.\s*computed\s*\.\s*([A-Za-z_]\w*)")


class ConditionError(ValueError):
    """An expression that is invalid at its place. `suggestion` is the remedy."""

    def __init__(self, message: str, suggestion: str) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


class ReadVariable(NamedTuple):
    """A variable that an expression reads: a field of a root.

    It may be null if it `is_nullable`.
    """

    name: str
    root: str
    field: str
    is_nullable: bool


class Checked(Struct, frozen=True):
    """A checked expression, ready for evaluation.

    `kind` is the type of its value, where any number counts as an integer. `reads` are its variables in parts. `paths`
    are the places in the data that it names: a variable and the keys below it. `values` are those of which it uses the
    whole value, not only a key. `keys` are all keys in it. `computed` are the computed traits that it reads,
    `segments`, `areas` and `topics` the keys of those, and `stages` those with which it compares the person's. If it
    `reads_time`, its value may change by itself. `path` is the place in JSON that it is, and nothing else. `untimed` is
    the expression over data without times among those.
    """

    tree: bytes
    untimed: cel.Expression
    kind: cel.Type
    variables: frozenset[str]
    reads: tuple[ReadVariable, ...]
    paths: tuple[tuple[str, ...], ...]
    values: tuple[tuple[str, ...], ...]
    keys: frozenset[str]
    computed: frozenset[str]
    segments: frozenset[str]
    areas: frozenset[str]
    topics: frozenset[str]
    stages: frozenset[str]
    reads_time: bool
    path: tuple[str, ...] | None
    cost: Cost

    def expression(self, times: frozenset[str]) -> cel.Expression:
        """Return the expression over data in which these computed traits are times."""
        return _deserialize(self.tree, times) if times else self.untimed


def compile_checked(text: str, place: ExpressionScope, traits: Mapping[str, TraitType] | None = None) -> Checked:
    """Check and compile an expression. Raises ConditionError.

    `traits` are the types of the deployment's computed traits. Without them, any trait may be there and has any type.
    """
    unified = unify(text)
    _check_text(text, unified)
    visible = VISIBLE[place]
    named = dict.fromkeys(_COMPUTED.findall(text)) if "profile" in visible else ()
    known = {name: "dyn" if traits is None else traits[name] for name in named if traits is None or name in traits}
    try:
        checked = _compile(text, unified, visible, known)
    except ConditionError:
        raise
    except (RuntimeError, ValueError, DecodeError) as error:
        # Deserialising refuses more than CEL's checker, and protobuf allows less depth than both.
        raise ConditionError(
            *explain(cel_numbers.original_text(str(error)), text, visible, ROOTS, None if traits is None else [*traits])
        ) from error
    if DEVICES in checked.variables and place is not ExpressionScope.SEGMENT_WHERE:
        raise ConditionError(f"`{DEVICES}` is read by segments alone", "Make a segment, and ask for that by its key")
    return checked


def _compile(text: str, unified: Unified, visible: tuple[str, ...], traits: Mapping[str, TraitType]) -> Checked:
    """Compile; raise ConditionError, or an error of CEL or protobuf."""
    named_text = name_person(unified.text) if "profile" in visible else unified.text
    checked = _checker(visible, tuple(traits.items())).compile(named_text)
    tree = CheckedTree(checked.serialize())
    nodes = list(walk(tree.root))
    _restore_numbers(nodes, tree, unified)
    if (fault := min(find_faults(tree), default=None)) is not None:
        raise ConditionError(fault.message + position(text, fault.offset), fault.suggestion)
    areas = replace_calls(nodes, tree)
    if PERSON in tree.variables.values():
        raise ConditionError(f"`{PERSON}` is not known here", f"Known here: {', '.join(visible)}")
    # The deepest first: copying a call's target then takes the changed one along.
    for node in reversed(nodes):
        if node.WhichOneof("kind") == "call_expr" and node.call_expr.function == "matches":
            _compile_once(node)
    nodes = list(walk(tree.root))
    named = Counter(path for node in nodes if (path := tree.path(node)) is not None)
    inner = Counter(path[:-1] for path in named.elements())
    paths = dict.fromkeys(named)
    functions = {node.call_expr.function for node in nodes if node.WhichOneof("kind") == "call_expr"}
    variables = frozenset(path[0] for path in paths)
    if cel_times.KNOWN_FOR in functions:
        variables |= {cel_times.KNOWN_SINCE}
    untyped = tree.serialize_untyped()
    return Checked(
        tree=untyped,
        untimed=_deserialize(untyped, frozenset()),
        kind=checked.return_type(),
        variables=variables,
        reads=tuple(map(_part_variable, sorted(variables))),
        paths=tuple(paths),
        values=tuple(path for path, number in named.items() if number > inner[path]),
        keys=frozenset(node.select_expr.field for node in nodes if node.WhichOneof("kind") == "select_expr")
        | {key for path in paths for key in path[1:]},
        computed=frozenset(variable for variable in variables if variable.startswith(f"{COMPUTED}.")),
        segments=frozenset(key for _, key in find_segments(nodes, tree)),
        areas=areas,
        topics=frozenset(topic for _, topic in find_subscriptions(nodes, tree)),
        stages=frozenset(find_stages(nodes, tree)),
        reads_time=not functions.isdisjoint(cel_times.FUNCTIONS),
        path=_find_path(tree),
        cost=Cost(tree, variables),
    )


def _part_variable(name: str) -> ReadVariable:
    root, _, field = name.partition(".")
    return ReadVariable(name, root, field, name in NULLABLE or name.startswith(f"{COMPUTED}."))


def _find_path(tree: CheckedTree) -> tuple[str, ...] | None:
    """Return the place that an expression names, if it does nothing else with JSON."""
    path = tree.path(tree.root)
    return path if path is not None and len(path) > 1 and path[0] in JSON else None


def _check_text(text: str, unified: Unified) -> None:
    """Refuse a text that CEL accepts but an author does not mean."""
    if not text.strip():
        raise ConditionError("the expression is empty", "Write a CEL expression, or leave the line out")
    if len(text) > MAX_LENGTH:
        raise ConditionError(
            f"the expression has {len(text):,} characters", f"Keep it within {MAX_LENGTH:,}: send the result instead"
        )
    if always := _HAS_FIELD.search(text):
        raise ConditionError(f"`{always[1]}` is always there", f"Compare it: `{always[1]} != null`")
    if (unsigned := unified.unsigned) is not None:
        raise ConditionError(f"`{unsigned}` is unsigned, and no data is", f"Write `{unsigned[:-1]}`")


def _restore_numbers(nodes: list[SyntaxNode], tree: CheckedTree, unified: Unified) -> None:
    """Restore the decimals that the checker saw as whole numbers."""
    restored: set[int] = set()
    for node in nodes:
        match node.WhichOneof("kind"):
            case "const_expr" if node.const_expr.WhichOneof("kind") == "int64_value":
                at = tree.offset(node)
                is_negative = at not in unified.decimals and unified.text[at : at + 1] == "-"
                start = next((one for one in sorted(unified.decimals) if one > at), at) if is_negative else at
                if start in unified.decimals and not unified.text[at + 1 : start].strip():
                    number = unified.decimals[start]
                    node.const_expr.double_value = -number if is_negative else number
                    restored.add(start)
            case "call_expr" if node.call_expr.function == cel_numbers.INTEGER_OF:
                node.call_expr.function = "double"
    if restored != unified.decimals.keys():
        raise ConditionError("a decimal is not allowed at this place", "Write numbers as in `60.5` or `-0.5`")


def _compile_once(node: SyntaxNode) -> None:
    """Replace `matches` by the method that keeps compiled patterns."""
    call = node.call_expr
    call.function = cel_patterns.FUNCTION
    if not call.HasField("target"):
        call.target.CopyFrom(call.args[0])
        del call.args[0]


@lru_cache(maxsize=256)
def _checker(visible: tuple[str, ...], traits: tuple[tuple[str, TraitType], ...]) -> cel.Env:
    """Return the environment that checks expressions of a place; it compiles none."""
    variables = {f"{root}.{field}": kind for root in visible for field, kind in ROOTS[root].items()}
    variables |= {f"{COMPUTED}.{name}": COMPUTED_TYPES[kind] for name, kind in traits}
    functions = cel_numbers.declarations()
    if "profile" in visible:
        functions += cel_times.checked_functions() + cel_areas.checked_functions()
        variables |= cel_areas.checked_variables()
    return cel.NewEnv(variables=variables, functions=functions)


@lru_cache(maxsize=8_192)
def _deserialize(tree: bytes, times: frozenset[str]) -> cel.Expression:
    return _runtime(times).deserialize(tree)


@lru_cache(maxsize=256)
def _runtime(times: frozenset[str]) -> cel.Env:
    """Return the environment that evaluates expressions of any place.

    CEL takes a time only where a variable of that type is declared, and `times` are the computed traits that are
    times. Anything else needs no declaration.
    """
    variables = {variable: cel.Type.DYN if variable in NULLABLE else kind for variable, kind in VARIABLES.items()}
    variables |= dict.fromkeys(times, cel.Type.TIMESTAMP)
    functions = [*cel_numbers.mixed_operators(), cel_patterns.matcher(), *cel_times.evaluated_functions()]
    environment = cel.NewEnv(variables=variables, extensions=[cel.CelExtension("sojourn", functions)])
    # An environment that has compiled nothing refuses times: "Non-CEL value type" (cel-expr-python 0.1.3).
    environment.compile("true")
    return environment
