import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.tracking.event import CallType, Event
from domain.tracking.item import TYPES
from tests.domain.tracking.calls import RECEIVED, decoded, error, event, of_items, of_texts, reject


def test_a_track_has_all_of_its_parts() -> None:
    [got] = of_items(
        {
            "type": "track",
            "messageId": "m-1",
            "event": "Cart Abandoned",
            "userId": "u-1",
            "anonymousId": None,
            "properties": {"value": 129.5, "items": [1, {"sku": "ü"}]},
            "context": {"ip": "192.0.2.1"},
            "integrations": {},
            "timestamp": "2026-11-01T11:00:00.250Z",
        }
    ).events
    assert got == Event(
        id=UUID(int=1),
        source="shop",
        message_id="m-1",
        type="track",
        name="Cart Abandoned",
        user_id="u-1",
        anonymous_id=None,
        properties={"value": 129.5, "items": [1, {"sku": "ü"}]},
        context={"ip": "192.0.2.1"},
        timestamp=datetime(2026, 11, 1, 11, 0, 0, 250_000, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("call", "name", "properties"),
    [
        ({"type": "identify", "traits": {"plan": "pro"}}, None, {"plan": "pro"}),
        ({"type": "identify"}, None, {}),
        ({"type": "page", "name": "Pricing", "properties": {"a": 1}}, "Pricing", {"a": 1}),
        ({"type": "page", "name": "", "properties": None}, None, {}),
        ({"type": "page", "category": "Docs"}, None, {"category": "Docs"}),
        ({"type": "page", "category": "Docs", "properties": {"category": "own"}}, None, {"category": "own"}),
        ({"type": "screen", "name": "Basket"}, "Basket", {}),
        ({"type": "group", "groupId": "g", "traits": {"plan": "team"}}, None, {"plan": "team"}),
        ({"type": "alias", "previousId": "a"}, None, {}),
    ],
)
def test_names_and_properties_of_each_type(call: dict[str, Any], name: str | None, properties: dict[str, Any]) -> None:
    [got] = of_items({"userId": "u", **call}).events
    assert (got.type, got.name, got.properties) == (call["type"], name, properties)
    assert got.group_id == call.get("groupId")
    assert got.previous_id == call.get("previousId")


@pytest.mark.parametrize("kind", TYPES)
def test_a_single_call_takes_its_type_from_its_address(kind: CallType) -> None:
    body = b'{"type": "nonsense", "event": "E", "userId": "u", "groupId": "g", "previousId": "p"}'
    assert [got.type for got in decoded(body, kind).events] == [kind]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"event": "E", "userId": "u"}, "identify, page, screen, group, alias; it is missing"),
        ({"type": "Track", "event": "E", "userId": "u"}, 'it is "Track"'),
        ({"type": 3}, "type must be a string or null; it is 3"),
        ({"type": "track", "userId": "u"}, "a track needs event, a non-empty string"),
        ({"type": "track", "userId": "u", "event": ""}, "a track needs event, a non-empty string"),
        ({"type": "track", "userId": "u", "event": 7}, "event must be a string or null; it is 7"),
        ({"type": "track", "userId": "u", "event": "x" * 256}, "event may have 255 characters; it has 256"),
        ({"type": "page", "userId": "u", "name": "x" * 256}, "name may have 255 characters; it has 256"),
        ({"type": "page"}, "userId or anonymousId is needed"),
        ({"type": "page", "userId": "", "anonymousId": None}, "userId or anonymousId is needed"),
        ({"type": "page", "userId": "x" * 256}, "userId may have 255 characters; it has 256"),
        ({"type": "page", "userId": 1.5}, "userId must be a string or a whole number; it is 1.5"),
        ({"type": "page", "userId": ["u"]}, "userId must be a string, a whole number or null; it is an array"),
        ({"type": "page", "userId": "u", "messageId": "x" * 256}, "messageId may have 255 characters"),
        ({"type": "group", "userId": "u"}, "a group needs groupId"),
        ({"type": "alias", "userId": "u"}, "an alias needs previousId and userId"),
        ({"type": "alias", "previousId": "p", "anonymousId": "a"}, "an alias needs previousId and userId"),
        ({"type": "page", "userId": "u", "properties": [1]}, "properties must be an object or null; it is an array"),
        ({"type": "page", "userId": "u", "properties": "x"}, 'properties must be an object or null; it is "x"'),
        ({"type": "page", "userId": "u", "context": "x"}, 'context must be an object or null; it is "x"'),
        ({"type": "identify", "userId": "u", "traits": 1}, "traits must be an object or null; it is 1"),
        ({"type": "page", "userId": True}, "it has userId (true stands for no id)"),
        ({"type": "page", "userId": "u", "timestamp": False}, "it is false"),
        ([], "a call must be an object; it is an array"),
        (None, "a call must be an object; it is null"),
    ],
)
def test_what_is_wrong_with_an_item_is_said(item: Any, reason: str) -> None:
    assert reason in reject(item).error


