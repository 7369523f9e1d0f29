"""Check the names, arguments and ranges of a parsed piece of Liquid."""

import json
from collections.abc import Iterator

import liquid
from liquid.builtin.expressions import Literal, Nil
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.expression import Expression
from liquid.static_analysis import TemplateAnalysis, Variable

from domain.suggestions import did_you_mean
from domain.templates.filter_arguments import find_unfit_argument
from domain.templates.liquid_bounds import LiquidFault
from domain.templates.liquid_context import MAX_LOOP_STEPS
from domain.templates.liquid_environment import arguments_of, bound_arguments
from domain.templates.liquid_nodes import all_expressions, filters_in
from domain.templates.secret_text import SECRETS
from domain.templates.variables import ROOTS

# Characters of a literal or an expression in a message.
MAX_SHOWN = 120


def find_faults(
    template: liquid.BoundTemplate, analysis: TemplateAnalysis, environment: liquid.Environment, *, has_all_names: bool
) -> Iterator[LiquidFault]:
    """Iterate over unknown names, unbounded ranges and unfit arguments.

    `has_all_names` says whether the template still has all tags that give names to values. Without them, only the
    fields of known variables are checked.
    """
    for name, spans in analysis.filters.items():
        if name not in environment.filters:
            suggestion = did_you_mean(name, sorted(environment.filters), "Filters")
            yield from (LiquidFault(span.index, f"there is no filter '{name}'", suggestion) for span in spans)
    for variable in (variable for found in analysis.globals.values() for variable in found):
        if (has_all_names or str(variable.segments[0]) in ROOTS) and (fault := _variable_fault(variable)):
            yield LiquidFault(variable.span.index, *fault)
    expressions = list(all_expressions(template))
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
        return f"there is no variable '{variable}'", did_you_mean(root, sorted(ROOTS), "Variables")
    fields = ROOTS[root]
    if fields is None or (rest and rest[0] in fields):
        return None
    if not rest:
        return f"'{root}' is not a value", f"Name one of its fields: {', '.join(sorted(fields))}"
    return f"there is no variable '{variable}'", did_you_mean(rest[0], sorted(fields), f"Fields of {root}")


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
