"""One piece of Liquid: compiled and checked once, rendered for many people."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import liquid
from liquid.ast import Node
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.exceptions import (
    LiquidError,
    LocalNamespaceLimitError,
    LoopIterationLimitError,
    OutputStreamLimitError,
    ResourceLimitError,
    UndefinedError,
)
from liquid.expression import Expression
from liquid.static_analysis import Variable

from domain.errors import Problem
from domain.templates.liquid_environment import HTML, MAX_LOCALS_BYTES, MAX_LOOP_STEPS, MAX_OUTPUT_BYTES, TEXT

# What a template may name: the first-level fields of each object, or None for a plain value.
VARIABLES: Mapping[str, frozenset[str] | None] = {
    "profile": frozenset({"user_id", "traits"}),
    "entry": frozenset({"event", "properties", "timestamp"}),
    "campaign": frozenset({"key", "name"}),
    "message": frozenset({"id"}),
    "unsubscribe_url": None,
}


class TemplateRenderError(Exception):
    """A template that fails for one user. It says what failed and where, and quotes nothing of the user's."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: its file, the 1-based line of its first character, and its path in the document.

    `is_verbatim` says that a line of the text is a line of the file; folded YAML is not.
    """

    file: str
    line: int
    path: str
    is_verbatim: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}"

    def line_at(self, source: str, index: int) -> int:
        return self.line + (source.count("\n", 0, index) if self.is_verbatim else 0)

    def problem(self, message: str, suggestion: str, line: int | None = None) -> Problem:
        return Problem(self.file, self.line if line is None else line, self.path, message, suggestion)


class LiquidText:
    """A compiled text. Rendering keeps no state, so one instance serves any number of renderings at once."""

    def __init__(self, template: liquid.BoundTemplate, place: Place, paths: frozenset[str]) -> None:
        self._template = template
        self.place = place
        self._paths = paths

    def render(self, context: Mapping[str, Any]) -> str:
        """The text for this context. Raises TemplateRenderError for whatever goes wrong with it."""
        try:
            return self._template.render(context)
        # The causes quote the user's data, and whoever records this error would record its cause too.
        except LiquidError as error:
            raise TemplateRenderError(f"{self._where(error)}: {self._reason(error)}") from None
        except Exception as error:  # noqa: BLE001 - filters raise anything on data of the wrong kind
            raise TemplateRenderError(f"{self.place}: {type(error).__name__} in a filter") from None

    def _where(self, error: LiquidError) -> Place:
        if error.token is None:
            return self.place
        return replace(self.place, line=self.place.line_at(error.token.source, error.token.start_index))

    def _reason(self, error: LiquidError) -> str:
        # The library's own messages quote values, and a computed path holds values too: neither is passed on.
        match error:
            case UndefinedError():
                path = str(error.message).removesuffix(" is undefined").strip("'")
                return f"{path if path in self._paths else 'a computed variable'} has no value for this user"
            case OutputStreamLimitError():
                return f"the output is larger than {MAX_OUTPUT_BYTES // 1024} KB"
            case LoopIterationLimitError():
                return f"a loop has more than {MAX_LOOP_STEPS} steps"
            case LocalNamespaceLimitError():
                return f"the assigned variables take more than {MAX_LOCALS_BYTES // 1024} KB"
            case ResourceLimitError():
                return "the template costs too much"
        if error.token is not None and error.token.value in TEXT.filters:
            return f"the filter '{error.token.value}' cannot take this user's data"
        return "this user's data does not fit the template"


def compile_liquid(source: str, place: Place, *, is_html: bool = False) -> tuple[LiquidText | None, list[Problem]]:
    """The compiled text, and everything wrong with it. In HTML, values are escaped where they are put out."""
    environment = HTML if is_html else TEXT
    try:
        template = environment.from_string(source)
    except LiquidError as error:
        line = place.line_at(source, error.token.start_index) if error.token else place.line
        return None, [place.problem(f"this is not Liquid: {error.message}", "Mend the tag or the expression", line)]
    analysis = template.analyze(include_partials=False)
    problems: list[Problem] = []
    for name, spans in analysis.filters.items():
        if name not in environment.filters:
            suggestion = nearest(name, environment.filters)
            problems += [
                place.problem(f"there is no filter '{name}'", suggestion, place.line_at(source, span.index))
                for span in spans
            ]
    for variable in (variable for found in analysis.globals.values() for variable in found):
        if fault := _fault(variable):
            problems.append(place.problem(*fault, place.line_at(source, variable.span.index)))
    problems += [
        place.problem(
            f"a range needs two whole numbers at most {MAX_LOOP_STEPS} apart",
            "Bound a loop over data by limit:, as in (1..100) limit: entry.properties.count",
            place.line_at(source, unbounded.token.start_index),
        )
        for unbounded in _unbounded_ranges(template.nodes, template)
    ]
    variables = (variable for found in analysis.variables.values() for variable in found)
    paths = frozenset(path for variable in variables for path in _prefixes(variable))
    return (None if problems else LiquidText(template, place, paths)), problems


def _fault(variable: Variable) -> tuple[str, str] | None:
    root, *rest = map(str, variable.segments)
    if root not in VARIABLES:
        return f"there is no variable '{variable}'", nearest(root, VARIABLES)
    fields = VARIABLES[root]
    if fields is None or (rest and rest[0] in fields):
        return None
    if not rest:
        return f"'{root}' is not a value", f"Name one of its fields: {', '.join(sorted(fields))}"
    return f"there is no variable '{variable}'", nearest(rest[0], fields)


def nearest(name: str, known: Iterable[str]) -> str:
    """The suggestion for a name that is not among the known ones."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean '{matches[0]}'?" if matches else f"Known are: {', '.join(sorted(known))}"


def _prefixes(variable: Variable) -> Iterator[str]:
    """The variable's constant paths, as the library writes them: a.b.c, a.b and a."""
    for length in range(1, len(variable.segments) + 1):
        segments = variable.segments[:length]
        if not all(isinstance(segment, str) for segment in segments):
            return
        yield str(Variable(segments, variable.span))


def _unbounded_ranges(nodes: Iterable[Node], template: liquid.BoundTemplate) -> Iterator[RangeLiteral]:
    # The library's limits count steps of loops only: `(1..50000000) | join` and `reversed` build the list before.
    context = liquid.RenderContext(template)
    for node in nodes:
        for expression in node.expressions():
            yield from _ranges(expression)
        yield from _unbounded_ranges(node.children(context, include_partials=False), template)


def _ranges(expression: Expression) -> Iterator[RangeLiteral]:
    if isinstance(expression, RangeLiteral):
        match expression.start, expression.stop:
            case IntegerLiteral() as start, IntegerLiteral() as stop if stop.value - start.value < MAX_LOOP_STEPS:
                pass
            case _:
                yield expression
    for child in expression.children():
        yield from _ranges(child)
