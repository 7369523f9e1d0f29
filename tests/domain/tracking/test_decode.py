import json
import re
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidRequestError, MalformedJsonError, PayloadTooLargeError, SojournError
from domain.tracking.batch import MAX_ITEMS
from domain.tracking.decode import MAX_BATCH_BYTES, Decoded, decode, write_key_of
from domain.tracking.event import CallType, Event, Reject
from domain.tracking.identifiers import Placeholders
from domain.tracking.item import MAX_ITEM_BYTES, TYPES
from domain.tracking.item_error import MAX_DEPTH
from domain.tracking.rejects import MAX_BYTES, MAX_RECORDED, MAX_TEXT_BYTES

RECEIVED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def ids() -> Callable[[], UUID]:
    numbers = count(1)
    return lambda: UUID(int=next(numbers))


def decoded(body: bytes, kind: CallType | Literal["batch"] = "batch") -> Decoded:
    return decode(body, kind=kind, source="shop", received_at=RECEIVED, new_id=ids())


def of_items(*items: Any, **envelope: Any) -> Decoded:
    return decoded(json.dumps({"batch": items, **envelope}).encode())


def decoded_with(placeholders: Placeholders, *items: Any) -> Decoded:
    """As a deployment reads them that has its own list of texts that are no ids."""
    body = json.dumps({"batch": items}).encode()
    return decode(body, kind="batch", source="shop", received_at=RECEIVED, new_id=ids(), placeholders=placeholders)


def of_texts(*items: bytes) -> Decoded:
    return decoded(b'{"batch": [' + b",".join(items) + b"]}")


def event(**fields: Any) -> Event:
    """The event of a track with these fields."""
    result = of_items({"type": "track", "userId": "u", "event": "E", **fields})
    assert result.rejects == []
    return result.events[0]


def error(**fields: Any) -> str:
    """Why a track with these fields is refused."""
    return reject({"type": "track", "userId": "u", "event": "E", **fields}).error


def reject(item: Any) -> Reject:
    result = of_items(item)
    assert result.events == []
    return result.rejects[0]


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


# What jsonb cannot hold


@pytest.mark.parametrize(
    "fields",
    [
        {"properties": {"a": "x\0y"}},
        {"properties": {"a\0": 1}},
        {"properties": {"a": [[{"b": ["\0"]}]]}},
        {"context": {"a": "\0"}},
        {"traits": {"a": "\0"}},
        {"userId": "\0"},
        {"anonymousId": "\0"},
        {"previousId": "\0"},
        {"groupId": "\0"},
        {"event": "\0"},
        {"name": "\0"},
        {"messageId": "\0"},
    ],
)
def test_the_null_character_is_refused_wherever_it_stands(fields: dict[str, Any]) -> None:
    assert r"\u0000" in error(**fields)


def test_an_escaped_backslash_before_u0000_is_text() -> None:
    assert event(properties={"path": r"C:\u0000"}).properties == {"path": r"C:\u0000"}


def test_the_null_character_in_what_is_not_kept_harms_nothing() -> None:
    event(_metadata={"a": "\0"})


@pytest.mark.parametrize("text", [b"\xed\xa0\x80", b"\xff", b"\xc3"])
def test_broken_utf8_is_refused(text: bytes) -> None:
    item = b'{"type": "page", "userId": "u", "properties": {"a": "' + text + b'"}}'
    result = of_texts(item, b'{"type": "page", "userId": "good"}')
    assert [got.user_id for got in result.events] == ["good"]
    assert [refused.index for refused in result.rejects] == [0]
    result.rejects[0].body.encode()


def test_whole_surrogate_pairs_are_characters() -> None:
    assert event(properties={"a": "🛒"}).properties == {"a": "🛒"}


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30, 10**300, 10**400])
def test_numbers_beyond_64_bits_are_refused(number: int) -> None:
    item = b'{"type": "page", "userId": "u", "properties": {"a": [%d]}}' % number
    assert len(of_texts(item).rejects) == 1


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 12345678901234567890.5, 1e300])
def test_numbers_that_fit_are_kept(number: float) -> None:
    assert event(properties={"a": number}).properties == {"a": number}


