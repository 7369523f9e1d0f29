"""Names of a campaign that were never reported are told, with the one that may be meant."""

from collections.abc import Collection, Mapping

import pytest

from domain.data_plan.never_seen import ReportedName, iter_named, never_seen_warnings
from domain.document.yaml_source import read

REPORTED: Mapping[ReportedName, int] = {
    ("track", "Order Completed"): 12_031,
    ("track", "Cart Abandoned"): 7,
    ("page", "Pricing"): 1_200,
    ("page", "Docs"): 1,
}


def warnings(
    text: str,
    reported: Mapping[ReportedName, int] = REPORTED,
    known: Collection[ReportedName] = (),
    crowded: Collection[str] = (),
) -> list[str]:
    source = read(text, "cart.yaml")
    found = never_seen_warnings(source, iter_named(source.data), reported, known, crowded, 7)
    return [str(one) for one in found]


def test_the_name_that_is_meant_is_told_with_its_number() -> None:
    assert warnings("key: a\nentry: {event: Order Complete}\n") == [
        "cart.yaml:2: entry.event: the event `Order Complete` was never reported. "
        "Did you mean `Order Completed`, 12,031 times in 7 days?"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("entry: {event: PRICING}", "It takes effect once it is"),
        ("entry: {event: Pricing}", "Did you mean the page of this name, 1,200 times in 7 days?"),
        ("entry: {page: Doc}", "Did you mean `Docs`, once in 7 days?"),
        ("entry: {page: Prices}", "Did you mean `Pricing`, 1,200 times"),
        ("exit: [{event: ORDER COMPLETED}]", "Did you mean `Order Completed`"),
        ("steps: [{id: a, wait_for: {events: [{event: Sung}], timeout: 1d}}]", "the event `Sung` was never reported"),
        ("goal: {event: Sung, within: 1d}", "goal.event: the event `Sung` was never reported"),
    ],
)
def test_names_are_found_wherever_they_stand(text: str, told: str) -> None:
    [warning] = warnings(text)
    assert told in warning


@pytest.mark.parametrize(
    "text",
    [
        "entry: {event: Order Completed}",
        "entry: {page: '*'}",
        "steps: [{id: a, emit_event: {event: Sung}}]",
        "steps: [{id: a, emit_event: Sung}]",
        "steps: [{id: a, wait_for: {event: Push Opened, timeout: 1d}}]",
        "steps: [{id: a, update_profile: {event: Sung}}]",
    ],
)
def test_what_needs_no_report(text: str) -> None:
    assert warnings(text) == []


def test_it_is_silent_where_it_cannot_know() -> None:
    text = "entry: {event: Sung}"
    assert warnings(text, {}) == []
    assert warnings(text, known={("track", "Sung")}) == []
    assert warnings(text, crowded={"track"}) == []
