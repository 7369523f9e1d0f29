"""What a batch says for all of its calls is merged into each, and what cannot be taken of it costs no call."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from domain.errors import PayloadTooLargeError
from domain.tracking.decode import MAX_MERGED_BYTES, Decoded, decode
from domain.tracking.rejects import BATCH_INDEX
from domain.tracking.shared import merge_shared

RECEIVED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
LIBRARY = {"name": "analytics-go", "version": "3.0.0"}


def decoded(body: bytes) -> Decoded:
    return decode(body, kind="batch", source="shop", received_at=RECEIVED, new_id=uuid7)


def of_items(*items: dict[str, Any], **around: Any) -> Decoded:
    """Tracks with these fields in a batch with these."""
    tracks = [{"type": "track", "userId": "u", "event": "E", **item} for item in items]
    return decoded(json.dumps({"batch": tracks, **around}).encode())


@pytest.mark.parametrize(
    ("outer", "own", "both"),
    [
        ({}, {}, {}),
        ({"locale": "de"}, {}, {"locale": "de"}),
        ({}, {"locale": "de"}, {"locale": "de"}),
        ({"locale": "de"}, {"locale": "fr"}, {"locale": "fr"}),
        ({"locale": "de"}, {"locale": None}, {"locale": None}),
        ({"app": {"name": "Shop", "build": "7"}}, {"app": {"build": "8"}}, {"app": {"name": "Shop", "build": "8"}}),
        ({"app": {"name": "Shop"}}, {"app": "Shop"}, {"app": "Shop"}),
        ({"app": "Shop"}, {"app": {"name": "Shop"}}, {"app": {"name": "Shop"}}),
        ({"ids": [1, 2]}, {"ids": [3]}, {"ids": [3]}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"d": 3}, "e": 4}}, {"a": {"b": {"c": 1, "d": 3}, "e": 4}}),
    ],
)
@pytest.mark.parametrize("field", ["context", "integrations"])
def test_the_own_value_wins_in_depth(
    field: str, outer: dict[str, Any], own: dict[str, Any], both: dict[str, Any]
) -> None:
    [event] = of_items({field: own}, **{field: outer}).events
    assert getattr(event, field) == both


_OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 3), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | st.integers(0, 3), max_size=3),
    max_leaves=12,
)


def paths(value: dict[str, Any], at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Each value that is no object, and each empty object, by its path."""
    found: dict[tuple[str, ...], Any] = {}
    for name, inner in value.items():
        found |= paths(inner, (*at, name)) if isinstance(inner, dict) and inner else {(*at, name): inner}
    return found


@given(_OBJECTS, _OBJECTS)
def test_nothing_is_lost_but_what_the_own_value_replaces(outer: dict[str, Any], own: dict[str, Any]) -> None:
    before = json.dumps([outer, own])
    both = paths(merge_shared(outer, own))
    assert json.dumps([outer, own]) == before
    own_paths = paths(own)
    for path, value in own_paths.items():
        kept = both.get(path)
        assert kept == value or (value == {} and any(other[: len(path)] == path for other in both))
    for path, value in paths(outer).items():
        replaced = any(path[: len(other)] == other and own_paths[other] != {} for other in own_paths)
        replaced = replaced or any(other[: len(path)] == path for other in own_paths)
        assert replaced or both.get(path) == value


def test_calls_do_not_share_what_is_merged_into_them() -> None:
    first, second = of_items({"context": {"ip": "192.0.2.1"}}, {}, context={"library": LIBRARY}).events
    assert first.context == {"library": LIBRARY, "ip": "192.0.2.1"}
    assert second.context == {"library": LIBRARY}


def test_a_batch_cannot_say_what_only_sojourn_can() -> None:
    [event] = of_items({}, context={"sojourn": {"journey_id": "j"}, "locale": "de"}).events
    assert event.context == {"locale": "de"}


@pytest.mark.parametrize("value", [None, [], 3, "all", {}])
def test_what_is_no_object_says_nothing(value: Any) -> None:
    result = of_items({"integrations": {"All": True}}, integrations=value)
    assert (result.rejects, result.events[0].integrations) == ([], {"All": True})