@pytest.mark.parametrize("text", ["12345678901234567890123", "1" * 300])
def test_digits_in_text_are_no_number(text: str) -> None:
    assert event(properties={"a": text}).properties == {"a": text}


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """A page whose deepest bracket is at this level; the item itself and its properties are the first two."""
    inner = opening * (levels - 2) + b"1" + closing * (levels - 2)
    return b'{"type": "page", "userId": "u", "properties": {"a": ' + inner + b"}}"


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded(brackets: tuple[bytes, bytes]) -> None:
    assert len(of_texts(nested(MAX_DEPTH, *brackets)).events) == 1
    for levels in (MAX_DEPTH + 1, 500, 5_000):
        result = of_texts(nested(levels, *brackets), b'{"type": "page", "userId": "good"}')
        assert [got.user_id for got in result.events] == ["good"]
        assert "nested" in result.rejects[0].error


def test_width_is_not_depth() -> None:
    assert len(event(properties={"a": [[] for _ in range(200)]}).properties["a"]) == 200


# One bad item harms no other


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"type": "page", "userId": "u", "properties": {"a": NaN}}', "send null"),
        (b'{"type": "page", "userId": "u", "properties": {"a": -Infinity}}', "send null"),
        (b'{"type": "page", "userId": "u", "properties": {"a": 01}}', "not valid JSON"),
        (b'{"type": "page", "userId": "u", "properties": {"a": "\x00"}}', "not valid JSON"),
        (rb'{"type": "page", "userId": "u", "properties": {"a": "\x"}}', "not valid JSON"),
        (b'{"type": "page", "userId": "u",}', "not valid JSON"),
        (b"{'type': 1}", "not valid JSON"),
        (b"undefined", "not valid JSON"),
        (b"", "not valid JSON"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_an_item_that_is_no_json(text: bytes, reason: str, is_first: bool) -> None:
    good = b'{"type": "page", "userId": "g,]}\\"", "properties": {"a": [1, [2, {"b": ","}]]}}'
    texts = [text, good] if is_first else [good, text, good]
    body = b'{"sentAt": "2026-11-01T11:59:00Z", "writeKey": "k", "batch": [' + b" , ".join(texts) + b'], "x": [1]}'
    result = decoded(body)
    assert [refused.index for refused in result.rejects] == [0 if is_first else 1]
    assert reason in result.rejects[0].error
    assert "\0" not in result.rejects[0].body
    assert len(result.events) == len(texts) - 1
    assert result.events[0].properties == {"a": [1, [2, {"b": ","}]]}
    assert result.events[0].user_id == 'g,]}"'


def test_the_clock_is_corrected_beside_an_item_that_is_no_json() -> None:
    item = b'{"type": "page", "userId": "u", "timestamp": "2026-11-01T10:00:00Z"}'
    result = decoded(b'{"batch": [NaN, ' + item + b'], "sentAt": "2026-11-01T10:01:00Z"}')
    assert result.events[0].timestamp == RECEIVED - timedelta(minutes=1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b'"batch"',
        b'{"batch": null}',
        b'{"batch": {}}',
        b'{"batch": [',
        b'{"batch": [NaN, {"a": "',
        b'{"batch": [NaN]',
        b'{"batch": [NaN]} {"batch": []}',
        b'x {"batch": [NaN]}',
        b'{"items": [NaN]}',
        b'{"a": {"batch": [NaN]}}',
        b'["batch", [NaN]]',
        b"\xef\xbf\xbd",
        b"[" * 100_000,
        b'{"batch":' * 50_000,
    ],
)
def test_a_body_without_items_is_refused_whole(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="the body must be a JSON object like"):
        decoded(body)


@pytest.mark.parametrize("body", [b"", b"[]", b"3", b"{", b'{"a": NaN}', b"[" * 10_000, b"\xff"])
def test_a_single_call_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="the body must be a JSON object like") as refused:
        decoded(body, "track")
    assert isinstance(refused.value, MalformedJsonError) is (body[:1] not in (b"[", b"3"))


# Limits, rejects, keys


def test_an_item_may_have_32_kilobytes() -> None:
    shell = b'{"type": "page", "userId": "u", "messageId": "m", "properties": {"a": ""}}'
    text = b"x" * (MAX_ITEM_BYTES - len(shell))
    assert len(of_texts(shell.replace(b'""', b'"' + text + b'"')).events) == 1
    [refused] = of_texts(shell.replace(b'""', b'"' + text + b'x"')).rejects
    assert refused.error == "the call has 32,769 bytes; at most 32,768 are accepted"
    assert refused.message_id == "m"
    assert len(refused.body) == MAX_TEXT_BYTES


def test_the_kept_text_is_bounded_in_bytes() -> None:
    [refused] = of_texts(b'{"a": "' + b"\xff" * 100_000 + b'"}').rejects
    assert len(refused.body.encode()) <= MAX_TEXT_BYTES


