"""The document of computed traits: one for the whole deployment."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, get_args

from cel_expr_python import cel
from msgspec import Struct
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from domain.campaign.durations import format_duration
from domain.campaign.event_names import check_names
from domain.campaign.expression_fields import condition, value
from domain.campaign.schema import WHOLE, DocumentModel, Given, Listed, Text, pattern_check, quote_value, refuse
from domain.campaign.schema_errors import validate
from domain.campaign.time_fields import Duration
from domain.conditions.cel_roots import NULLABLE_TEXT
from domain.conditions.expressions import ConditionError, ExpressionScope, compile_value
from domain.document.yaml_source import Path, YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.people.computed.definition import (
    ANYTHING,
    DEFAULT_KEEP,
    EventSelector,
    NamedEventType,
    TraitFunction,
    TraitRule,
    TraitType,
)

# As many as Segment allows in a workspace: all traits of a person are one row.
MAX_COMPUTED_TRAITS = 50
MAX_KEEP = 200
MAX_STEPS_OF_SEQUENCE = 10

INITIAL_COMPUTED = "computed: {}\n"

FUNCTIONS: tuple[TraitFunction, ...] = get_args(TraitFunction)
_WITH_OF = frozenset({"sum", "min", "max", "first", "last", "top", "distinct"})
_NEEDS_OF = _WITH_OF - {"first", "last"}
_NUMERIC = frozenset({"sum", "min", "max"})
_TEXTS = (cel.Type.STRING, cel.Type.DYN, NULLABLE_TEXT)
_HAS_WINDOW_LIST = frozenset({"count", "sum", "min", "max", "first", "top"})
_TYPES: Mapping[TraitFunction, TraitType] = {
    **{"count": "int", "any": "bool", "sum": "double", "min": "double", "max": "double"},
    **{"top": "dyn", "distinct": "dyn", "sequence": "timestamp", "rhythm": "double"},
}
_KEY = r"[a-z][a-z0-9_]{0,63}"
# Words of CEL, which name no field there.
_RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)
_CALLS: Mapping[str, NamedEventType] = {"event": "track", "page": "page", "screen": "screen"}
_FORM = "Write the event's name, `{page: …}`, `{screen: …}`, or `'*'` for anything that the person does"


def _check_key(key: str) -> str:
    if not re.fullmatch(_KEY, key):
        proposal = re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")[:64]
        rule = "Lowercase letters, digits and underscores, a letter first"
        refuse(
            f"{quote_value(key)} is not a trait's key",
            f"Did you mean `{proposal}`? {rule}" if re.fullmatch(_KEY, proposal) else rule,
        )
    if key in _RESERVED:
        refuse(f"`{key}` is a word of CEL", f"Write another one: `{key}_value`")
    return key


TraitKey = Annotated[str, AfterValidator(_check_key), pattern_check(_KEY, "orders")]


class CountedCall(DocumentModel):
    """Calls of one type and name; `'*'` is any name that the person's activity has."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    event: Annotated[Text | None, Given] = Field(None, description="the name of an event")
    page: Annotated[Text | None, Given] = Field(None, description="the name of a page")
    screen: Annotated[Text | None, Given] = Field(None, description="the name of a screen")


def _call_form(given: Any) -> Any:
    if isinstance(given, str | CountedCall):
        return given
    if not isinstance(given, Mapping):
        refuse(f"{quote_value(given)} names no event", _FORM)
    if len(given) != 1:
        refuse("it names no event" if not given else "it names several events", _FORM)
    return given


Counted = Annotated[
    Annotated[Text, Tag("name")] | Annotated[CountedCall, Tag("call")],
    Discriminator(lambda given: "name" if isinstance(given, str) else "call"),
    BeforeValidator(_call_form),
]
_Given = Annotated[Counted | None, Given]


