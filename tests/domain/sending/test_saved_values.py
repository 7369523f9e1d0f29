"""What a journey keeps of a reply, whatever a receiver answers."""

import json
from typing import Any

import pytest

from domain.sending.saved_values import (
    MAX_JOURNEY_BYTES,
    MAX_VALUE_BYTES,
    SavedReply,
    is_reply_path,
    merge_saved,
    read_saved,
)

REPLY = {"id": 7, "user": {"first-name": "Ana", "tags": [{"k": "a"}, {"k": "b"}]}, "no": False, "nil": None, "": 1}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("reply.json", REPLY),
        ("reply.json.id", 7),
        ("reply.json.user.first-name", "Ana"),
        ("reply.json.user.tags[1].k", "b"),
        ("reply.json['user'][\"tags\"][0]['k']", "a"),
        ("reply.json.no", False),
    ],
)
def test_a_path_leads_to_a_value(path: str, value: Any) -> None:
    assert is_reply_path(path)
    assert read_saved({"x": path}, json.dumps(REPLY).encode()) == SavedReply({"x": value})


@pytest.mark.parametrize(
    "path",
    [
        *("reply.json.nil", "reply.json.none", "reply.json.id.more", "reply.json[0]", "reply.json.user.tags[2]"),
        *("reply.json.user.tags.k", "reply.json.user.first-name[0]", "reply.json['id'].x"),
    ],
)
def test_nothing_stands_at_a_path(path: str) -> None:
    assert is_reply_path(path)
    found = read_saved({"x": path, "id": "reply.json.id"}, json.dumps(REPLY).encode())
    assert found == SavedReply({"x": None, "id": 7}, f"not saved: x (nothing at {path})")


@pytest.mark.parametrize(
    "path",
    [
        *("", "id", "reply", "reply.id", "reply.status", "reply.json.", "reply.json..a", "reply.json.a[b]"),
        *("reply.json[-1]", "reply.json['a", "reply.json.{{ a }}", "reply.jsonx", " reply.json", "reply.json[*]"),
    ],
)
def test_what_is_no_path(path: str) -> None:
    assert not is_reply_path(path)


NOT_JSON = [
    b"<html>",
    b"\xff\xfe",
    b'{"a": NaN}',
    b'{"a": 1e999}',
    b'{"a": "\\ud800"}',
    b"[" * 60_000,
    b'{"a":' * 10_000,
]


@pytest.mark.parametrize("reply", NOT_JSON)
def test_a_reply_that_is_not_json(reply: bytes) -> None:
    assert read_saved({"a": "reply.json.a"}, reply) == SavedReply({"a": None}, "nothing saved: the reply is not JSON")


@pytest.mark.parametrize(("reply", "said"), [(b"", "is empty"), (b"  \n", "is empty"), (None, "is larger than 64 KiB")])
def test_a_reply_that_holds_nothing(reply: bytes | None, said: str) -> None:
    found = read_saved({"a": "reply.json.a"}, reply)
    assert found.values == {"a": None}
    assert said in (found.detail or "")


@pytest.mark.parametrize(
    "value", ['"a\\u0000"', '{"\\u0000": 1}', f"{'[' * 17}1{']' * 17}", "[1e20]", "-1e308", "1e-300", "9" * 400]
)
def test_a_value_that_cannot_be_kept(value: str) -> None:
    found = read_saved({"a": "reply.json.a", "b": "reply.json.b"}, f'{{"a": {value}, "b": 1}}'.encode())
    assert found == SavedReply({"a": None, "b": 1}, "not saved: a (it cannot be kept as JSON)")


def test_of_a_key_that_stands_twice_the_last_holds() -> None:
    assert read_saved({"a": "reply.json.a"}, b'{"a": 1, "a": 2}').values == {"a": 2}


def test_a_value_has_a_bound() -> None:
    for size, is_kept in ((MAX_VALUE_BYTES - 2, True), (MAX_VALUE_BYTES - 1, False)):
        found = read_saved({"a": "reply.json.a"}, json.dumps({"a": "x" * size}).encode())
        assert (found.values["a"] is not None) is is_kept
        assert found.detail == (None if is_kept else "not saved: a (larger than 4 KiB)")


def test_a_journey_has_a_bound() -> None:
    large = "ü" * 2_000
    before = {f"old{number}": large for number in range(3)}
    kept, said = merge_saved(before, SavedReply({"a": large, "b": large, "c": 1}))
    assert list(kept) == ["old0", "old1", "old2", "a", "c"]
    assert said == "saved a, c; not saved: b (the journey keeps 16 KiB)"
    assert len(json.dumps(kept, ensure_ascii=False).encode()) <= MAX_JOURNEY_BYTES


def test_the_last_reply_holds_also_where_it_has_nothing() -> None:
    kept, said = merge_saved({"a": 1, "b": 2, "other": 3}, SavedReply({"a": None, "b": 4}, "not saved: a (nothing)"))
    assert kept == {"other": 3, "b": 4}
    assert said == "saved b; not saved: a (nothing)"


def test_without_a_reply_all_stays() -> None:
    assert merge_saved({"a": 1}, SavedReply()) == ({"a": 1}, None)
