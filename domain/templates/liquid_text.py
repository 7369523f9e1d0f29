"""One piece of Liquid: compiled and checked once, rendered for many people."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

import liquid
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import Literal, Nil
from liquid.builtin.expressions.filtered import Filter, FilteredExpression
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.exceptions import (
    LiquidError,
    LiquidTypeError,
    LocalNamespaceLimitError,
    LoopIterationLimitError,
    OutputStreamLimitError,
    ResourceLimitError,
    UndefinedError,
)
from liquid.expression import Expression
from liquid.static_analysis import TemplateAnalysis, Variable

from domain.errors import Problem
from domain.suggestions import did_you_mean
from domain.templates.certainty import PartialContext, render_certain
from domain.templates.filter_arguments import find_unfit_argument
from domain.templates.liquid_bounds import (
    CLOSING_TAGS,
    COMPLETIONS,
    OPAQUE_TAGS,
    LiquidFault,
    Piece,
    RepairedText,
    check_bounds,
    repair,
)
from domain.templates.liquid_context import MAX_LOCALS_BYTES, MAX_LOOP_STEPS, MAX_OUTPUT_BYTES, Context, Rendering
from domain.templates.liquid_environment import HTML, TEXT, arguments_of, bound_arguments
from domain.templates.liquid_nodes import all_expressions, filters_in, replace_comparisons
from domain.templates.liquid_values import FilterRefusedError, plain
from domain.templates.secret_text import SECRETS, plain_secrets
from domain.templates.variables import ROOTS

# Editors of mails encode the braces within links.
_ENCODED_BRACES = re.compile("%7B%7B", re.IGNORECASE)
# More than anybody mends in one go.
MAX_PROBLEMS = 100
# Longer paths are not told apart in what a failure says.
_MAX_SEGMENTS = 20
# Characters of a literal or an expression in what is said of it.
MAX_SHOWN = 120
_SECRETS_ELSEWHERE = "no secret may stand here", "Name secrets in the url, the headers and the body of a webhook only"
_SECRET_USED = (
    "a secret is only printed as it is",
    "Write {{ secrets.NAME }} outside of all tags and without filters; a name is a-z, then a-z, 0-9 and _",
)


@dataclass(frozen=True, slots=True)
class SourceLocation:
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


class TemplateRenderError(Exception):
    """A template that fails for one user: where, and why. Neither quotes anything of the user's.

    `lacks_value` says that it prints a value that is not there.
    """

    def __init__(self, place: SourceLocation, reason: str, *, lacks_value: bool = False) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason
        self.lacks_value = lacks_value


class LiquidText:
    """A compiled text. Rendering keeps no state, so one instance serves any number of renderings at once.

    `variables` are the constant paths that it names, as authors write them: `profile.traits.first_name`.
    """

    def __init__(self, template: liquid.BoundTemplate, place: SourceLocation, variables: frozenset[str]) -> None:
        self._template = template
        self._value = _value_of(template)
        self.place = place
        self.variables = variables

    @property
    def nodes(self) -> Sequence[Node]:
        """The parts of the text, for those that look into it."""
        return self._template.nodes

    def render(self, rendering: Rendering) -> str:
        """The text for these variables, a SecretText where secrets are in it.

        Raises TemplateRenderError for whatever goes wrong with it.
        """
        with self._errors():
            context = Context(self._template, rendering)
            buffer = context.get_buffer()
            self._template.render_with_context(context, buffer)
            return buffer.text()

    def failures(self, rendering: Rendering, unknown: frozenset[str] = frozenset()) -> Iterator[TemplateRenderError]:
        """All places where the text cannot be rendered, whatever the variables hold whose names are unknown."""
        context = PartialContext(self._template, rendering, unknown)
        buffer = context.get_buffer()
        for node in self._template.nodes:
            failed: dict[int, LiquidError] = {}
            context.failures = failed
            stopped: TemplateRenderError | None = None
            is_used_up = False
            try:
                with self._errors():
                    try:
                        render_certain(node, context, buffer)
                    except ResourceLimitError:
                        is_used_up = True
                        raise
            except TemplateRenderError as failure:
                stopped = failure
            yield from map(self._failure, failed.values())
            if stopped is not None:
                yield stopped
            if is_used_up:
                return
            if failed or stopped is not None:
                context.skip(node)

    def value(self, rendering: Rendering) -> Any:
        """The text, or, where all of it is one `{{ … | json }}`, what that stands for: a number, list, object or null.

        Raises TemplateRenderError.
        """
        if self._value is None:
            return self.render(rendering)
        with self._errors():
            context = Context(self._template, rendering)
            value = self._value.evaluate(context)
            context.budget.charge_for(value)
            return plain(value)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        # The causes quote the user's data, and whatever records this error would record its cause too.
        except LiquidError as error:
            raise self._failure(error) from None
        except Exception as error:  # noqa: BLE001 - the library raises anything on data of the wrong kind
            raise TemplateRenderError(self.place, f"{type(error).__name__} for this user's data") from None

    def _failure(self, error: LiquidError) -> TemplateRenderError:
        return TemplateRenderError(
            self._where(error), self._reason(error), lacks_value=isinstance(error, UndefinedError)
        )

    def _where(self, error: LiquidError) -> SourceLocation:
        if error.token is None or error.token.start_index < 0:
            return self.place
        return replace(self.place, line=self.place.line_at(error.token.source, error.token.start_index))

    def _reason(self, error: LiquidError) -> str:
        # The library's own messages quote values, and a computed path holds values too: neither is passed on.
        match error:
            case FilterRefusedError() if error.token is not None:
                return self._refusal(error, error.token.start_index)
            case UndefinedError():
                path = str(error.message)
                return f"{path if path in self.variables else 'a computed variable'} has no value for this user"
            case OutputStreamLimitError():
                return f"the output is larger than {MAX_OUTPUT_BYTES // 1024} KB"
            case LoopIterationLimitError():
                return f"loops have more than {MAX_LOOP_STEPS} steps"
            case LocalNamespaceLimitError():
                return f"the assigned variables take more than {MAX_LOCALS_BYTES // 1024} KB"
            case ResourceLimitError():
                return "the template costs too much"
            case LiquidTypeError() if error.token is not None and error.token.value in (
                "<",
                ">",
                "<=",
                ">=",
                "contains",
            ):
                return f"`{error.token.value}` compares values of two kinds for this user"
        return "this user's data does not fit the template"

    def _refusal(self, error: FilterRefusedError, at: int) -> str:
        """Which value the filter cannot take: as the template writes it and of which kind, not what it holds."""
        source, used = self._filters[at]
        if error.argument is None:
            written, role = str(source), ""
        else:
            written, role = str(bound_arguments(used)[error.argument]), f" as its '{error.argument}'"
        kind = f"{error.found}, not {error.wanted}" if error.wanted else error.found
        return f"the filter '{used.name}' cannot take `{_shorten(written)}`{role}: it is {kind}"

    @cached_property
    def _filters(self) -> Mapping[int, tuple[FilteredExpression, Filter]]:
        """The filters by where they stand in the source, each with the expression of its input."""
        return {
            used.token.start_index: (FilteredExpression(expression.token, expression.left, before[:position]), used)
            for expression in all_expressions(self._template)
            if isinstance(expression, FilteredExpression)
            for before in [expression.filters or []]
            for position, used in enumerate(before)
        }


def _shorten(written: str) -> str:
    return written if len(written) <= MAX_SHOWN else f"{written[:MAX_SHOWN]}…"


def _value_of(template: liquid.BoundTemplate) -> FilteredExpression | None:
    """The expression of a template that is `{{ … | json }}` and nothing else, without that filter."""
    nodes = [node for node in template.nodes if not (isinstance(node, ContentNode) and not str(node).strip())]
    if len(nodes) != 1 or not isinstance(nodes[0], OutputNode):
        return None
    expression = nodes[0].expression
    if not isinstance(expression, FilteredExpression) or not expression.filters:
        return None
    *before, last = expression.filters
    return FilteredExpression(expression.token, expression.left, before) if last.name == "json" else None


def compile_liquid(
    source: str, place: SourceLocation, *, is_html: bool = False, may_name_secrets: bool = False
) -> tuple[LiquidText | None, list[Problem]]:
    """The compiled text, and everything wrong with it. In HTML, values are escaped where they are put out."""
    environment = HTML if is_html else TEXT
    encoded = (
        LiquidFault(
            found.start(),
            f"`{found[0]}` is `{{{{` written for a URL, and is sent as it stands",
            "Write the braces themselves",
        )
        for found in _ENCODED_BRACES.finditer(source)
    )
    template, readable, faults = _readable(source, place, environment)
    problems = [*_place(encoded, source, place), *faults]
    if template is None:
        return None, problems[:MAX_PROBLEMS]
    analysis = template.analyze(include_partials=False)
    problems += islice(_problems(template, analysis, readable, place, environment), MAX_PROBLEMS)
    plain = plain_secrets(template.nodes) if may_name_secrets else None
    for variable in analysis.globals.get(SECRETS, ()):
        if plain is None or variable.span.index not in plain:
            said = _SECRETS_ELSEWHERE if plain is None else _SECRET_USED
            problems.append(place.problem(*said, place.line_at(readable.source, variable.span.index)))
    variables = (variable for found in analysis.variables.values() for variable in found)
    paths = frozenset(path for variable in variables for path in _prefixes(variable))
    return (None if problems else LiquidText(template, place, paths)), problems[:MAX_PROBLEMS]


def _readable(
    source: str, place: SourceLocation, environment: liquid.Environment
) -> tuple[liquid.BoundTemplate | None, RepairedText, list[Problem]]:
    """As much of the text as the library can read, and all that is wrong with the rest."""
    readable = check_bounds(source)
    problems = _place(readable.faults, source, place)
    template = _parse(readable.source, environment)
    if isinstance(template, LiquidFault):
        # The library stops at the first piece that it cannot read, so each is read by itself.
        before, readable = readable, repair(readable, _Apart(readable.source, environment))
        problems += _place(readable.faults, before.source, place)
        template = _parse(readable.source, environment)
    if isinstance(fault := template, LiquidFault):
        if readable.has_all_blocks:
            problems += _place([fault], readable.source, place)
        # The outputs alone, for what else is wrong with them. Within opaque blocks they are none.
        kept = {"", *OPAQUE_TAGS, *(f"end{name}" for name in OPAQUE_TAGS)}
        readable = repair(readable, lambda piece: [fault] if piece.name not in kept else [], keeps_blocks=False)
        template = _parse(readable.source, environment)
    return (None if isinstance(template, LiquidFault) else template), readable, problems


def _place(faults: Iterable[LiquidFault], source: str, place: SourceLocation) -> list[Problem]:
    return [
        place.problem(fault.message, fault.suggestion, place.line_at(source, fault.at))
        for fault in islice(faults, MAX_PROBLEMS)
    ]


class _Apart:
    """Finds what is wrong with a piece that is read by itself."""

    def __init__(self, source: str, environment: liquid.Environment) -> None:
        self._source = source
        self._environment = environment
        self._ends_told: set[str] = set()
        self._is_comment = False

    def __call__(self, piece: Piece) -> Iterator[LiquidFault]:
        name = piece.name
        self._is_comment = name == "comment" or (self._is_comment and name != "endcomment")
        if self._is_comment or name in CLOSING_TAGS or name in self._ends_told:
            return
        before, after = COMPLETIONS.get(name, ("", ""))
        fault = _parse(f"{before}{self._source[piece.begin : piece.end]}{after}", self._environment)
        if isinstance(fault, LiquidFault):
            self._ends_told.add(f"end{name}")
            yield fault._replace(at=piece.begin + max(fault.at - len(before), 0))


def _parse(source: str, environment: liquid.Environment) -> liquid.BoundTemplate | LiquidFault:
    """The template, or what keeps the library from reading it; at -1, if it does not say where."""
    try:
        template = environment.from_string(source)
        replace_comparisons(template)
    except (LiquidError, RecursionError) as error:
        if isinstance(error.__cause__ or error.__context__, MemoryError):
            # The library takes it for a fault of the text.
            raise MemoryError from error
        said, at = "too deeply nested", 0
        if isinstance(error, LiquidError):
            said, at = str(error.message), error.token.start_index if error.token else -1
        return LiquidFault(at, f"this is not Liquid: {said}", "Mend the tag or the expression")
    return template


def _problems(
    template: liquid.BoundTemplate,
    analysis: TemplateAnalysis,
    readable: RepairedText,
    place: SourceLocation,
    environment: liquid.Environment,
) -> Iterator[Problem]:
    source = readable.source
    for name, spans in analysis.filters.items():
        if name not in environment.filters:
            suggestion = did_you_mean(name, sorted(environment.filters), "Filters")
            for span in spans:
                line = place.line_at(source, span.index)
                yield place.problem(f"there is no filter '{name}'", suggestion, line)
    for variable in (variable for found in analysis.globals.values() for variable in found):
        if (readable.has_all_names or str(variable.segments[0]) in ROOTS) and (fault := _fault(variable)):
            yield place.problem(*fault, place.line_at(source, variable.span.index))
    expressions = list(all_expressions(template))
    for unbounded in filter(_is_unbounded, expressions):
        yield place.problem(
            f"a range needs two whole numbers at most {MAX_LOOP_STEPS} apart",
            "Bound a loop over data by limit:, as in (1..100) limit: entry.properties.count",
            place.line_at(source, unbounded.token.start_index),
        )
    for used in filters_in(expressions):
        if used.name in environment.filters and (fault := _misuse(used)):
            yield place.problem(*fault, place.line_at(source, used.token.start_index))


def _misuse(used: Filter) -> tuple[str, str] | None:
    """What is wrong with the arguments of a filter, and what would be right."""
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
    said = f"{_shorten(written)} is not {error.wanted} (argument '{argument}' of the filter '{used.name}')"
    return said, did_you_mean(str(literals[argument]), error.known) if error.known else f"Write {error.wanted}"


def _fault(variable: Variable) -> tuple[str, str] | None:
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


def _prefixes(variable: Variable) -> Iterator[str]:
    """The variable's constant paths, as the library writes them: a.b.c, a.b and a."""
    for length in range(1, min(len(variable.segments), _MAX_SEGMENTS) + 1):
        segments = variable.segments[:length]
        if not all(isinstance(segment, str | int) for segment in segments):
            return
        yield str(Variable(segments, variable.span))


def _is_unbounded(expression: Expression) -> bool:
    """Whether it is a range that may be long: the library builds the list of `(1..50000000) | join`."""
    if not isinstance(expression, RangeLiteral):
        return False
    match expression.start, expression.stop:
        case IntegerLiteral() as start, IntegerLiteral() as stop:
            return bool(stop.value - start.value >= MAX_LOOP_STEPS)
    return True
