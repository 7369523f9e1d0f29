"""Check the names, arguments and ranges of a parsed piece of Liquid."""

import json
from collections.abc import Collection, Container, Iterator, Mapping
from typing import Final

import liquid
from liquid.builtin.expressions import Literal, Nil, Path
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.expression import Expression
from liquid.static_analysis import TemplateAnalysis, Variable

from domain.suggestions import did_you_mean, find_closest
from domain.templates.filter_arguments import find_unfit_argument
from domain.templates.liquid_blocks import BlockCallNode
from domain.templates.liquid_bounds import LiquidFault
from domain.templates.liquid_context import MAX_LOOP_STEPS
from domain.templates.liquid_environment import arguments_of, bound_arguments
from domain.templates.liquid_nodes import all_expressions, filters_in, walk_nodes
from domain.templates.secret_text import SECRETS
from domain.templates.variables import DATA, ROOTS

# Characters of a literal or an expression in a message.
MAX_SHOWN = 120
# Names that other template languages have for a filter.
FILTER_SYNONYMS: Final[Mapping[str, str]] = {
    **{"upper": "upcase", "uppercase": "upcase", "lower": "downcase", "lowercase": "downcase"},
    **{"title": "capitalize", "titlecase": "capitalize", "titleize": "capitalize"},
    **{"currency": "money", "format_currency": "money", "length": "size", "count": "size", "trim": "strip"},
    **{"strftime": "date", "format_date": "date", "fallback": "default", "to_json": "json", "urlencode": "url_encode"},
}


def find_faults(
    template: liquid.BoundTemplate,
    analysis: TemplateAnalysis,
    environment: liquid.Environment,
    *,
    has_all_names: bool,
    may_render: bool,
    given: Container[str],
) -> Iterator[LiquidFault]:
    """Iterate over unknown names, unbounded ranges and unfit arguments.

    `has_all_names` says whether the template still has all tags that give names to values. Without them, only the
    fields of known variables are checked. `given` are names that have a value besides.
    """
    if not may_render:
        for node in walk_nodes(template.nodes):
            if isinstance(node, BlockCallNode):
                remedy = "Mails render blocks in the subject, the preheader, the text and the body"
                yield LiquidFault(node.token.start_index, "no block is rendered here", remedy)
    for name, spans in analysis.filters.items():
        if name not in environment.filters:
            suggestion = _suggest_filter(name, environment.filters)
            yield from (LiquidFault(span.index, f"there is no filter '{name}'", suggestion) for span in spans)
    expressions = list(all_expressions(template))
    arguments = {
        argument.value.token.start_index
        for used in filters_in(expressions)
        for argument in used.args
        if isinstance(argument.value, Path) and len(argument.value.path) == 1
    }
    for variable in (variable for found in analysis.globals.values() for variable in found):
        root = str(variable.segments[0])
        if (root in ROOTS or (has_all_names and root not in given)) and (fault := _variable_fault(variable)):
            message, suggestion = fault
            if variable.span.index in arguments:
                suggestion = f'Put a text in quotes: "{variable}". {suggestion}'
            yield LiquidFault(variable.span.index, message, suggestion)
    for unbounded in filter(_is_unbounded, expressions):
        yield LiquidFault(
            unbounded.token.start_index,
            f"a range needs two whole numbers at most {MAX_LOOP_STEPS} apart",
            "Bound a loop over data by limit:, as in (1..100) limit: entry.properties.count",
        )
    for used in filters_in(expressions):
        if used.name in environment.filters and (fault := _argument_fault(used)):
            yield LiquidFault(used.token.start_index, *fault)


def shorten(written: str) -> str:
    """Return the beginning of a long text."""
    return written if len(written) <= MAX_SHOWN else f"{written[:MAX_SHOWN]}…"


def _argument_fault(used: Filter) -> tuple[str, str] | None:
    """Return the fault of the arguments of a filter, and its remedy."""
    taken = arguments_of(used.name)
    try:
        arguments = bound_arguments(used)
    except TypeError:
        names = [
            f"{each.name}{'' if each.default is each.empty else ' (optional)'}" for each in taken.parameters.values()
        ]
        return f"the filter '{used.name}' takes other arguments", f"It takes: {', '.join(names) or 'none'}"
    literals = {name: each.value for name, each in arguments.items() if isinstance(each, Literal)}
    literals |= {name: None for name, each in arguments.items() if isinstance(each, Nil)}
    if (unfit := find_unfit_argument(used.name, literals)) is None:
        return None
    argument, error = unfit
    written = json.dumps(literals[argument], ensure_ascii=False)
    said = f"{shorten(written)} is not {error.wanted} (argument '{argument}' of the filter '{used.name}')"
    return said, did_you_mean(str(literals[argument]), error.known) if error.known else f"Write {error.wanted}"


def _variable_fault(variable: Variable) -> tuple[str, str] | None:
    """Return the fault of a name, and its remedy."""
    root, *rest = map(str, variable.segments)
    if root == SECRETS:
        return None
    if root not in ROOTS:
        return f"there is no variable '{variable}'", _suggest_variable(root, variable)
    fields = ROOTS[root]
    if fields is None or (rest and rest[0] in fields):
        return None
    if not rest:
        return f"'{root}' is not a value", f"Name one of its fields: {', '.join(sorted(fields))}"
    suggestion = did_you_mean(rest[0], sorted(fields), f"Fields of {root}")
    data = next((path for path in DATA if path[0] == root), None)
    # `first_name` resembles `first_seen`, and is a trait.
    if data is not None and find_closest(rest[0], fields, cutoff=0.72) is None:
        suggestion = f"Did you mean `{'.'.join((*data, *rest))}`? {suggestion.rpartition('? ')[2]}"
    return f"there is no variable '{variable}'", suggestion


def _suggest_variable(root: str, variable: Variable) -> str:
    """Suggest the path of the data that is named: `profile.traits` for `traits`."""
    suggestion = did_you_mean(root, sorted(ROOTS), "Variables")
    segments = list(map(str, variable.segments))
    for data in DATA:
        if data[-1] in segments[:2]:
            meant = (*data, *segments[segments.index(data[-1]) + 1 :])
            return f"Did you mean `{'.'.join(meant)}`? {suggestion.rpartition('? ')[2]}"
    return suggestion


def _suggest_filter(name: str, filters: Collection[str]) -> str:
    close = FILTER_SYNONYMS.get(name) or find_closest(name, sorted(filters))
    listed = "docs/templates.md lists the filters"
    return f"Did you mean `{close}`? {listed}" if close else listed


def _is_unbounded(expression: Expression) -> bool:
    """Return whether it is a range that may be long.

    The library builds the list of `(1..50000000) | join`.
    """
    if not isinstance(expression, RangeLiteral):
        return False
    match expression.start, expression.stop:
        case IntegerLiteral() as start, IntegerLiteral() as stop:
            return bool(stop.value - start.value >= MAX_LOOP_STEPS)
    return True