def test_what_is_kept_of_a_request_is_bounded_whatever_it_holds() -> None:
    """A body of some hundred bytes, compressed, holds as many refused calls and parts left out as 500 KB can."""
    broken = [{"type": "?", "userId": "u" * 200, "x": "y" * 2_000} for _ in range(150)]
    odd = [{"type": "identify", "userId": "u", "traits": {"timezone": "z" * 500, "email": 1}} for _ in range(200)]
    result = of_items(*odd, *broken)
    assert [reject.part for reject in result.rejects] == [None] * MAX_RECORDED
    assert (result.unrecorded.calls, result.unrecorded.parts) == (50, {one.id: 2 for one in result.events})
    assert sum(len(reject.body.encode()) for reject in result.rejects) <= MAX_BYTES
    some = of_items(*odd[:60], *broken[:10])
    assert [reject.part is None for reject in some.rejects] == [True] * 10 + [False] * 90
    assert (some.unrecorded.calls, some.unrecorded.parts) == (0, {one.id: 2 for one in some.events[45:]})


def test_a_batch_may_have_4_megabytes() -> None:
    body = b'{"batch": []}'
    assert decoded(body.ljust(MAX_BATCH_BYTES)).events == []
    with pytest.raises(PayloadTooLargeError, match="4,194,304 bytes; this one has 4,194,305"):
        decoded(body.ljust(MAX_BATCH_BYTES + 1))
    with pytest.raises(PayloadTooLargeError, match="32,768 bytes"):
        decoded(b'{"userId": "u", "event": "E"}'.ljust(MAX_ITEM_BYTES + 1), "track")


def test_a_batch_of_too_many_is_refused_before_they_are_made() -> None:
    """Four kilobytes of gzip hold two million items, valid or with a fault behind them."""
    items = b"0," * (MAX_BATCH_BYTES // 2 - 20)
    for body in (
        b'{"batch":[' + items + b"0]}",
        b'{"batch":[' + items + b"NaN]}",
        b'{"a":[0],"batch":[' + items + b"0]",
    ):
        tracemalloc.start()
        try:
            with pytest.raises(PayloadTooLargeError, match="10,000 items"):
                decoded(body)
            assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
        finally:
            tracemalloc.stop()


def test_a_call_may_hold_more_commas_than_a_batch_calls() -> None:
    call = b'{"type": "track", "userId": "u", "event": "E", "properties": {"a": [' + b"0," * 12_000 + b"0]}}"
    assert len(of_texts(call, call).events) == 2
    with pytest.raises(InvalidRequestError, match="no array `batch`"):
        decoded(b'{"batch": {"a": [' + b"0," * 20_000 + b"0]}}")


@pytest.mark.parametrize("item", [b"0", b"NaN"])
def test_a_batch_has_a_bounded_number_of_items(item: bytes) -> None:
    result = of_texts(*[item] * MAX_ITEMS)
    assert (len(result.rejects), result.unrecorded.calls) == (MAX_RECORDED, MAX_ITEMS - MAX_RECORDED)
    with pytest.raises(PayloadTooLargeError, match="10,000 items"):
        of_texts(*[item] * (MAX_ITEMS + 1))


@pytest.mark.parametrize(
    ("text", "message_id"),
    [
        (b'{"messageId": "m"}', "m"),
        (b'{"messageId": 7}', "7"),
        (b'{"messageId": true}', None),
        (b'{"messageId": ""}', None),
        (b'{"messageId": "\\u0000"}', "�"),
        (b'{"messageId": "m", "a": NaN}', "m"),
        (b'{"a": NaN}', None),
        (b'["m"]', None),
        (b'{"messageId": "%s"}' % (b"x" * 300), "x" * 255),
    ],
)
def test_the_message_id_of_a_reject(text: bytes, message_id: str | None) -> None:
    [refused] = of_texts(text).rejects
    assert (refused.message_id, refused.body) == (message_id, text.decode())


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"batch": [], "writeKey": "k"}', "k"),
        (b'{"writeKey": "k", "batch": [NaN]}', "k"),
        (b'{"userId": "u", "writeKey": "k"}', "k"),
        (b'{"writeKey": null}', None),
        (b'{"writeKey": 3}', None),
        (b'{"batch": [{"writeKey": "k"}]}', None),
        (b"[]", None),
        (b"", None),
        (b"[" * 100_000, None),
    ],
)
def test_the_write_key_in_the_body(body: bytes, key: str | None) -> None:
    assert write_key_of(body) == key


# Whatever comes


