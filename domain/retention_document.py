"""The document of retention: how long the deployment keeps what it records."""

from typing import Annotated, Any, Final, Literal

from msgspec import Struct
from pydantic import BeforeValidator, Field

from domain.campaign.durations import EXPECTED, DurationError, format_duration, parse_duration
from domain.campaign.schema import DocumentModel, Given, quote_value, refuse
from domain.campaign.schema_errors import validate
from domain.document.yaml_source import read
from domain.errors import InvalidDocumentError

RetainedKind = Literal[
    "events",
    "decisions",
    "rejects",
    "audit",
    "message_ids",
    "segment_changes",
    "survey_answers",
    "surveys",
    "consents",
]

_DAY: Final = 86_400
INITIAL_RETENTION: Final = "retention: {}\n"
# The least age of each, in days, and the reason.
MIN_DAYS: Final[dict[RetainedKind, tuple[int, str]]] = {
    "events": (32, "goals, entries and timelines read the last month"),
    "decisions": (32, "funnels, and entries that repeat, read the last month"),
    "rejects": (1, "a day is needed to look at them"),
    "audit": (32, "it says who did what"),
    "message_ids": (7, "clients repeat calls for days, and each would be stored again"),
    "segment_changes": (32, "timelines and trends of segments read the last month"),
    "survey_answers": (32, "results and journeys read the last month"),
    "surveys": (32, "links of mails are followed for weeks"),
    "consents": (366, "complaints about a message come long after its consent has ended"),
}
# The ages of those that no document has to name.
DEFAULT_DAYS: Final[dict[RetainedKind, int]] = {"rejects": 30, "surveys": 180}


class RetentionRule(Struct, frozen=True):
    """The age in seconds from which rows of a kind are deleted."""

    kind: RetainedKind
    seconds: int


def _check_age(kind: RetainedKind) -> BeforeValidator:
    days, reason = MIN_DAYS[kind]

    def check(value: Any) -> int:
        remedy = f"Write an age from {days}d on, such as `400d`"
        if not isinstance(value, str):
            refuse(f"{quote_value(value)} is not a duration", f"{EXPECTED}. {remedy}")
        try:
            seconds = parse_duration(value)
        except DurationError as error:
            refuse(error.message, f"{error.suggestion}. {remedy}")
        if seconds < days * _DAY:
            refuse(f"{quote_value(value)} is too short: {reason}", remedy)
        return seconds

    return BeforeValidator(check)


_AGE: Final[dict[str, Any]] = {"type": "string", "pattern": r"^\s*(\d+[a-z]+\s*)+$", "examples": ["400d"]}


def _age(kind: RetainedKind, description: str) -> Any:
    default = f"; {DEFAULT_DAYS[kind]}d if left out" if kind in DEFAULT_DAYS else ""
    text = f"{description}; at least {MIN_DAYS[kind][0]}d{default}"
    return Field(None, description=text, json_schema_extra=_AGE)


class RetainedAges(DocumentModel):
    """The ages from which rows are deleted; most stay without one."""

    events: Annotated[int | None, _check_age("events"), Given] = _age("events", "events, by their arrival")
    decisions: Annotated[int | None, _check_age("decisions"), Given] = _age(
        "decisions", "decisions of journeys that are over"
    )
    rejects: Annotated[int | None, _check_age("rejects"), Given] = _age("rejects", "refused calls and parts")
    audit: Annotated[int | None, _check_age("audit"), Given] = _age("audit", "lines of the audit log")
    message_ids: Annotated[int | None, _check_age("message_ids"), Given] = _age(
        "message_ids", "message ids, by which repeated calls are known"
    )
    segment_changes: Annotated[int | None, _check_age("segment_changes"), Given] = _age(
        "segment_changes", "who joined and left segments, and why"
    )
    survey_answers: Annotated[int | None, _check_age("survey_answers"), Given] = _age(
        "survey_answers", "answers to surveys"
    )
    surveys: Annotated[int | None, _check_age("surveys"), Given] = _age(
        "surveys", "surveys that mails link to; later their links say that they are closed"
    )
    consents: Annotated[int | None, _check_age("consents"), Given] = _age(
        "consents", "answers to channels and topics with their proof, from when a later answer replaced them"
    )


class RetentionDocument(DocumentModel):
    """How long the deployment keeps what it records."""

    retention: RetainedAges = Field(RetainedAges(), description="the age from which each kind is deleted")


def parse_retention(text: str, file: str) -> tuple[RetentionRule, ...]:
    """Return the rules of a document. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(RetentionDocument, source)
    problems += source.problems
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    ages = document.retention
    found = {kind: getattr(ages, kind) for kind in MIN_DAYS}
    return tuple(RetentionRule(kind, seconds) for kind, seconds in found.items() if seconds is not None)


def to_document(rule: RetentionRule) -> dict[str, Any]:
    """Return a rule as authors write it."""
    return {"name": rule.kind, "age": format_duration(rule.seconds)}