@pytest.mark.parametrize(
    ("item", "end"),
    [
        ({"type": "page"}, "userId or anonymousId is needed: a non-empty string"),
        ({"type": "alias", "userId": "u"}, "it lacks previousId"),
        ({"type": "alias"}, "it lacks previousId and userId"),
    ],
)
def test_a_missing_id_is_named_once(item: Any, end: str) -> None:
    assert reject(item).error.endswith(end)


def test_numbers_are_taken_for_ids() -> None:
    got = event(userId=4711, anonymousId=42.0, messageId=12)
    assert (got.user_id, got.anonymous_id, got.message_id) == ("4711", "42", "12")


def test_a_long_id_of_255_characters_is_taken() -> None:
    assert event(userId="ü" * 255).user_id == "ü" * 255


@pytest.mark.parametrize(
    "call",
    [
        b'{"writeKey":"sj_1_secret","userId":"u-1"}',
        b'{"userId":"u-1", "context": {"writeKey" : "sj_1_secret"}}',
        b'{"writeKey":"sj_1_secret","userId":"u-1","number":NaN}',
        b'{"writeKey":"sj_1_secret","userId":"u-1","number":1e999}',
    ],
)
def test_a_write_key_is_never_kept(call: bytes) -> None:
    shared = b'{"batch": [{"type": "track", "event": "x", "userId": "u"}], "context": [%b]}' % call
    for found in (of_texts(call), decoded(shared)):
        [kept] = found.rejects
        assert "secret" not in repr(kept)
        assert "(write key)" in kept.body


@pytest.mark.parametrize("field", ["userId", "anonymousId", "messageId", "type", "timestamp", "channel", "my key"])
def test_a_key_in_another_field_is_never_kept(field: str) -> None:
    key = "sj_9f86d081884c7d65_" + "ab12" * 16
    call = {"type": "track", "userId": "u-1", field: f"Bearer {key}", "traits": {"a": [{"b": key}]}}
    for item in (call, {**call, "event": "", field: key}):
        [kept] = of_items(item).rejects
        assert "ab12" not in repr(kept)
        assert "(key)" in kept.body


def test_a_key_in_a_part_that_is_left_out_is_not_kept() -> None:
    key = "sj_9f86d081884c7d65_" + "ab12" * 16
    [left_out] = of_items({"type": "identify", "userId": "u-1", "traits": {"timezone": key}}).rejects
    assert left_out.part == "traits.timezone"
    assert "ab12" not in repr(left_out)


def test_a_missing_message_id_is_made() -> None:
    page = {"type": "page", "userId": "u"}
    result = of_items(page, page | {"messageId": None}, page | {"messageId": ""})
    assert [got.message_id for got in result.events] == [str(UUID(int=number)) for number in (1, 2, 3)]
    assert [got.id for got in result.events] == [UUID(int=number) for number in (1, 2, 3)]


def test_of_one_message_id_the_first_is_kept() -> None:
    page = {"type": "page", "userId": "u", "messageId": "m"}
    result = of_items(page | {"name": "first"}, page | {"name": "second"}, {"type": "page", "messageId": "m"})
    assert [got.name for got in result.events] == ["first"]
    assert (result.repeated, len(result.rejects)) == (["m"], 1)


# Traits that Sojourn reads


@pytest.mark.parametrize(
    "traits",
    [
        {"email": "ada@example.com", "timezone": "Europe/Berlin", "consent": {"email": True, "push": False}},
        {"email": None, "timezone": None, "consent": None},
        {"consent": {}},
    ],
)
def test_known_traits(traits: dict[str, Any]) -> None:
    assert of_items({"type": "identify", "userId": "u", "traits": traits}).events[0].properties == traits


