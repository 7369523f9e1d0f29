"""Seen events are counted, bounded, and hold nothing of a person."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.data_plan import seen
from domain.data_plan.paths import is_plain_name, iter_values, may_be_personal
from domain.data_plan.seen import SeenEvent, add_event, key_of
from domain.tracking.event import Event

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)


def event(name: str | None = "Order Completed", **properties: Any) -> Event:
    return Event(
        id=uuid4(),
        message_id="m",
        type="track",
        name=name,
        user_id="u-1",
        anonymous_id=None,
        properties=properties,
        context={},
        timestamp=AT,
    )


def seen_after(*events: Event, people: int = 1) -> SeenEvent:
    known: SeenEvent | None = None
    for number, one in enumerate(events):
        known = add_event(known, one, UUID(int=number % people), AT, is_rest=False)
        # As it is stored in between.
        known = msgspec.json.decode(msgspec.json.encode(known), type=SeenEvent)
    assert known is not None
    return known


def test_values_have_paths() -> None:
    given = {"plan": "pro", "address": {"city": "Rome"}, "products": [{"price": 1}, {"price": 2.5}], "tags": ["a"]}
    assert [(path, value) for path, value in iter_values(given) if not isinstance(value, dict | list)] == [
        ("plan", "pro"),
        ("address.city", "Rome"),
        ("products[].price", 1),
        ("products[].price", 2.5),
        ("tags[]", "a"),
    ]


def test_types_and_times_are_counted() -> None:
    known = seen_after(event(value=1), event(value=1.5), event(value=None), event())
    assert (known.count, known.days) == (4, {AT.date(): 4})
    assert known.properties["value"].types == {"integer": 1, "number": 1, "null": 1}
    assert known.properties["value"].count == 3
    late = add_event(known, event(value=1), UUID(int=1), AT - timedelta(days=2), is_rest=False)
    assert (late.first_at, late.last_at) == (AT - timedelta(days=2), AT)


def test_only_the_last_days_are_kept() -> None:
    known: SeenEvent | None = None
    for day in range(20):
        known = add_event(known, event(), UUID(int=1), AT + timedelta(days=day), is_rest=False)
    assert known is not None
    assert (known.count, list(known.days)) == (
        20,
        [AT.date() + timedelta(days=day) for day in range(20 - seen.MAX_DAYS, 20)],
    )


def test_an_example_is_a_value_that_several_people_had() -> None:
    same = [event(currency="EUR", first_name="Ada", gift=True) for _ in range(seen.PEOPLE_OF_EXAMPLE)]
    alone = seen_after(*same, people=1)
    assert (alone.properties["currency"].example, alone.properties["gift"].example) == (None, True)
    assert "EUR" not in msgspec.json.encode(alone).decode()
    shared = seen_after(*same, people=seen.PEOPLE_OF_EXAMPLE)
    assert shared.properties["currency"].example == "EUR"
    assert shared.properties["currency"].candidates is None


@pytest.mark.parametrize(
    "value", ["ada@example.com", "+49 170 1234567", 491701234567, "https://shop.test/u/1", "x" * 41, "two\nlines"]
)
def test_what_may_be_of_a_person_is_no_example(value: object) -> None:
    known = seen_after(*[event(it=value) for _ in range(10)], people=10)
    assert known.properties["it"].example is None
    assert str(value) not in msgspec.json.encode(known).decode()


def test_many_values_are_no_enumeration() -> None:
    known = seen_after(*[event(amount=number) for number in range(seen.MAX_CANDIDATES + 1)], people=100)
    assert (known.properties["amount"].example, known.properties["amount"].candidates) == (None, None)


def test_invented_properties_are_counted_and_not_kept() -> None:
    names: dict[str, Any] = {f"p{number}": 1 for number in range(seen.MAX_PROPERTIES + 30)}
    known = seen_after(event("A", **names, **dict.fromkeys(["ada@example.com", "x" * 200], True)))
    assert len(known.properties) == seen.MAX_PROPERTIES
    assert known.more_properties == 32
    assert "ada" not in msgspec.json.encode(known).decode()


@pytest.mark.parametrize(
    ("name", "is_plain"),
    [
        ("Order Completed", True),
        ("Größe geändert", True),
        ("v2.1", True),
        ("", False),
        ("a@b.c", False),
    ],
)
def test_a_name_that_is_data_is_not_kept(name: str, is_plain: bool) -> None:
    assert is_plain_name(name) is is_plain
    assert key_of(event(name)).is_rest is (bool(name) and not is_plain)


def test_dates_and_amounts_are_not_personal() -> None:
    assert not any(map(may_be_personal, ["120.5", "EUR", "A4", "12:30", "sku-123456", "Order #12"]))
