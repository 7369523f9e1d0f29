import contextlib
import gzip
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidRequestError, PayloadTooLargeError, SojournError
from domain.tracking.gunzip import gunzip_bounded, is_gzip

LIMIT = 1000


def test_gzip_is_known_by_its_first_bytes() -> None:
    assert is_gzip(gzip.compress(b"{}"))
    assert not is_gzip(b'{"batch": []}')
    assert not is_gzip(b"")


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT])
def test_up_to_the_limit(size: int) -> None:
    assert gunzip_bounded(gzip.compress(b"x" * size), LIMIT) == b"x" * size


@pytest.mark.parametrize("members", [[LIMIT + 1], [600, 600]])
def test_beyond_the_limit(members: list[int]) -> None:
    with pytest.raises(PayloadTooLargeError, match="1,000 bytes"):
        gunzip_bounded(b"".join(gzip.compress(b"x" * size) for size in members), LIMIT)


def test_members_are_joined_and_padding_is_passed_over() -> None:
    assert gunzip_bounded(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 512, LIMIT) == b"one two"


def test_a_cut_one_is_refused_wherever_it_is_cut() -> None:
    whole = gzip.compress(b"something to compress")
    for length in range(len(whole)):
        with pytest.raises(InvalidRequestError):
            gunzip_bounded(whole[:length], LIMIT)


def test_a_damaged_one_is_refused() -> None:
    whole = bytearray(gzip.compress(b"something to compress"))
    whole[-6] ^= 0xFF
    with pytest.raises(InvalidRequestError, match="not valid gzip"):
        gunzip_bounded(bytes(whole), LIMIT)


def test_something_else_behind_it_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        gunzip_bounded(gzip.compress(b"{}") + b"tail", LIMIT)


def test_many_tiny_members_take_time_in_proportion() -> None:
    # 500 KB of empty members: 27 ms here, and seconds if each member copied all that follows it.
    data = gzip.compress(b"") * 25_000
    started = time.perf_counter()
    assert gunzip_bounded(data, LIMIT) == b""
    assert time.perf_counter() - started < 1


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for body in (data, b"\x1f\x8b\x08" + data, gzip.compress(data), gzip.compress(data) + data):
        with contextlib.suppress(SojournError):
            assert len(gunzip_bounded(body, 100)) <= 100
