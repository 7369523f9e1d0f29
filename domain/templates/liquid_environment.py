"""The Liquid of templates: standard and bounded, without files, clock or zone.

A missing or null value passes through all filters but `default`, which replaces it, and `json`, which writes null.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Signature, signature
from typing import Any, Final, Literal

import liquid
from liquid.builtin.expressions import Filter as UsedFilter
from liquid.builtin.expressions import KeywordArgument
from liquid.exceptions import LiquidError, OutputStreamLimitError, ResourceLimitError
from liquid.expression import Expression
from markupsafe import Markup

from domain.templates.calendar_text import escape_calendar
from domain.templates.filter_arguments import find_unfit_argument
from domain.templates.liquid_blocks import RENDER, BlockTag, RenderTag
from domain.templates.liquid_context import MAX_OUTPUT_BYTES, Context, SpellingEnvironment
from domain.templates.liquid_nodes import (
    CountedCycleTag,
    CountedForTag,
    CountedTablerowTag,
    EchoOutputTag,
    OutputTag,
    StrictIfTag,
    StrictUnlessTag,
)
from domain.templates.liquid_values import (
    FilterRefusedError,
    Missing,
    UnfitValueError,
    is_empty,
    is_nothing,
    json_text,
    kind_of,
    text_of,
)
from domain.templates.list_filters import LIST_FILTERS, items_of
from domain.templates.local_filters import LOCAL_FILTERS
from domain.templates.markdown import hide_syntax
from domain.templates.number_filters import NUMBER_FILTERS

Filter = Callable[..., Any]
TextForm = Literal["text", "html", "calendar", "markdown"]

# The library's filters with a text as input; their arguments are texts or integers.
_TEXT_FILTERS = (
    *("append", "prepend", "capitalize", "downcase", "upcase", "lstrip", "rstrip", "strip", "squish"),
    *("remove", "remove_first", "remove_last", "replace_first", "replace_last", "split", "truncate", "truncatewords"),
    *("escape", "escape_once", "newline_to_br", "strip_newlines", "url_decode", "url_encode"),
    *("base64_decode", "base64_encode", "base64_url_safe_decode", "base64_url_safe_encode"),
)
# Their cost is independent of the values.
_CONSTANT = frozenset({"default", "first", "last", "size"})
_ARGUMENTS: dict[str, Signature] = {}
_TAKES_NOTHING = frozenset({"default", "json"})


class _Environment(SpellingEnvironment):
    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        del self.tags["include"]
        for tag_class in (
            *(OutputTag, EchoOutputTag, CountedCycleTag, CountedForTag, CountedTablerowTag),
            *(StrictIfTag, StrictUnlessTag, RenderTag),
        ):
            self.add_tag(tag_class)
        own = self.filters
        # Without `safe` and `escapejs`, which would let data escape the escaping.
        self.filters = {name: own[name] for name in ("first", "last", "size")}
        self.filters |= {name: _wrap_text(own[name]) for name in _TEXT_FILTERS}
        self.filters |= {
            "default": _default,
            "json": _json,
            "replace": _wrap_text(_bounded_replace(own["replace"])),
            "slice": _wrap_list_or_text(own["slice"]),
            "strip_html": _wrap_text(_strip_html),
            **{name: _wrap_list(found) for name, found in LIST_FILTERS.items()},
            **NUMBER_FILTERS,
            **LOCAL_FILTERS,
        }
        self.filters = {name: _guard(name, found) for name, found in self.filters.items()}


class _ComposedEnvironment(_Environment):
    """The Liquid of texts into which their blocks are put."""

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        del self.tags[RENDER]
        self.add_tag(BlockTag)


class _CalendarEnvironment(_Environment):
    """The Liquid of calendar files."""

    def spell(self, value: object) -> str:
        return escape_calendar(text_of(value))


class _MarkdownEnvironment(_Environment):
    """The Liquid of rich texts."""

    def spell(self, value: object) -> str:
        return hide_syntax(text_of(value))


def arguments_of(name: str) -> Signature:
    """Return a filter's arguments besides its input, to check templates."""
    return _ARGUMENTS[name]


def bound_arguments(used: UsedFilter) -> Mapping[str, Expression]:
    """Return the expressions of a filter's arguments by name.

    Raises TypeError if the filter takes others.
    """
    named = {each.name: each.value for each in used.args if isinstance(each, KeywordArgument)}
    others = [each.value for each in used.args if not isinstance(each, KeywordArgument)]
    return arguments_of(used.name).bind(*others, **named).arguments


