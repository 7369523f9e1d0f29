"""The document of declared events: one for the whole deployment."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from domain.campaign.event_names import check_names
from domain.campaign.schema import DocumentModel, Given, Listed, Text, pattern_check, quote_value, refuse
from domain.campaign.schema_errors import validate
from domain.data_plan.declared import DeclaredEventRule, DeclaredType, DeclaredValue, PropertyRule
from domain.data_plan.paths import MAX_DEPTH, is_plain_name
from domain.document.yaml_source import Path, YamlSource, read
from domain.errors import InvalidDocumentError
from domain.suggestions import did_you_mean
from domain.tracking.event import CallType

MAX_DECLARED_EVENTS: Final = 2_000
MAX_DECLARED_PROPERTIES: Final = 200
MAX_VALUES: Final = 100
INITIAL_EVENTS: Final = "events: {}\n"

_TYPES: Final = get_args(DeclaredType)
# The keys of the document, and the calls that they are about.
_SECTIONS: Final[Mapping[str, CallType]] = {"events": "track", "pages": "page", "screens": "screen"}
_WITHOUT_NAMES: Final[Mapping[str, CallType]] = {"traits": "identify", "group_traits": "group"}


def _check_path(path: str) -> str:
    parts = path.replace("[]", "").split(".")
    if not all(map(is_plain_name, parts)) or len(parts) > MAX_DEPTH:
        refuse(
            f"{quote_value(path)} is not the path of a property",
            f"Write `currency`, `address.city`, or `products[].price` for items of a list; at most {MAX_DEPTH} parts",
        )
    return path


def _type_alone(value: Any) -> Any:
    """Read `value: number` as `value: {type: number}`."""
    if not isinstance(value, str):
        return value
    if value not in _TYPES:
        refuse(f"{quote_value(value)} is not a type", did_you_mean(value, _TYPES))
    return {"type": value}


class DeclaredProperty(DocumentModel):
    """A property; its type alone, such as `value: number`, is enough."""

    type: DeclaredType = Field("any", description="the type of its values; a `timestamp` is a text as of ISO 8601")
    required: bool = Field(False, description="whether each event has it, and not null")
    values: Annotated[
        Annotated[tuple[DeclaredValue, ...], Listed, Field(min_length=1, max_length=MAX_VALUES)] | None, Given
    ] = Field(None, description="all values that it may have")
    description: Annotated[Text | None, Given] = Field(None, description="for readers")


PropertyPath = Annotated[
    str, AfterValidator(_check_path), pattern_check(r"[^@]{1,400}", "currency", "products[].price")
]
Properties = Annotated[
    dict[PropertyPath, Annotated[DeclaredProperty, BeforeValidator(_type_alone)]],
    Field(max_length=MAX_DECLARED_PROPERTIES),
]


class DeclaredEvent(DocumentModel):
    """An event that is reported, with its properties."""

    description: Annotated[Text | None, Given] = Field(None, description="when it is reported, for readers")
    properties: Properties = Field({}, description="its properties, by path")
    closed: bool = Field(False, description="whether it has no other properties")


EventNames = Annotated[dict[Text, DeclaredEvent], Field(max_length=MAX_DECLARED_EVENTS)]


class EventsDocument(DocumentModel):
    """The events that clients are to report. Departures are accepted and shown."""

    events: EventNames = Field({}, description="what `track` reports, by name")
    pages: EventNames = Field({}, description="what `page` reports, by name")
    screens: EventNames = Field({}, description="what `screen` reports, by name")
    traits: Annotated[DeclaredEvent | None, Given] = Field(None, description="the traits that `identify` reports")
    group_traits: Annotated[DeclaredEvent | None, Given] = Field(None, description="the traits that `group` reports")
    closed: bool = Field(
        False,
        description="whether further names are violations, in each of events, pages and screens that is declared here",
    )


def parse_events(text: str, file: str) -> tuple[DeclaredEventRule, ...]:
    """Return the rules of a document. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(EventsDocument, source)
    problems += [*source.problems, *check_names(source, _iter_names(source))]
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    return tuple(_iter_rules(document))


def to_document(rule: DeclaredEventRule) -> dict[str, Any]:
    """Return a rule as its document has it."""
    written = {
        "description": rule.description,
        "properties": {one.path: _property_document(one) for one in rule.properties},
        "closed": rule.is_closed,
    }
    return {"name": rule.name, **{key: value for key, value in written.items() if value}}


def _property_document(rule: PropertyRule) -> Any:
    written = {
        "type": rule.type,
        "required": rule.is_required,
        "values": list(rule.values),
        "description": rule.description,
    }
    given = {key: value for key, value in written.items() if value}
    return rule.type if given.keys() == {"type"} else given


def _iter_rules(document: EventsDocument) -> Iterator[DeclaredEventRule]:
    for section, type in _SECTIONS.items():
        names: dict[str, DeclaredEvent] = getattr(document, section)
        for name, declared in names.items():
            yield _rule(type, name, declared)
        if names and document.closed:
            yield DeclaredEventRule(type, is_closed=True)
    for section, type in _WITHOUT_NAMES.items():
        declared_traits: DeclaredEvent | None = getattr(document, section)
        if declared_traits is not None:
            yield _rule(type, None, declared_traits)


def _rule(type: CallType, name: str | None, declared: DeclaredEvent) -> DeclaredEventRule:
    properties = tuple(
        PropertyRule(path, one.type, one.values or (), one.required, one.description)
        for path, one in declared.properties.items()
    )
    return DeclaredEventRule(type, name, properties, declared.closed, declared.description)


def _iter_names(source: YamlSource) -> Iterator[tuple[Path, str]]:
    for section in _SECTIONS:
        names = source.data.get(section) if isinstance(source.data, dict) else None
        for name in names if isinstance(names, dict) else ():
            if isinstance(name, str):
                yield (section, name), name
