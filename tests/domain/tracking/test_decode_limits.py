"""Limits of calls and batches, what is kept of rejects, and the write key in a body."""

import tracemalloc

import pytest

from domain.errors import InvalidRequestError, PayloadTooLargeError
from domain.tracking.batch import MAX_ITEMS
from domain.tracking.decode import MAX_BATCH_BYTES, write_key_of
from domain.tracking.item import MAX_ITEM_BYTES
from domain.tracking.rejects import MAX_BYTES, MAX_RECORDED, MAX_TEXT_BYTES
from tests.domain.tracking.calls import decoded, of_items, of_texts


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
