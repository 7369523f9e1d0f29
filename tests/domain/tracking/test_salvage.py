"""The search for the calls of a batch that is no valid JSON is bounded, whatever the batch is made of."""

import itertools
import re
from contextlib import suppress
from itertools import pairwise

import pytest

from domain.errors import InvalidRequestError, PayloadTooLargeError
from domain.long_work import finish
from domain.tracking import batch
from domain.tracking.batch import (
    MAX_ITEMS,
    MAX_SEARCHED_DEPTH,
    MAX_TOKENS,
    MAX_WINDOW,
    TOKENS_PER_PIECE,
    split_batch,
)
from tests.proofs import rounds

MEGABYTE = 1_000_000


class Counting:
    """A pattern that counts how often it is tried, and how many bytes it may look at."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.tried = self.looked_at = 0
        self._pattern = pattern

    def match(self, body: bytes, place: int, end: int) -> re.Match[bytes] | None:
        self.tried += 1
        found = self._pattern.match(body, place, end)
        # What ends without a bracket has looked to its end.
        self.looked_at += (found.end() if found is not None and found[2] not in (b"", b'"') else end) - place
        return found


@pytest.fixture
def patterns(monkeypatch: pytest.MonkeyPatch) -> list[Counting]:
    counting = [Counting(batch._SHALLOW), Counting(batch._DEEP)]
    monkeypatch.setattr(batch, "_SHALLOW", counting[0])
    monkeypatch.setattr(batch, "_DEEP", counting[1])
    return counting


# The short form has each filling behind one of the beginnings.
MEGABYTES = [
    *itertools.product(
        [b'{"batch":[NaN,', b'{"batch":[{"a":NaN,"b":', b'{"a":NaN,'],
        [b"0,", b"[", b"{", b"]", b"[[]],", b"{}", b'""', b'"a":', b",", b'"', b"[]"],
    )
][:: rounds(3, 1)]


@pytest.mark.prove
@pytest.mark.parametrize(("before", "filling"), MEGABYTES, ids=bytes.decode)
def test_a_megabyte_of_anything_is_given_up_in_time(patterns: list[Counting], before: bytes, filling: bytes) -> None:
    body = before + filling * (MEGABYTE // len(filling))
    with pytest.raises((PayloadTooLargeError, InvalidRequestError)):
        finish(split_batch(body))
    assert sum(pattern.tried for pattern in patterns) <= MAX_TOKENS


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("after", [b"", b',{"a":NaN}'], ids=["deep alone", "no JSON as well"])
def test_depth_is_searched_to_a_bound(patterns: list[Counting], opening: bytes, closing: bytes, after: bytes) -> None:
    """Up to it an item that is too deep costs no other. The batch and its list are the first two levels."""

    def nested(levels: int) -> bytes:
        return b'{"batch":[{"b":1},' + opening * levels + b"0" + closing * levels + after + b"]}"

    found = finish(split_batch(nested(MAX_SEARCHED_DEPTH - 2)))
    assert (bytes(found.batch[0]), len(found.batch)) == (b'{"b":1}', 3 if after else 2)
    for pattern in patterns:
        pattern.tried = 0
    with pytest.raises(PayloadTooLargeError, match="deep"):
        finish(split_batch(nested(MAX_SEARCHED_DEPTH + 1)))
    assert sum(pattern.tried for pattern in patterns) <= 2 * MAX_SEARCHED_DEPTH


def test_a_full_batch_of_ordinary_calls_is_searched(patterns: list[Counting]) -> None:
    call = (
        b'{"type": "track", "messageId": "m", "event": "E, [x] {y}", "userId": "u", "properties": {"a": [1, 2]},'
        b' "context": {"library": {"name": "l", "version": "1"}}, "timestamp": "2026-11-01T10:00:00Z"}'
    )
    body = b'{"batch": [' + b", ".join([call] * (MAX_ITEMS - 1) + [b'{"value": NaN}']) + b'], "sentAt": "now"}'
    found = finish(split_batch(body))
    assert len(found.batch) == MAX_ITEMS
    assert (bytes(found.batch[0]), bytes(found.batch[-1]), found.sent_at) == (call, b'{"value": NaN}', "now")
    assert sum(pattern.tried for pattern in patterns) <= MAX_TOKENS


STARTS = [b'{"batch":[NaN,', b'{"batch":[NaN,"', b'{"batch":[NaN,[{"a":', b'{"batch":[NaN,[{"']


@pytest.mark.parametrize(
    "filling", [b"a", rb"\\", b'""', b'"a" ', b'"",', b"[", b"{}", b" ", b'{"a":1},'], ids=bytes.decode
)
@pytest.mark.parametrize("before", STARTS, ids=bytes.decode)
def test_each_piece_of_the_search_is_bounded(patterns: list[Counting], before: bytes, filling: bytes) -> None:
    search = split_batch(before + filling * (4 * MEGABYTE // len(filling)))
    tried, looked_at = [0], [0]
    with suppress(PayloadTooLargeError, InvalidRequestError):
        for _ in search:
            tried.append(sum(pattern.tried for pattern in patterns))
            looked_at.append(sum(pattern.looked_at for pattern in patterns))
    tried.append(sum(pattern.tried for pattern in patterns))
    looked_at.append(sum(pattern.looked_at for pattern in patterns))
    assert max(after - before for before, after in pairwise(tried)) <= TOKENS_PER_PIECE
    assert max(after - before for before, after in pairwise(looked_at)) <= 3 * MAX_WINDOW


@pytest.mark.parametrize("size", [MAX_WINDOW // 2, MAX_WINDOW - 100])
@pytest.mark.parametrize("letters", [b"a", rb"\"", b'","', b'" , "'], ids=bytes.decode)
def test_a_call_with_long_texts_is_one_call(letters: bytes, size: int) -> None:
    """Also where what is looked at in one go ends within a text, or between two."""
    call = b'{"userId": "u", "texts": ["%b"], "more": "m"}' % (letters * (size // len(letters)))
    calls = [b"{}", call, b'{"a": [1]}', call, call, b"NaN", call]
    found = finish(split_batch(b'{"batch": [' + b",".join(calls) + b'], "sentAt": "now"}'))
    assert ([bytes(one) for one in found.batch], found.sent_at) == (calls, "now")


def test_a_text_longer_than_any_call_ends_the_search() -> None:
    with pytest.raises(InvalidRequestError):
        finish(split_batch(b'{"batch": [NaN, {"userId": "%b"}, {}]}' % (b"a" * 2 * MAX_WINDOW)))