class TraitModel(DocumentModel):
    """A computation over a person's events: one function of the events that it names."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in FUNCTIONS]})
    synonyms: ClassVar[Mapping[str, str]] = {
        **{
            "unique": "distinct",
            "mode": "top",
            "most_frequent": "top",
            "group_by": "by",
            "latest": "last",
            "earliest": "first",
        },
        **{"exists": "any", "filter": "where", "window": "within", "value": "of", "limit": "keep"},
    }

    count: _Given = Field(None, description="how many events there were")
    any: _Given = Field(None, description="whether there was any")
    sum: _Given = Field(None, description="the sum of the numbers in `of`, in decimals")
    min: _Given = Field(None, description="the least number in `of`")
    max: _Given = Field(None, description="the greatest number in `of`")
    first: _Given = Field(None, description="the time of the first event, or its `of`")
    last: _Given = Field(None, description="the time of the last event, or its `of`")
    top: _Given = Field(None, description="the most frequent value in `of`")
    distinct: _Given = Field(None, description="the different values in `of`, the latest first")
    sequence: Annotated[
        Annotated[tuple[Counted, ...], Listed, Field(min_length=2, max_length=MAX_STEPS_OF_SEQUENCE)] | None, Given
    ] = Field(None, description="the last time at which these events had come in order: `[Viewed, Bought]`")
    rhythm: _Given = Field(None, description="the time since the last event, in gaps that are usual for the person")
    where: Annotated[str | None, Given, condition(ExpressionScope.COMPUTED)] = Field(
        None, description="a condition in CEL over the event: which of them count"
    )
    of: Annotated[str | None, Given, value(ExpressionScope.COMPUTED)] = Field(
        None, description="an expression in CEL over the event: `event.properties.value`"
    )
    by: Annotated[str | None, Given, value(ExpressionScope.COMPUTED)] = Field(
        None,
        description="an expression in CEL over the event: the count of each of its values, `event.properties.topic`",
    )
    within: Annotated[Duration | None, Given] = Field(
        None, description="only events of so long ago: `30d`; in a sequence, the longest time from first to last"
    )
    keep: Annotated[Annotated[int, Field(ge=1, le=MAX_KEEP), WHOLE] | None, Given] = Field(
        None, description=f"how many different values are kept; {DEFAULT_KEEP} if left out"
    )
    exact: bool = Field(
        False, description="whether a window is exact up to 4,096 events of a person, where 64 are usual"
    )


class ComputedDocument(DocumentModel):
    """The computed traits by key, and the sources that report nothing a person does."""

    computed: Annotated[dict[TraitKey, TraitModel], Field(max_length=MAX_COMPUTED_TRAITS)] = Field(
        description="each trait by its key, `{}` for none: `orders: {count: Order Completed}`"
    )
    server_sources: Annotated[tuple[Text, ...], Listed] = Field(
        (), description="sources that report what systems did, not what people did: `[billing]`"
    )


class NamedTrait(Struct, frozen=True):
    """A trait's rule and key, as the document has them."""

    key: str
    rule: TraitRule


def parse_computed(text: str, file: str) -> tuple[NamedTrait, ...]:
    """Return the traits of a document. Raises InvalidDocumentError with all problems."""
    document = _validate(text, file)
    sources = tuple(sorted(document.server_sources))
    return tuple(NamedTrait(key, _make_rule(model, sources)) for key, model in document.computed.items())


def parse_server_sources(text: str, file: str) -> tuple[str, ...]:
    """Return the sources that report what systems did. Raises InvalidDocumentError."""
    return _validate(text, file).server_sources


def to_trait_document(trait: NamedTrait) -> dict[str, Any]:
    """Return a trait's rule as its document has it."""
    rule = trait.rule
    events = [_write_selector(selector) for selector in rule.events]
    written = {
        rule.function: events if rule.function == "sequence" else events[0],
        "where": rule.where,
        "of": rule.of,
        "by": rule.by,
        "within": rule.within and format_duration(rule.within),
        "keep": rule.keep if rule.function == "distinct" and rule.keep != DEFAULT_KEEP else None,
        "exact": rule.is_exact,
    }
    return {key: value for key, value in written.items() if value}


def is_number(kind: cel.Type) -> bool:
    """Return whether an expression over events may be a number, by its type."""
    return kind in (cel.Type.INT, cel.Type.DYN)


def _validate(text: str, file: str) -> ComputedDocument:
    source = read(text, file)
    document, problems = validate(ComputedDocument, source)
    problems += [*source.problems, *check_names(source, _iter_names(source)), *_check_forms(source)]
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    return document


def _make_rule(model: TraitModel, sources: tuple[str, ...]) -> TraitRule:
    function = next(name for name in FUNCTIONS if getattr(model, name) is not None)
    given = getattr(model, function)
    events = tuple(map(_make_selector, given if function == "sequence" else (given,)))
    return TraitRule(
        function=function,
        events=events,
        type="counts" if model.by is not None else _TYPES.get(function) or _type_of(model.of),
        where=model.where,
        of=model.of,
        by=model.by,
        within=model.within,
        keep=model.keep or DEFAULT_KEEP,
        is_exact=model.exact,
        server_sources=sources if any(selector.name is None for selector in events) else (),
    )


def _make_selector(counted: Counted) -> EventSelector:
    if isinstance(counted, str):
        return EventSelector() if counted == ANYTHING else EventSelector("track", counted)
    key, name = next((key, name) for key in _CALLS if (name := getattr(counted, key)) is not None)
    return EventSelector(_CALLS[key], None if name == ANYTHING else name)


