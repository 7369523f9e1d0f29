"""The frequency-cap document: one for the whole deployment."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from domain.campaign.durations import DurationError, parse_duration
from domain.campaign.schema import Document, Duration, Given, Listed, Slug, refuse, shown
from domain.campaign.schema_errors import validate
from domain.campaign.steps import ChannelName
from domain.campaign.yaml_source import Source, read
from domain.errors import InvalidDocumentError, Problem
from domain.sending.caps import CapRule

MIN_WINDOW = 60
_ALLOWED = "A rolling window is from 1m to 366d: `1d`, `7d`, `12h`"


def _rolling(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("calendar"):
        refuse(f"{shown(value)} is not a window", _ALLOWED)
    try:
        if isinstance(value, str) and 0 < parse_duration(value) < MIN_WINDOW:
            refuse(f"{shown(value)} is too short", _ALLOWED)
    except DurationError as error:
        refuse(error.message, f"{error.suggestion}. {_ALLOWED}")
    return value


class CapRuleModel(Document):
    """At most `limit` messages to one person in any time of the length `per`. Nothing listed means all."""

    name: Slug
    limit: Annotated[int, Field(ge=1, le=10_000, description="the most messages in the window")]
    per: Annotated[Duration, BeforeValidator(_rolling)] = Field(description=_ALLOWED)
    channels: Annotated[Annotated[tuple[ChannelName, ...], Listed, Field(min_length=1)] | None, Given] = None
    categories: Annotated[Annotated[tuple[Slug, ...], Listed, Field(min_length=1)] | None, Given] = None


class CapsDocument(Document):
    """All of the rules. Each of them must allow a message."""

    rules: Annotated[tuple[CapRuleModel, ...], Listed] = Field(description="a list of rules, `[]` for none")


def parse_caps(text: str, file: str) -> tuple[CapRule, ...]:
    """The rules of a document. Raises InvalidDocumentError with everything that is wrong with it."""
    source = read(text, file)
    document, problems = validate(CapsDocument, source)
    problems += [*source.problems, *_duplicates(source)]
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    return tuple(
        CapRule(rule.name, rule.limit, rule.per, rule.channels or (), rule.categories or ()) for rule in document.rules
    )


def _duplicates(source: Source) -> list[Problem]:
    rules = source.data.get("rules") if isinstance(source.data, dict) else None
    first: dict[str, int] = {}
    problems = []
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        name = rule.get("name") if isinstance(rule, dict) else None
        if not isinstance(name, str):
            continue
        path = ("rules", index, "name")
        if name in first:
            said = f"the name `{name}` is taken by the rule on line {first[name]}"
            problems.append(source.problem(path, said, "Give each rule a name of its own"))
        first.setdefault(name, source.line(path))
    return problems
