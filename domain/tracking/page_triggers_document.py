"""The document of page triggers: events that pages report by themselves."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union

import msgspec
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag
from typing_extensions import TypeAliasType

from domain.campaign.event_names import check_names
from domain.campaign.schema import WHOLE, DocumentModel, Listed, Slug, Text, quote_value, refuse
from domain.campaign.schema_errors import validate
from domain.document.yaml_source import YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.suggestions import did_you_mean
from domain.tracking.css_selectors import SELECTOR_FORM, is_selector
from domain.tracking.page_triggers import OncePer, PageTrigger, PageTriggerKind
from domain.tracking.url_globs import UrlGlobs

INITIAL_PAGE_TRIGGERS: Final = "triggers: []\n"
# Each page reads them all.
MAX_PAGE_TRIGGERS: Final = 100
MAX_PROPERTIES: Final = 20
MAX_SECONDS: Final = 3_600
_FORM: Final = "Write its keys: `{name: pricing, event: Pricing Studied, kind: time_on_page, seconds: 30}`"


def _check_selector(selector: str) -> str:
    if not is_selector(selector):
        refuse(f"{quote_value(selector)} is not a selector of CSS", SELECTOR_FORM)
    return selector


ElementSelector = Annotated[
    Text,
    AfterValidator(_check_selector),
    Field(description="a selector of CSS; the first element that it finds counts"),
]
TriggerSeconds = Annotated[int, Field(ge=1, le=MAX_SECONDS), WHOLE]
PercentScrolled = Annotated[int, Field(ge=1, le=100), WHOLE]
ConstantProperty = Annotated[str, Field(max_length=500)] | int | float | bool


class PageTriggerModel(DocumentModel):
    """A rule by which a page reports an event."""

    name: Slug = Field(description="its name in plans")
    event: Text = Field(description="the event that the page reports; asked for only while a rule in force names it")
    kind: PageTriggerKind = Field(description="the occasion")
    where: UrlGlobs = Field((), description="the pages, `[/pricing, /docs/**]`; left out, all of them")
    once_per: OncePer = Field("session", description="how often at most: once on each `page` shown, or per `session`")
    properties: Annotated[dict[Text, ConstantProperty], Field(max_length=MAX_PROPERTIES)] = Field(
        {}, description="the event's properties: texts, numbers, true or false"
    )


class DwellTrigger(PageTriggerModel):
    """The pointer rests over an element, or the focus in it, for some time."""

    kind: Literal["dwell"] = Field(description="`dwell`")
    element: ElementSelector = Field(description="the element, as a selector of CSS")
    seconds: TriggerSeconds = Field(description="for how long, without leaving")


class ScrollTrigger(PageTriggerModel):
    """The page is scrolled to a part of its height."""

    kind: Literal["scroll"] = Field(description="`scroll`")
    percent: PercentScrolled = Field(description="how far, in per cent")


class ExitIntentTrigger(PageTriggerModel):
    """The pointer leaves the page at its top, as on the way to another tab."""

    kind: Literal["exit_intent"] = Field(description="`exit_intent`")


class ElementSeenTrigger(PageTriggerModel):
    """Half of an element comes into sight."""

    kind: Literal["element_seen"] = Field(description="`element_seen`")
    element: ElementSelector = Field(description="the element, as a selector of CSS")


class FeatureUsedTrigger(PageTriggerModel):
    """An element is clicked, or a field in it is changed."""

    kind: Literal["feature_used"] = Field(description="`feature_used`")
    element: ElementSelector = Field(description="the element, as a selector of CSS")


class TimeOnPageTrigger(PageTriggerModel):
    """The page is in sight for some time."""

    kind: Literal["time_on_page"] = Field(description="`time_on_page`")
    seconds: TriggerSeconds = Field(description="for how long")


_MODELS: Final[Mapping[PageTriggerKind, type[PageTriggerModel]]] = {
    "dwell": DwellTrigger,
    "scroll": ScrollTrigger,
    "exit_intent": ExitIntentTrigger,
    "element_seen": ElementSeenTrigger,
    "feature_used": FeatureUsedTrigger,
    "time_on_page": TimeOnPageTrigger,
}


def _kind_of(trigger: Any) -> str | None:
    return trigger.kind if isinstance(trigger, PageTriggerModel) else trigger.get("kind")


def _has_kind(trigger: Any) -> Any:
    if isinstance(trigger, PageTriggerModel):
        return trigger
    if not isinstance(trigger, Mapping):
        refuse(f"{quote_value(trigger)} is not a page trigger", _FORM)
    if "kind" not in trigger:
        refuse("`kind` is missing", f"Write one of {', '.join(_MODELS)}")
    if trigger["kind"] not in _MODELS:
        refuse(f"{quote_value(trigger['kind'])} is not an occasion", did_you_mean(str(trigger["kind"]), _MODELS))
    return trigger


# Type checkers cannot read a union made from a tuple, so they see the base class.
if TYPE_CHECKING:
    AnyPageTrigger = PageTriggerModel
else:
    AnyPageTrigger = Union[tuple(Annotated[model, Tag(kind)] for kind, model in _MODELS.items())]  # noqa: UP007

# An alias, so that the JSON Schema names it once.
AnyTriggerForm = TypeAliasType(
    "AnyTriggerForm", Annotated[AnyPageTrigger, Discriminator(_kind_of), BeforeValidator(_has_kind)]
)


class PageTriggersDocument(DocumentModel):
    """The events that pages report by themselves, while a rule names them."""

    triggers: Annotated[tuple[AnyTriggerForm, ...], Listed, Field(max_length=MAX_PAGE_TRIGGERS)] = Field(
        description="a list of rules, `[]` for none"
    )


def parse_page_triggers(text: str, file: str) -> tuple[PageTrigger, ...]:
    """Return the rules of a document. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(PageTriggersDocument, source)
    problems += source.problems
    if document is not None:
        problems += _find_faults(document, source)
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    return tuple(PageTrigger(**one.model_dump()) for one in document.triggers)


def to_document(rule: PageTrigger) -> dict[str, Any]:
    """Return a rule as authors write it."""
    written: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(rule))
    return written


def _find_faults(document: PageTriggersDocument, source: YamlSource) -> Iterator[Problem]:
    yield from check_names(
        source, ((("triggers", place, "event"), one.event) for place, one in enumerate(document.triggers))
    )
    used: set[str] = set()
    for place, one in enumerate(document.triggers):
        if one.name in used:
            yield source.problem(("triggers", place, "name"), f"`{one.name}` is used twice", "Write another name")
        used.add(one.name)