def _write_selector(selector: EventSelector) -> str | dict[str, str]:
    if selector.type is None:
        return ANYTHING
    if selector.type == "track" and selector.name is not None:
        return selector.name
    key = next(key for key, type in _CALLS.items() if type == selector.type)
    return {key: selector.name or ANYTHING}


def _type_of(of: str | None) -> TraitType:
    """Return the type of the first or last event's value, or of its time."""
    if of is None or compile_value(of, ExpressionScope.COMPUTED).checked.kind == cel.Type.TIMESTAMP:
        return "timestamp"
    return "dyn"


def _iter_traits(source: YamlSource) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Iterate over the raw traits of a document."""
    traits = source.data.get("computed") if isinstance(source.data, dict) else None
    for key, trait in traits.items() if isinstance(traits, dict) else ():
        if isinstance(trait, dict):
            yield ("computed", key), trait


def _iter_names(source: YamlSource) -> Iterator[tuple[Path, str]]:
    """Iterate over the names of events in a document."""
    for path, trait in _iter_traits(source):
        for function in FUNCTIONS:
            given = trait.get(function)
            several = enumerate(given) if isinstance(given, list) else [(None, given)]
            for index, one in several:
                place = (*path, function) if index is None else (*path, function, index)
                if isinstance(one, str):
                    yield place, one
                elif isinstance(one, dict):
                    yield from (((*place, key), name) for key, name in one.items() if isinstance(name, str))


def _check_forms(source: YamlSource) -> Iterator[Problem]:
    """Find traits without a function, with several, and with keys of other ones."""
    for path, trait in _iter_traits(source):
        functions = [name for name in FUNCTIONS if name in trait]
        if not functions:
            if all(
                TraitModel.closest_field(key) not in FUNCTIONS for key in trait if key not in TraitModel.model_fields
            ):
                yield source.problem(path, "the trait computes nothing", f"Add one of {', '.join(FUNCTIONS)}")
            continue
        first, *others = functions
        for other in others:
            said = f"`{other}` cannot stand beside `{first}`"
            yield source.problem((*path, other), said, "Write a trait of its own for each")
        yield from (source.problem(*fault) for fault in _find_misplaced(path, trait, first))


def _find_misplaced(path: Path, trait: Mapping[str, Any], function: str) -> Iterator[tuple[Path, str, str]]:
    """Find keys that a function does not have or lacks, as path, message and remedy."""
    if function in _NEEDS_OF and "of" not in trait:
        yield path, f"`of` is missing: `{function}` is of a value", "Add `of: event.properties.…`"
    if "of" in trait and function not in _WITH_OF:
        said = f"`{function}` is of the events, and has no `of`"
        yield (*path, "of"), said, f"Leave it out, or compute {', '.join(sorted(_WITH_OF))}"
    if "within" in trait and function == "rhythm":
        yield (*path, "within"), "`rhythm` is of the latest events, and has no `within`", "Leave it out"
    if "by" in trait and function != "count":
        yield (*path, "by"), f"`{function}` has no `by`", "Leave it out: only `count` has one"
    if "keep" in trait and function != "distinct":
        yield (*path, "keep"), f"`{function}` has no `keep`", "Leave it out: only `distinct` has one"
    if trait.get("exact") is True and ("within" not in trait or function not in _HAS_WINDOW_LIST):
        said = f"`{function}` is exact here" if function != "top" else "`exact` is for windows"
        yield (*path, "exact"), said, "Leave it out"
    if function == "sequence" and isinstance(steps := trait[function], list) and len(steps) == 1:
        yield (*path, function), "a sequence of one event is that event", "Add the next one, or write `last: …`"
    if function in _WITH_OF and isinstance(of := trait.get("of"), str):
        yield from _check_type_of(path, of, function)
    if function == "count" and isinstance(by := trait.get("by"), str):
        kind = _find_type(by)
        if kind is not None and kind not in _TEXTS:
            yield (*path, "by"), "`by` is of texts, and this is none", "Write `string(…)`, or name a property"


def _find_type(text: str) -> cel.Type | None:
    """Return the type of an expression; None if it is wrong, which its field reports."""
    try:
        return compile_value(text, ExpressionScope.COMPUTED).checked.kind
    except ConditionError:
        return None


def _check_type_of(path: Path, of: str, function: str) -> Iterator[tuple[Path, str, str]]:
    if (kind := _find_type(of)) is None:
        return
    if function in _NUMERIC and not is_number(kind):
        yield (*path, "of"), f"`{function}` is of numbers, and this is none", "Name one: `event.properties.value`"
    elif function in ("top", "distinct") and kind not in (*_TEXTS, cel.Type.INT, cel.Type.BOOL):
        said = f"`{function}` is of texts, numbers, true and false, and this is another"
        yield (*path, "of"), said, "Name a property: `event.properties.topic`, or write `string(…)`"
