"""Half an emoji costs that character, and an empty object of PHP costs nothing."""

import json
from typing import Any

import pytest

from domain.tracking.event import CallType
from tests.domain.tracking.calls import decoded, of_items, of_texts

HALVES = [
    (rb"\ud83d", "\ufffd"),
    (rb"a \uDE00 b", "a \ufffd b"),
    (rb"\ud83d\ud83d\ude00", "\ufffd😀"),
    (rb"\ud83d\u0041", "\ufffdA"),
    (rb"\uDBFF\uDBFF", "\ufffd\ufffd"),
    (rb"\udc00\ud800", "\ufffd\ufffd"),
    (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
    (rb"\"\ud83d\"\n", '"\ufffd"\n'),
    (rb"\ud83d\ude00", "😀"),
]


@pytest.mark.parametrize(("escaped", "text"), HALVES)
def test_half_a_character_is_replaced(escaped: bytes, text: str) -> None:
    call = b'{"type": "track", "event": "E", "userId": "u", "properties": {"%s": ["%s"], "n": 1}}' % (escaped, escaped)
    expected = {text: [text], "n": 1}
    assert [event.properties for event in of_texts(call, b'{"type": "page", "userId": "u"}').events] == [expected, {}]
    assert [event.properties for event in decoded(call, "track").events] == [expected]
    named = b'{"event": "%s", "userId": "u", "messageId": "%s"}' % (escaped, escaped)
    [event] = decoded(named, "track").events if b"n" not in escaped else of_texts(call).events[:1]
    assert event.name in (text, "E")


EMPTY: list[tuple[str, dict[str, Any]]] = [
    (type, {"properties": [], "traits": [], "context": [], "integrations": []})
    for type in ("track", "identify", "page", "screen", "group", "alias")
]


@pytest.mark.parametrize(("type", "empty"), EMPTY)
def test_an_empty_array_is_an_empty_object(type: CallType, empty: dict[str, Any]) -> None:
    call = {"type": type, "event": "E", "userId": "u", "groupId": "g", "previousId": "p", **empty}
    [batched] = of_items(call).events
    [single] = decoded(json.dumps(call).encode(), type).events
    assert (batched.properties, batched.context) == (single.properties, single.context) == ({}, {})


CONTROL = ["u\n1", "u\r", "\x00u", "u\x1b[2J", "u\x7f", "u\x85", "a\tb", ".", ".."]


@pytest.mark.parametrize("id", CONTROL)
@pytest.mark.parametrize("field", ["userId", "anonymousId", "previousId", "groupId"])
def test_an_id_that_no_call_could_name_is_refused(field: str, id: str) -> None:
    ids = {"userId": "u", "anonymousId": "a", "previousId": "p", "groupId": "g"} | {field: id}
    type = {"previousId": "alias", "groupId": "group"}.get(field, "page")
    result = of_items({"type": type, **ids})
    assert result.events == []
    assert field in result.rejects[0].error or r"\u0000" in result.rejects[0].error
