import contextlib
import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidRequestError, PayloadTooLargeError, SojournError
from domain.tracking.decompress import MAX_MEMBERS, Compression, compression_of, decompress_bounded, plain_body

LIMIT = 1000


# Where members follow one another, `gzip` joins them; the others are one stream.
COMPRESSED: dict[Compression, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": lambda data: zlib.compress(data, wbits=-15),
}
TEXT = b'{"batch": []}'


def gunzip_bounded(data: bytes, limit: int) -> bytes:
    return decompress_bounded(data, limit, "gzip")


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("text", [TEXT, b"{}", b" {}", b"[]", b"\xef\xbb\xbf{}", b'{"a": "%b"}' % (b"x" * 5_000)])
def test_compression_is_known_by_its_first_bytes(text: bytes, level: int) -> None:
    assert compression_of(gzip.compress(text, level)) == "gzip"
    assert compression_of(gzip.compress(text, level), "deflate") == "gzip"
    assert compression_of(zlib.compress(text, level)) == "zlib"
    assert compression_of(zlib.compress(text, level), "deflate") == "zlib"
    for label in ("", "gzip", "deflate", "identity"):
        assert compression_of(text, label) is None


@pytest.mark.parametrize("wbits", range(-15, -8))
@pytest.mark.parametrize("level", range(1, 10))
def test_bare_deflate_is_taken_by_its_label(level: int, wbits: int) -> None:
    data = zlib.compress(TEXT, level, wbits)
    assert compression_of(data) is None
    assert compression_of(data, " Deflate") == "deflate"
    assert plain_body(data, LIMIT, "deflate") == TEXT


def test_an_empty_body_is_not_compressed() -> None:
    for label in ("", "gzip", "deflate"):
        assert compression_of(b"", label) is None


@pytest.mark.parametrize("compress", [*COMPRESSED.values(), bytes])
def test_a_byte_order_mark_is_passed_over(compress: Callable[[bytes], bytes]) -> None:
    assert plain_body(compress(b"\xef\xbb\xbf" + TEXT), LIMIT, "deflate") == TEXT


@pytest.mark.parametrize(
    ("body", "label"),
    [
        (b"\x1b\x0c\x00\xf8\xa5\x1b\x2e", "br"),
        (b"\x28\xb5\x2f\xfd\x04\x00\x01", " ZSTD "),
        (gzip.compress(gzip.compress(TEXT)), "gzip, gzip"),
        (gzip.compress(zlib.compress(TEXT)), "gzip"),
        (gzip.compress(b"\x1b\x0c\x00"), "br, gzip"),
    ],
    # The time stands in what gzip makes.
    ids=range(5),
)
def test_another_compression_is_refused_with_those_that_are_taken(body: bytes, label: str) -> None:
    with pytest.raises(InvalidRequestError, match="plain or compressed once by gzip, zlib or deflate") as refused:
        plain_body(body, LIMIT, label)
    assert f'its Content-Encoding is "{label}"' in refused.value.detail


@pytest.mark.parametrize("label", ["br", "gzip, gzip", "none", "utf-8"])
@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, bytes])
def test_a_wrong_label_does_no_harm(compress: Callable[[bytes], bytes], label: str) -> None:
    assert plain_body(compress(TEXT), LIMIT, label) == TEXT


@pytest.mark.parametrize("compression", COMPRESSED)
def test_each_compression_is_bounded_and_whole(compression: Compression) -> None:
    compress = COMPRESSED[compression]
    assert decompress_bounded(compress(b"x" * LIMIT), LIMIT, compression) == b"x" * LIMIT
    assert decompress_bounded(compress(TEXT) + b"\0" * 40, LIMIT, compression) == TEXT
    with pytest.raises(PayloadTooLargeError, match="1,000 bytes"):
        decompress_bounded(compress(b"x" * 50_000_000), LIMIT, compression)
    with pytest.raises(InvalidRequestError, match=f"not valid {compression}"):
        decompress_bounded(compress(TEXT) + b"tail", LIMIT, compression)
    whole = compress(b"something to compress")
    for length in range(len(whole)):
        with pytest.raises(InvalidRequestError):
            decompress_bounded(whole[:length], LIMIT, compression)


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT])
def test_up_to_the_limit(size: int) -> None:
    assert gunzip_bounded(gzip.compress(b"x" * size), LIMIT) == b"x" * size


@pytest.mark.parametrize("members", [[LIMIT + 1], [600, 600]])
def test_beyond_the_limit(members: list[int]) -> None:
    with pytest.raises(PayloadTooLargeError, match="1,000 bytes"):
        gunzip_bounded(b"".join(gzip.compress(b"x" * size) for size in members), LIMIT)


def test_members_are_joined_and_padding_is_passed_over() -> None:
    assert gunzip_bounded(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 512, LIMIT) == b"one two"


def test_a_damaged_one_is_refused() -> None:
    whole = bytearray(gzip.compress(b"something to compress"))
    whole[-6] ^= 0xFF
    with pytest.raises(InvalidRequestError, match="not valid gzip"):
        gunzip_bounded(bytes(whole), LIMIT)


def test_members_are_bounded() -> None:
    assert gunzip_bounded(gzip.compress(b"") * MAX_MEMBERS, LIMIT) == b""
    with pytest.raises(InvalidRequestError):
        gunzip_bounded(gzip.compress(b"") * (MAX_MEMBERS + 1), LIMIT)


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for body in (data, b"\x1f\x8b\x08" + data, b"\x78\x9c" + data, gzip.compress(data), gzip.compress(data) + data):
        for label in ("", "deflate"):
            with contextlib.suppress(SojournError):
                assert len(plain_body(body, 200, label)) <= 200
