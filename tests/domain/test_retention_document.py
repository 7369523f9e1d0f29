"""Retention is stated by age, and none is so short that a promise breaks."""

import pytest

from domain.deployment_documents import RETENTION
from domain.errors import InvalidDocumentError
from domain.retention_document import MIN_DAYS, RetentionRule, parse_retention, to_document

DAY = 86_400


def test_ages_are_read_and_written() -> None:
    rules = parse_retention("retention: {events: 400d, message_ids: 7d}\n", "retention.yaml")
    assert rules == (RetentionRule("events", 400 * DAY), RetentionRule("message_ids", 7 * DAY))
    assert to_document(rules[0]) == {"name": "events", "age": "400d"}
    assert parse_retention(RETENTION.initial, "retention.yaml") == ()


@pytest.mark.parametrize("kind", MIN_DAYS)
def test_an_age_below_the_least_is_refused_with_the_reason(kind: str) -> None:
    days, reason = MIN_DAYS[kind]  # type: ignore[index]
    with pytest.raises(InvalidDocumentError) as refused:
        parse_retention(f"retention:\n  {kind}: {days * 24 - 1}h\n", "retention.yaml")
    [problem] = refused.value.problems
    assert (problem.line, problem.path) == (2, f"retention.{kind}")
    assert reason in problem.message
    assert f"from {days}d on" in (problem.suggestion or "")


@pytest.mark.parametrize("age", ["30", "soon", "[]", "-3d"])
def test_what_is_no_age_is_refused(age: str) -> None:
    with pytest.raises(InvalidDocumentError):
        parse_retention(f"retention: {{events: {age}}}\n", "retention.yaml")
