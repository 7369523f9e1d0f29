"""Declared events are read, and departures from them are found; none of it quotes a value."""

import pytest

from domain.data_plan.declared import DeclaredEvents
from domain.data_plan.events_document import parse_events, to_document
from domain.errors import InvalidDocumentError

DOCUMENT = """
closed: true
events:
  Order Completed:
    closed: true
    properties:
      value: {type: number, required: true}
      currency: {values: [EUR, USD]}
      paid_at: timestamp
      address: object
      products: list
      products[].sku: {type: string, required: true}
  Viewed: {}
pages:
  Pricing: {}
traits:
  properties: {plan: {values: [free, pro]}}
"""
DECLARED = DeclaredEvents(parse_events(DOCUMENT, "events.yaml"))
GOOD = {
    "value": 1,
    "currency": "EUR",
    "paid_at": "2026-11-22T08:00:00Z",
    "address": {"city": "Rome"},
    "products": [{"sku": "a"}],
}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"value": "12.50"}, ["value is a string instead of a number"]),
        ({"value": True}, ["value is a boolean instead of a number"]),
        ({"value": None}, ["value is null"]),
        ({"currency": "GBP"}, ["currency is not one of 2 declared values"]),
        ({"paid_at": "yesterday"}, ["paid_at is a string instead of a timestamp"]),
        ({"address": "Rome"}, ["address is a string instead of an object"]),
        ({"coupon": "X"}, ["coupon is not declared"]),
        ({"ada@example.com": 1}, ["a property is not declared"]),
        ({"products": [{"sku": 1}]}, ["products[].sku is an integer instead of a string"]),
    ],
)
def test_departures_of_properties(changes: dict[str, object], told: list[str]) -> None:
    found = DECLARED.find_violations("shop", "track", "Order Completed", {**GOOD, **changes})
    assert [one.text for one in found] == told


def test_a_required_property_that_is_missing() -> None:
    found = DECLARED.find_violations("shop", "track", "Order Completed", {"products": []})
    assert [(one.kind, one.path) for one in found] == [("missing_property", "value")]


@pytest.mark.parametrize(
    ("type", "name", "kinds"),
    [
        ("track", "Order Complete", ["unknown_event"]),
        ("track", "Viewed", []),
        ("page", "Home", ["unknown_event"]),
        # Nothing is declared of screens.
        ("screen", "Home", []),
        ("group", None, []),
    ],
)
def test_names_that_are_not_declared(type: str, name: str | None, kinds: list[str]) -> None:
    assert [one.kind for one in DECLARED.find_violations("shop", type, name, {"x": 1})] == kinds  # type: ignore[arg-type]


def test_traits_are_those_of_any_identify() -> None:
    [found] = DECLARED.find_violations("shop", "identify", None, {"plan": "gold", "email": "ada@example.com"})
    assert (found.text, found.name) == ("plan is not one of 2 declared values", "")


def test_own_events_are_never_violations() -> None:
    assert DECLARED.find_violations("sojourn", "track", "Session Ended", {}) == []
    assert DeclaredEvents([]).find_violations("shop", "track", "A", {}) == []


def test_no_violation_tells_a_value() -> None:
    secret = "ada@example.com"
    given = {**dict.fromkeys(GOOD, secret), secret: 1}
    told = [*DECLARED.find_violations("shop", "track", "Order Completed", given)]
    told += DECLARED.find_violations("shop", "track", secret, {})
    assert len(told) > 4
    assert secret not in str(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "events:\n  A: {properties: {v: nmber}}",
            "2: events.A.properties.v: `nmber` is not a type. Did you mean",
        ),
        ("events:\n  A: {closd: true}", "2: events.A.closd: the key `closd` is not known here. Did you mean `closed`"),
        ("events:\n  '“A”': {}", "the quotes are part of the name"),
        ("traits: {properties: {a@b: any}}", "`a@b` is not the path of a property"),
        ("events: [A]", "a list is not a mapping"),
    ],
)
def test_faults_are_told_with_a_remedy(text: str, told: str) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        parse_events(text, "events.yaml")
    assert told in str(refused.value.problems[0])


def test_rules_are_shown_as_they_are_written() -> None:
    shown = {rule["name"]: rule for rule in map(to_document, parse_events(DOCUMENT, "events.yaml"))}
    assert list(shown) == [
        "track Order Completed",
        "track Viewed",
        "track (others)",
        "page Pricing",
        "page (others)",
        "identify",
    ]
    assert shown["track Order Completed"]["properties"]["paid_at"] == "timestamp"
    assert shown["track (others)"] == {"name": "track (others)", "closed": True}