def assert_storable(value: Any) -> None:
    """As PostgreSQL would have it: text is UTF-8 without NUL, numbers are finite and of 64 bits."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")


def assert_json_words(refusal: str) -> None:
    """What a client reads has nothing of Python, or of its libraries, outside of what the client wrote itself."""
    ours = re.sub(r'"(?:[^"\\]|\\.)*("|…$)', "", refusal)
    found = re.search(r"\b(None|True|False|NoneType|str|int|float|bool|dict|list|codec|recursion|Expected)\b", ours)
    assert found is None, refusal


def assert_sound(body: bytes, kind: CallType | Literal["batch"]) -> None:
    """Only our own errors; each item accounted for; everything storable."""
    write_key_of(body)
    try:
        result = decoded(body, kind)
    except SojournError as error:
        assert_json_words(error.detail)
        return
    for got in result.events:
        assert got.user_id or got.anonymous_id
        assert got.timestamp.tzinfo is UTC
        assert_storable([got.message_id, got.name, got.user_id, got.anonymous_id, got.properties, got.context])
    for refused in result.rejects:
        assert_storable([refused.message_id, refused.body.replace("\\", ""), refused.error.replace("\\", "")])
        assert_json_words(refused.error)
    calls = len(result.events) + sum(refused.part is None for refused in result.rejects) + len(result.repeated)
    if kind == "batch":
        try:
            items = json.loads(body)["batch"]
        except (ValueError, RecursionError):
            return
        assert calls == len(items)
    else:
        assert calls == 1


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from(["\0", "\ud800", "2026-11-01T10:00:00Z", "Europe/Berlin", "u"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)
FIELDS = [
    *("messageId", "event", "name", "category", "userId", "anonymousId", "previousId", "groupId"),
    *("properties", "traits", "context", "timestamp", "originalTimestamp", "sentAt", "writeKey"),
]
calls = st.builds(
    lambda kind, fields, base: {"type": kind, **base, **fields},
    st.sampled_from(TYPES) | anything,
    st.dictionaries(st.sampled_from(FIELDS), anything, max_size=5),
    st.sampled_from([{}, {"userId": "u", "event": "E", "groupId": "g", "previousId": "p", "messageId": "m"}]),
)


@settings(max_examples=40)
@given(st.lists(calls | anything, max_size=4), st.dictionaries(st.sampled_from(["sentAt", "writeKey"]), anything))
def test_every_item_is_an_event_a_reject_or_a_repetition(items: list[Any], rest: dict[str, Any]) -> None:
    assert_sound(json.dumps({"batch": items, **rest}).encode(), "batch")


@settings(max_examples=40)
@given(calls | anything, st.sampled_from(TYPES))
def test_every_single_call_is_an_event_or_a_reject(call: Any, kind: CallType | Literal["batch"]) -> None:
    assert_sound(json.dumps(call).encode(), kind)


ODD: list[Any] = [None, True, False, 1.5, 10**400, "None", [], [None], {}, {"a": True}, [[["x"]]]]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_refusals_are_in_the_words_of_json(kind: CallType | Literal["batch"], value: Any) -> None:
    for field in [*FIELDS, "type", "integrations"]:
        item = {"userId": "u", "event": "E", "groupId": "g", "previousId": "p", "type": kind, field: value}
        for body in ({"batch": [item, value]}, {"batch": [], field: value}, {"batch": value}, value):
            assert_sound(json.dumps(body).encode(), "batch")
        assert_sound(json.dumps(item).encode(), kind)
    traits = {"email": value, "timezone": value, "consent": value}
    for said in (traits, {"consent": {"email": value}}):
        assert_sound(json.dumps({"userId": "u", "traits": said}).encode(), "identify")


@settings(max_examples=40)
@given(st.binary(max_size=300), st.sampled_from(["batch", *TYPES]))
def test_no_bytes_raise_anything_but_our_errors(body: bytes, kind: CallType | Literal["batch"]) -> None:
    assert_sound(body, kind)


@settings(max_examples=40)
@given(
    st.lists(calls, min_size=1, max_size=3),
    st.lists(
        st.tuples(st.floats(0, 1), st.binary(max_size=4) | st.sampled_from([b"[", b"}", b'"', b",", b"\\"])), max_size=4
    ),
)
def test_damaged_batches_raise_nothing_but_our_errors(items: list[Any], wounds: list[tuple[float, bytes]]) -> None:
    body = json.dumps({"batch": items}).encode()
    for place, wound in wounds:
        at = int(place * len(body))
        body = body[:at] + wound + body[at + 1 :]
    assert_sound(body, "batch")
