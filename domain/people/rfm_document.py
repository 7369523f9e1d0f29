"""The document of RFM: the event of an order, its value, and the window."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final

from pydantic import ConfigDict, Field

from domain.campaign.durations import format_duration
from domain.campaign.event_names import check_names
from domain.campaign.expression_fields import value as expression
from domain.campaign.local_time_fields import ZoneName
from domain.campaign.schema import DocumentModel, Given, Text
from domain.campaign.schema_errors import validate
from domain.campaign.time_fields import Duration
from domain.conditions.expressions import ConditionError, ExpressionScope, compile_value
from domain.document.yaml_source import YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.people.computed_document import is_number
from domain.people.rfm.rule import RFM, RfmRule

INITIAL_RFM: Final = "rfm: {}\n"
DEFAULT_WITHIN: Final = 365 * 86_400
DEFAULT_TIMEZONE: Final = "UTC"
_REQUIRED: Final = ("event", "value")


class RfmModel(DocumentModel):
    """The orders by which buyers are scored."""

    model_config = ConfigDict(
        json_schema_extra={
            "dependentRequired": {
                "event": ["value"],
                "value": ["event"],
                "within": list(_REQUIRED),
                "timezone": list(_REQUIRED),
            }
        }
    )
    synonyms: ClassVar[dict[str, str]] = {"of": "value", "monetary": "value", "window": "within", "zone": "timezone"}

    event: Annotated[Text | None, Given] = Field(None, description="the name of the event: `Order Completed`")
    value: Annotated[str | None, Given, expression(ExpressionScope.COMPUTED)] = Field(
        None, description="an expression in CEL over the event, a number: `event.properties.value`"
    )
    within: Annotated[Duration, Given] = Field(
        DEFAULT_WITHIN, description="only orders of so long ago count; 365d if left out"
    )
    timezone: Annotated[ZoneName, Given] = Field(
        DEFAULT_TIMEZONE, description="the zone at whose midnight the breakpoints are computed anew; UTC if left out"
    )


class RfmDocument(DocumentModel):
    """Scores of buyers by recency, frequency and monetary value."""

    rfm: RfmModel = Field(description="the orders that are scored; `{}` for no scores")


def parse_rfm(text: str, file: str) -> tuple[RfmRule, ...]:
    """Return the rule of a document, or none. Raises InvalidDocumentError."""
    source = read(text, file)
    document, problems = validate(RfmDocument, source)
    problems += [*source.problems, *check_names(source, _iter_names(source)), *_check(source)]
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    model = document.rfm
    if model.event is None or model.value is None:
        return ()
    return (RfmRule(model.event, model.value, model.within, model.timezone),)


def to_rfm_document(rule: RfmRule) -> dict[str, Any]:
    """Return the rule as authors write it."""
    return {
        "name": RFM,
        "event": rule.event,
        "value": rule.value,
        "within": format_duration(rule.within),
        "timezone": rule.timezone,
    }


def _read_rule(source: YamlSource) -> dict[str, Any]:
    written = source.data.get("rfm") if isinstance(source.data, dict) else None
    return written if isinstance(written, dict) else {}


def _iter_names(source: YamlSource) -> Iterator[tuple[tuple[str, str], str]]:
    if isinstance(name := _read_rule(source).get("event"), str):
        yield ("rfm", "event"), name


def _check(source: YamlSource) -> Iterator[Problem]:
    written = _read_rule(source)
    for key in _REQUIRED:
        if written and key not in written:
            said = "which event is an order" if key == "event" else "what an order is worth"
            remedy = "`event: Order Completed`" if key == "event" else "`value: event.properties.value`"
            yield source.problem(("rfm",), f"`{key}` is missing: {said}", f"Add {remedy}")
    if isinstance(text := written.get("value"), str):
        try:
            kind = compile_value(text, ExpressionScope.COMPUTED).checked.kind
        except ConditionError:
            # The field itself reports it.
            return
        if not is_number(kind):
            said = "`value` is a number, and this is another"
            yield source.problem(("rfm", "value"), said, "Name a number: `event.properties.value`")
