"""Texts that are no JSON, or that the database cannot hold, are refused alone."""

from datetime import timedelta
from typing import Any

import pytest

from domain.errors import InvalidRequestError, MalformedJsonError
from domain.tracking.item_error import MAX_DEPTH
from tests.domain.tracking.calls import RECEIVED, decoded, error, event, of_texts


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
