"""The search for the calls of a batch that is no valid JSON is bounded, whatever the batch is made of."""

import re
from typing import Any

import pytest

from domain.errors import InvalidRequestError, PayloadTooLargeError
from domain.tracking import batch
from domain.tracking.batch import MAX_ITEMS, MAX_SEARCHED_DEPTH, MAX_TOKENS, split_batch

MEGABYTE = 1_000_000


class Counting:
    """A pattern that counts how often it is tried."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.tried = 0
        self._pattern = pattern

    def match(self, *arguments: Any) -> re.Match[bytes] | None:
        self.tried += 1
        return self._pattern.match(*arguments)


@pytest.fixture
def patterns(monkeypatch: pytest.MonkeyPatch) -> list[Counting]:
    counting = [Counting(batch._SHALLOW), Counting(batch._DEEP)]
    monkeypatch.setattr(batch, "_SHALLOW", counting[0])
    monkeypatch.setattr(batch, "_DEEP", counting[1])
    return counting


@pytest.mark.parametrize(
    "filling",
    [b"0,", b"[", b"{", b"]", b"[[]],", b"{}", b'""', b'"a":', b",", b'"', b"[]"],
    ids=lambda filling: filling.decode(),
)
@pytest.mark.parametrize("before", [b'{"batch":[NaN,', b'{"batch":[{"a":NaN,"b":', b'{"a":NaN,'])
def test_a_megabyte_of_anything_is_given_up_in_time(patterns: list[Counting], before: bytes, filling: bytes) -> None:
    body = before + filling * (MEGABYTE // len(filling))
    with pytest.raises((PayloadTooLargeError, InvalidRequestError)):
        split_batch(body)
    assert sum(pattern.tried for pattern in patterns) <= MAX_TOKENS


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("after", [b"", b',{"a":NaN}'], ids=["deep alone", "no JSON as well"])
def test_depth_is_searched_to_a_bound(patterns: list[Counting], opening: bytes, closing: bytes, after: bytes) -> None:
    """Up to it an item that is too deep costs no other. The batch and its list are the first two levels."""

    def nested(levels: int) -> bytes:
        return b'{"batch":[{"b":1},' + opening * levels + b"0" + closing * levels + after + b"]}"

    found = split_batch(nested(MAX_SEARCHED_DEPTH - 2))
    assert (bytes(found.batch[0]), len(found.batch)) == (b'{"b":1}', 3 if after else 2)
    for pattern in patterns:
        pattern.tried = 0
    with pytest.raises(PayloadTooLargeError, match="deep"):
        split_batch(nested(MAX_SEARCHED_DEPTH + 1))
    assert sum(pattern.tried for pattern in patterns) <= 2 * MAX_SEARCHED_DEPTH


def test_a_full_batch_of_ordinary_calls_is_searched(patterns: list[Counting]) -> None:
    call = (
        b'{"type": "track", "messageId": "m", "event": "E, [x] {y}", "userId": "u", "properties": {"a": [1, 2]},'
        b' "context": {"library": {"name": "l", "version": "1"}}, "timestamp": "2026-11-01T10:00:00Z"}'
    )
    body = b'{"batch": [' + b", ".join([call] * (MAX_ITEMS - 1) + [b'{"value": NaN}']) + b'], "sentAt": "now"}'
    found = split_batch(body)
    assert len(found.batch) == MAX_ITEMS
    assert (bytes(found.batch[0]), bytes(found.batch[-1]), found.sent_at) == (call, b'{"value": NaN}', "now")
    assert sum(pattern.tried for pattern in patterns) <= MAX_TOKENS
