"""The causes of joins and leaves, in words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.people.profile_state import Source
from domain.people.segments.causes import definition_cause, describe_cause, event_cause, source_cause, time_cause
from domain.people.segments.definition import SegmentDefinition, SegmentRule
from domain.people.segments.explanation import FlippedPart
from tests.engine.computed_harness import event

AT = datetime(2026, 11, 22, 14, 3, 11, 250_000, tzinfo=UTC)
ACTIVE = FlippedPart("profile.computed.active_14d", False)
LAPSING = SegmentDefinition(7, "lapsing", 3, SegmentRule("true"), 12, AT)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (
            time_cause(AT, [ACTIVE]),
            "`profile.computed.active_14d` was no longer true as of 2026-11-22 14:03:11 UTC",
        ),
        (
            time_cause(AT, [FlippedPart("a &&\n  b", True), FlippedPart("c", None)]),
            "`a && b` became true and `c` could no longer be evaluated as of 2026-11-22 14:03:11 UTC",
        ),
        (time_cause(AT, []), "its time had come as of 2026-11-22 14:03:11 UTC"),
        (event_cause(event("Order Completed", at=AT)), "by Order Completed of 2026-11-22 14:03:11 UTC"),
        (event_cause(event(None, type="identify", at=AT)), "by identify of 2026-11-22 14:03:11 UTC"),
        (definition_cause(LAPSING), "by version 3 of the definition of lapsing"),
        (source_cause(Source("operator", "ada", AT, "ada")), "by ada"),
        (source_cause(Source("import", "e1", AT, "ada")), "by an import of ada"),
        (source_cause(Source("step", "d1", AT, "win-back/offer")), "by a step of win-back/offer"),
        (source_cause(Source("merge", "e1", AT)), "by a merge"),
        (source_cause(Source("event", "e1", AT)), "by an event"),
        (source_cause(Source("link", "m1", AT)), "by a link in a message"),
    ],
)
def test_a_cause_in_words(cause: dict[str, Any], words: str) -> None:
    assert describe_cause(cause) == words


def test_what_an_operator_reports_is_the_operators() -> None:
    reported = event(None, type="identify", at=AT)
    reported.context["sojourn"] = {"by": "ada"}
    assert describe_cause(event_cause(reported)) == "by ada"