@pytest.mark.parametrize(
    ("around", "part"),
    [
        (b'"context": {"a": NaN}', "context"),
        (b'"context": {"a": "\\u0000"}', "context"),
        (b'"context": {"a": 99999999999999999999}', "context"),
        (b'"integrations": {"a": "\\u0000"}', "integrations"),
        (b'"integrations": {"a": ' + b"[" * 70 + b"]" * 70 + b"}", "integrations"),
        (b'"context": {"a": "' + b"x" * 33_000 + b'"}', "context"),
    ],
)
def test_a_part_that_cannot_be_taken_costs_no_call_and_is_a_reject(around: bytes, part: str) -> None:
    item = b'{"type": "page", "userId": "u", "context": {"ip": "::1"}, "integrations": {"All": true}}'
    result = decoded(b'{"batch": [' + item + b"], " + around + b"}")
    [event] = result.events
    assert (event.context, event.integrations) == ({"ip": "::1"}, {"All": True})
    [reject] = result.rejects
    assert reject.index == BATCH_INDEX
    assert reject.error.startswith(f"the batch's {part} is left out of its calls: ")


def test_the_other_part_is_taken() -> None:
    [event] = of_items({}, context={"a": "\0"}, integrations={"All": False}).events
    assert (event.context, event.integrations) == ({}, {"All": False})


def test_what_is_merged_is_bounded() -> None:
    calls: list[dict[str, Any]] = [{}] * 1_000
    context = {"text": "x" * (MAX_MERGED_BYTES // len(calls))}
    with pytest.raises(PayloadTooLargeError, match="of which there are 1,000"):
        of_items(*calls, context=context)
    assert len(of_items(*calls[:900], context=context).events) == 900


@pytest.mark.parametrize(
    ("fields", "around", "is_history"),
    [
        ({}, {}, False),
        ({"context": {"backfill": True}}, {}, True),
        ({"context": {"backfill": False}}, {}, False),
        ({"context": {"backfill": None}}, {}, False),
        ({}, {"context": {"backfill": True}}, True),
        ({"context": {"backfill": False}}, {"context": {"backfill": True}}, False),
        ({"integrations": {"Sojourn": False}}, {}, True),
        ({"integrations": {"Sojourn": True}}, {}, False),
        ({"integrations": {"Sojourn": {}}}, {}, False),
        ({"integrations": {"All": False}}, {}, False),
        ({}, {"integrations": {"Sojourn": False}}, True),
        ({"integrations": {"Sojourn": True}}, {"integrations": {"Sojourn": False}}, False),
        ({"properties": {"backfill": True}}, {}, False),
    ],
)
def test_history_is_marked_by_call_or_by_batch(
    fields: dict[str, Any], around: dict[str, Any], is_history: bool
) -> None:
    [event] = of_items(fields, **around).events
    assert event.is_history is is_history


@pytest.mark.parametrize(
    ("call", "traits"),
    [
        ({"context": {"traits": {"email": "ada@example.com"}}}, {"email": "ada@example.com"}),
        ({"traits": None, "context": {"traits": {"plan": "pro"}}}, {"plan": "pro"}),
        ({"traits": {}, "context": {"traits": {"plan": "pro"}}}, {"plan": "pro"}),
        ({"traits": {"plan": "free"}, "context": {"traits": {"plan": "pro", "age": 3}}}, {"plan": "free"}),
        ({"context": {"traits": []}}, {}),
        ({"context": {"traits": None}}, {}),
        ({"context": {}}, {}),
        ({}, {}),
    ],
)
def test_an_identify_takes_the_traits_of_its_context_where_it_has_none(
    call: dict[str, Any], traits: dict[str, Any]
) -> None:
    [event] = decoded(json.dumps({"batch": [{"type": "identify", "userId": "u", **call}]}).encode()).events
    assert event.properties == traits
    assert event.context == call.get("context", {})


def test_no_other_call_takes_them() -> None:
    """Those of a group would be the user's: mobile clients put them into the context of each call."""
    context = {"traits": {"email": "ada@example.com"}}
    calls = [
        {"type": "group", "userId": "u", "groupId": "g", "context": context},
        {"type": "track", "userId": "u", "event": "E", "context": context},
        {"type": "page", "userId": "u", "context": context},
    ]
    for event in decoded(json.dumps({"batch": calls}).encode()).events:
        assert (event.properties, event.context) == ({}, context)