def test_traits_of_a_group_are_its_own() -> None:
    group = {"type": "group", "userId": "u", "groupId": "g", "traits": {"email": 3, "timezone": "none"}}
    assert len(of_items(group).events) == 1


@pytest.mark.parametrize("role", [7, "", "x" * 256, ["admin"], {"is": "admin"}])
def test_an_odd_role_is_left_out_of_a_group(role: Any) -> None:
    group = {"type": "group", "userId": "u", "groupId": "g", "traits": {"role": role, "plan": "team"}}
    found = of_items(group)
    assert found.events[0].properties == {"plan": "team"}
    assert [one.part for one in found.rejects] == ["traits.role"]


# Time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00+00:00"),
        ("2026-11-01T10:00:00.123Z", "2026-11-01T10:00:00.123000+00:00"),
        ("2026-11-01T10:00:00.123456789Z", "2026-11-01T10:00:00.123456+00:00"),
        ("2026-11-01T10:00:00", "2026-11-01T10:00:00+00:00"),
        ("2026-11-01T10:00:00+05:30", "2026-11-01T04:30:00+00:00"),
        ("2026-11-01 02:00:00-0800", "2026-11-01T10:00:00+00:00"),
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
    ],
)
def test_timestamps(text: str, expected: str) -> None:
    assert event(timestamp=text).timestamp.isoformat() == expected
    assert event(originalTimestamp=text).timestamp.isoformat() == expected


@pytest.mark.parametrize("value", ["yesterday", True, {}, "2026-13-01", "2026-02-30T10:00:00Z"])
def test_timestamps_that_are_none(value: Any) -> None:
    assert "timestamp must be ISO 8601" in error(timestamp=value)


def test_without_a_timestamp_it_happened_when_it_arrived() -> None:
    assert event().timestamp == RECEIVED
    assert event(timestamp=None, sentAt="2026-11-01T11:00:00Z").timestamp == RECEIVED


@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp"])
def test_a_skewed_clock_is_corrected(field: str) -> None:
    item = {"type": "page", "userId": "u", field: "2030-01-01T00:00:00Z"}
    corrected = RECEIVED - timedelta(minutes=5)
    assert of_items(item, sentAt="2030-01-01T00:05:00Z").events[0].timestamp == corrected
    assert of_items(item | {"sentAt": "2030-01-01T00:05:00Z"}).events[0].timestamp == corrected
    body = json.dumps(item | {"sentAt": "2030-01-01T00:05:00Z"}).encode()
    assert decoded(body, "page").events[0].timestamp == corrected


def test_the_timestamp_goes_before_the_original_one_and_the_batch_before_the_item() -> None:
    item = {
        "type": "page",
        "userId": "u",
        "timestamp": "2026-11-01T10:00:00Z",
        "originalTimestamp": "2026-11-01T09:00:00Z",
        "sentAt": "2026-11-01T10:59:00Z",
    }
    assert of_items(item, sentAt="2026-11-01T10:01:00Z").events[0].timestamp == RECEIVED - timedelta(minutes=1)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("forged", [{"chain": 0}, {"chain": -1, "campaign": "c"}, None, 7])
def test_no_client_can_say_which_journey_reported_an_event(type: CallType, forged: Any) -> None:
    item = {
        "type": type,
        "userId": "u",
        "event": "E",
        "groupId": "g",
        "previousId": "p",
        "context": {"sojourn": forged, "ip": "192.0.2.1", "page": {"sojourn": 1}},
    }
    kept = {"ip": "192.0.2.1", "page": {"sojourn": 1}}
    assert [got.context for got in of_items(item).events] == [kept]
    assert [got.context for got in decoded(json.dumps(item).encode(), type).events] == [kept]


def test_a_time_without_zone_is_utc_on_both_sides() -> None:
    item = {"type": "page", "userId": "u", "timestamp": "2026-11-01T09:59:00"}
    assert of_items(item, sentAt="2026-11-01T10:00:00").events[0].timestamp == RECEIVED - timedelta(minutes=1)


@pytest.mark.parametrize("sent_at", ["nonsense", True, {}, None, ""])
def test_a_sent_at_that_says_nothing_corrects_nothing(sent_at: Any) -> None:
    item = {"type": "page", "userId": "u", "timestamp": "2026-11-01T09:00:00Z"}
    assert of_items(item, sentAt=sent_at).events[0].timestamp == datetime(2026, 11, 1, 9, tzinfo=UTC)
