"""One piece of Liquid: compiled and checked once, rendered for many people."""

import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from operator import itemgetter
from typing import Any

import liquid
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions.filtered import Filter, FilteredExpression
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
from liquid.static_analysis import Variable
from liquid.token import Token

from domain.errors import Problem
from domain.templates.certainty import PartialContext, render_certain
from domain.templates.liquid_bounds import LiquidFault
from domain.templates.liquid_checks import find_faults, shorten
from domain.templates.liquid_context import MAX_LOCALS_BYTES, MAX_LOOP_STEPS, MAX_OUTPUT_BYTES, Context, Rendering
from domain.templates.liquid_environment import COMPOSED, ENVIRONMENTS, TextForm, bound_arguments
from domain.templates.liquid_nodes import all_expressions
from domain.templates.liquid_parser import parse_liquid
from domain.templates.liquid_values import FilterRefusedError, json_text, plain
from domain.templates.secret_text import SECRETS, plain_secrets
from domain.templates.variables import ROOTS

# Editors of mails encode the braces within links.
_ENCODED_BRACES = re.compile("%7B%7B", re.IGNORECASE)
# More than anybody mends in one go.
MAX_PROBLEMS = 100
# Longer paths are not told apart in what a failure says.
_MAX_SEGMENTS = 20
_SECRETS_ELSEWHERE = "no secret may stand here", "Name secrets in the url, the headers and the body of a webhook only"
_SECRET_USED = (
    "a secret is only printed as it is",
    "Write {{ secrets.NAME }} outside of all tags and without filters; a name is a-z, then a-z, 0-9 and _",
)


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Place of a text: its file, its first line from 1, its path in the document.

    `is_verbatim` says that a line of the text is a line of the file; folded YAML is not. `origins` are the places of
    the parts of a text that is composed of several, each with its index in it.
    """

    file: str
    line: int
    path: str
    is_verbatim: bool = True
    origins: tuple[tuple[int, "SourceLocation"], ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}"

    def at(self, source: str, index: int) -> "SourceLocation":
        """Return the place of an index of the text."""
        begin, part = 0, self
        if self.origins:
            begin, part = self.origins[max(bisect_right(self.origins, index, key=itemgetter(0)) - 1, 0)]
        lines = source.count("\n", begin, index) if part.is_verbatim else 0
        return replace(part, line=part.line + lines, origins=())

    def problem(self, message: str, suggestion: str) -> Problem:
        return Problem(self.file, self.line, self.path, message, suggestion)


class TemplateRenderError(Exception):
    """Failure of a template for one user, with place and reason, without their data.

    `lacks_value` says that it prints a value that is not there.
    """

    def __init__(self, place: SourceLocation, reason: str, *, lacks_value: bool = False) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason
        self.lacks_value = lacks_value


class LiquidText:
    """A compiled text, which serves any number of renderings at once.

    `variables` are the constant paths that it names, as authors write them: `profile.traits.first_name`. `free_names`
    are names that neither it nor the message gives a value.
    """

    def __init__(
        self,
        template: liquid.BoundTemplate,
        place: SourceLocation,
        variables: frozenset[str],
        free_names: frozenset[str] = frozenset(),
    ) -> None:
        self._template = template
        self._value = _value_of(template)
        self.place = place
        self.variables = variables
        self.free_names = free_names

    @property
    def nodes(self) -> Sequence[Node]:
        """The parts of the text."""
        return self._template.nodes

    def render(self, rendering: Rendering) -> str:
        """The text for these variables, a SecretText where secrets are in it.

        Raises TemplateRenderError for whatever goes wrong with it.
        """
        with self._errors(), self._locating(rendering):
            context = Context(self._template, rendering)
            buffer = context.get_buffer()
            self._template.render_with_context(context, buffer)
            return buffer.text()

    def failures(self, rendering: Rendering, unknown: frozenset[str] = frozenset()) -> Iterator[TemplateRenderError]:
        """Iterate over the places that fail for all values of the `unknown` variables."""
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
        """Return the text, or the value of a text that is one `{{ … | json }}`.

        Raises TemplateRenderError.
        """
        if self._value is None:
            return self.render(rendering)
        with self._errors(), self._locating(rendering) as first:
            context = Context(self._template, rendering)
            value = self._value.evaluate(context)
            context.budget.charge_for(value)
            for read in (rendering.missing or [])[first:]:
                read.printed = json_text(value)
            return plain(value)

    @contextmanager
    def _locating(self, rendering: Rendering) -> Iterator[int]:
        """Give the missing variables that are read meanwhile their places.

        Yields the number of those before.
        """
        first = len(rendering.missing or ())
        try:
            yield first
        finally:
            for read in (rendering.missing or [])[first:]:
                place = self._locate(read.token)
                read.file, read.line = place.file, place.line

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
            self._locate(error.token), self._reason(error), lacks_value=isinstance(error, UndefinedError)
        )

    def _locate(self, token: Token | None) -> SourceLocation:
        if token is None or token.start_index < 0:
            return self.place
        return self.place.at(token.source, token.start_index)

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
        """Name the value that the filter cannot take: as it is written, and its kind."""
        source, used = self._filters[at]
        if error.argument is None:
            written, role = str(source), ""
        else:
            written, role = str(bound_arguments(used)[error.argument]), f" as its '{error.argument}'"
        kind = f"{error.found}, not {error.wanted}" if error.wanted else error.found
        return f"the filter '{used.name}' cannot take `{shorten(written)}`{role}: it is {kind}"

    @cached_property
    def _filters(self) -> Mapping[int, tuple[FilteredExpression, Filter]]:
        """The filters by their index in the source, each with the expression of its input."""
        return {
            used.token.start_index: (FilteredExpression(expression.token, expression.left, before[:position]), used)
            for expression in all_expressions(self._template)
            if isinstance(expression, FilteredExpression)
            for before in [expression.filters or []]
            for position, used in enumerate(before)
        }


def _value_of(template: liquid.BoundTemplate) -> FilteredExpression | None:
    """Return the expression of a template that is one `{{ … | json }}`."""
    nodes = [node for node in template.nodes if not (isinstance(node, ContentNode) and not str(node).strip())]
    if len(nodes) != 1 or not isinstance(nodes[0], OutputNode):
        return None
    expression = nodes[0].expression
    if not isinstance(expression, FilteredExpression) or not expression.filters:
        return None
    *before, last = expression.filters
    return FilteredExpression(expression.token, expression.left, before) if last.name == "json" else None


def compile_liquid(
    source: str,
    place: SourceLocation,
    *,
    form: TextForm = "text",
    may_name_secrets: bool = False,
    may_render: bool = False,
    given: Container[str] = (),
) -> tuple[LiquidText | None, list[Problem]]:
    """Return the compiled text and its faults.

    Printed values are escaped for the form of the text. A text of several parts is a composed one: its parts were
    checked one by one. `may_render` says that blocks will be put into it, and `given` are the names that get a value
    then.
    """
    is_composed = bool(place.origins)
    environment = COMPOSED[form] if is_composed else ENVIRONMENTS[form]
    encoded = (
        LiquidFault(
            found.start(),
            f"`{found[0]}` is `{{{{` written for a URL, and is sent as it stands",
            "Write the braces themselves",
        )
        for found in _ENCODED_BRACES.finditer(source)
    )
    parsed = parse_liquid(source, environment)
    faults = [*((fault, source) for fault in encoded), *parsed.faults]
    if (template := parsed.template) is None:
        return None, _place(faults, place)
    text = parsed.text
    analysis = template.analyze(include_partials=False)
    if not is_composed:
        found_faults = find_faults(
            template, analysis, environment, has_all_names=text.has_all_names, may_render=may_render, given=given
        )
        faults += [(fault, text.source) for fault in islice(found_faults, MAX_PROBLEMS)]
        plain = plain_secrets(template.nodes) if may_name_secrets else None
        for variable in analysis.globals.get(SECRETS, ()):
            if plain is None or variable.span.index not in plain:
                said = _SECRETS_ELSEWHERE if plain is None else _SECRET_USED
                faults.append((LiquidFault(variable.span.index, *said), text.source))
    if faults:
        return None, _place(faults, place)
    variables = (variable for found in analysis.variables.values() for variable in found)
    paths = frozenset(path for variable in variables for path in _prefixes(variable))
    free_names = frozenset(analysis.globals) - ROOTS.keys() - {SECRETS}
    return LiquidText(template, place, paths, free_names), []


def _place(faults: Iterable[tuple[LiquidFault, str]], place: SourceLocation) -> list[Problem]:
    """Return the faults by their lines, those that an author mends in one go."""
    return [
        # A fault without a place is one of the end.
        place.at(text, fault.at if fault.at >= 0 else len(text) - 1).problem(fault.message, fault.suggestion)
        for fault, text in islice(faults, MAX_PROBLEMS)
    ]


def _prefixes(variable: Variable) -> Iterator[str]:
    """Iterate over the variable's constant paths, in the library's form: a.b and a."""
    for length in range(1, min(len(variable.segments), _MAX_SEGMENTS) + 1):
        segments = variable.segments[:length]
        if not all(isinstance(segment, str | int) for segment in segments):
            return
        yield str(Variable(segments, variable.span))
