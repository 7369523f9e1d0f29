"""Any bytes are events, rejects or one of our errors."""

import json
import re
from datetime import UTC
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import SojournError
from domain.tracking.decode import write_key_of
from domain.tracking.event import CallType
from domain.tracking.item import TYPES
from tests.domain.tracking.calls import decoded


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