def _guard(name: str, inner: Filter) -> Filter:
    """Wrap a filter: skip missing input, charge for work, hide values in errors."""
    wants = {key for key in ("context", "environment") if _takes(inner, key)}

    def guarded(*values: Any, context: Context, **named: Any) -> Any:
        if name not in _TAKES_NOTHING:
            for value in (*values, *named.values()):
                if isinstance(value, Missing):
                    return value
            if is_nothing(values[0]):
                return None
        if name not in _CONSTANT:
            context.budget.charge_for(*values, *named.values())
        known = {"context": context, "environment": context.env}
        try:
            result = inner(*values, **named, **{key: known[key] for key in wants})
        except LiquidError as error:
            if error.token is not None or isinstance(error, ResourceLimitError):
                raise
            raise _refusal(name, values, named, error) from error
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise _refusal(name, values, named, error) from error
        if isinstance(result, str):
            if len(result) > MAX_OUTPUT_BYTES:
                raise OutputStreamLimitError("too much output", token=None)
            # A decoder makes it of any text, and neither a mail nor the database holds it.
            return result.replace("\0", "\ufffd")
        return result

    guarded.with_context = True  # type: ignore[attr-defined]  # the library's mark
    _ARGUMENTS[name] = _arguments(inner)
    return guarded


def _refusal(name: str, values: Sequence[Any], named: Mapping[str, Any], error: Exception) -> FilterRefusedError:
    """Blame the argument that is never valid, else the input."""
    _, *others = values
    arguments = arguments_of(name).bind(*others, **named).arguments
    argument, cause = find_unfit_argument(name, arguments) or (None, error)
    value = values[0] if argument is None else arguments[argument]
    return FilterRefusedError(argument, kind_of(value), cause.wanted if isinstance(cause, UnfitValueError) else None)


def _takes(inner: Filter, key: str) -> bool:
    return key in signature(inner).parameters


def _arguments(inner: Filter) -> Signature:
    _, *others = signature(inner).parameters.values()
    return Signature([each for each in others if each.name not in ("context", "environment")])


def _keep_signature(inner: Filter) -> Callable[[Filter], Filter]:
    def signed(outer: Filter) -> Filter:
        outer.__signature__ = signature(inner)  # type: ignore[attr-defined]
        return outer

    return signed


def _wrap_text(inner: Filter) -> Filter:
    @_keep_signature(inner)
    def of_text(value: object, *arguments: object, **known: Any) -> Any:
        return inner(text_of(value), *map(_text_or_integer, arguments), **known)

    return of_text


def _wrap_list(inner: Filter) -> Filter:
    @_keep_signature(inner)
    def of_list(value: object, *arguments: object) -> Any:
        return inner(items_of(value), *arguments)

    return of_list


def _wrap_list_or_text(inner: Filter) -> Filter:
    @_keep_signature(inner)
    def of_either(value: object, *arguments: object) -> Any:
        given = value if isinstance(value, list | tuple | range) else text_of(value)
        return inner(given, *map(_text_or_integer, arguments))

    return of_either


def _text_or_integer(value: object) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else text_of(value)


def _default(value: object, other: object = "", *, allow_false: object = False) -> object:
    if is_nothing(value) or is_empty(value) or (value is False and allow_false is not True):
        return other
    return value


def _json(value: object) -> str:
    return json_text(value)


def _bounded_replace(unbounded: Filter) -> Filter:
    """Bound `replace`, the only filter whose result may be the input squared."""

    @wraps(unbounded)
    def bounded(value: str, sought: object, put: object = "") -> Any:
        if value.count(str(sought)) * len(str(put)) > MAX_OUTPUT_BYTES:
            raise OutputStreamLimitError("too much output", token=None)
        return unbounded(value, sought, put)

    return bounded


_SPANS = tuple(
    (re.compile(begin, re.IGNORECASE), re.compile(end, re.IGNORECASE))
    for begin, end in (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>"))
)


def _strip_html(value: str) -> str:
    """Remove tags, comments, scripts and styles like Shopify, in linear time."""
    kept: list[str] = []
    at = 0
    endless: set[int] = set()
    while (begin := value.find("<", at)) >= 0:
        kept.append(value[at:begin])
        end = -1
        for number, (opening, closing) in enumerate(_SPANS):
            if number not in endless and opening.match(value, begin):
                found = closing.search(value, begin)
                endless |= set() if found else {number}
                end = found.end() if found else -1
                break
        if end < 0:
            end = value.find(">", begin) + 1
        if end == 0:
            at = begin
            break
        at = end
    stripped = "".join([*kept, value[at:]])
    return Markup(stripped) if isinstance(value, Markup) else stripped  # noqa: S704 - as much HTML as it was before


TEXT = _Environment(undefined=Missing, autoescape=False)
HTML = _Environment(undefined=Missing, autoescape=True)
ENVIRONMENTS: Final[Mapping[TextForm, liquid.Environment]] = {
    "text": TEXT,
    "html": HTML,
    "calendar": _CalendarEnvironment(undefined=Missing, autoescape=False),
    "markdown": _MarkdownEnvironment(undefined=Missing, autoescape=False),
}
COMPOSED: Final[Mapping[TextForm, liquid.Environment]] = {
    "text": _ComposedEnvironment(undefined=Missing, autoescape=False),
    "html": _ComposedEnvironment(undefined=Missing, autoescape=True),
}
