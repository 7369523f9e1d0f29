"""Decompress the body of a tracking call within a limit."""

import re
import zlib
from codecs import BOM_UTF8
from typing import Literal

from domain.errors import InvalidRequestError, PayloadTooLargeError
from domain.tracking.item_error import quote_value

Compression = Literal["gzip", "zlib", "deflate"]

_MAGIC = b"\x1f\x8b"
_FRAMES: dict[Compression, int] = {"gzip": 16 + zlib.MAX_WBITS, "zlib": zlib.MAX_WBITS, "deflate": -zlib.MAX_WBITS}
_LABELS = frozenset({"", "identity", "gzip", "x-gzip", "zlib", "deflate"})
# Bytes given to zlib at a time. zlib returns the bytes after a member as a copy, so a body of many tiny members would
# cost the square of its size.
_STEP = 16 * 1024
# Each costs about a microsecond, however small, and 4 MB have room for 200,000.
MAX_MEMBERS = 1_000
_PADDING = re.compile(rb"\0*+")
# Deflate may begin with a brace, but not followed by what follows it in JSON.
_BEGINS_JSON = re.compile(rb'(\xef\xbb\xbf)?\s*(\{\s*["}]|\[)')


def plain_body(body: bytes, limit: int, content_encoding: str = "") -> bytes:
    """Return the text of a body: decompressed, without a byte order mark.

    Raises as `decompress_bounded` does, and InvalidRequestError for another compression, or a double one.
    """
    if (compression := compression_of(body, content_encoding)) is not None:
        body = decompress_bounded(body, limit, compression)
    is_labelled_otherwise = content_encoding.strip().lower() not in _LABELS
    if not _BEGINS_JSON.match(body) and (is_labelled_otherwise or compression_of(body) is not None):
        raise InvalidRequestError(
            "the body must be JSON, plain or compressed once by gzip, zlib or deflate; "
            f"its Content-Encoding is {quote_value(content_encoding)}"
        )
    return body.removeprefix(BOM_UTF8)


def compression_of(data: bytes, content_encoding: str = "") -> Compression | None:
    """Return how a body is compressed; None if it is not.

    Clients label their bodies wrongly, so gzip and zlib are recognised by their first bytes, with which no JSON begins:
    RFC 1952 2.3.1, RFC 1950 2.2. Only bare deflate has no mark. It is assumed if the label says `deflate` and the body
    does not begin as JSON; RFC 9110 8.4.1.2 means zlib by that label, and many senders do not.
    """
    if data.startswith(_MAGIC):
        return "gzip"
    if len(data) > 1 and data[0] & 0x8F == 8 and (data[0] << 8 | data[1]) % 31 == 0:
        return "zlib"
    if content_encoding.strip().lower() == "deflate" and data and not _BEGINS_JSON.match(data):
        return "deflate"
    return None


def decompress_bounded(data: bytes, limit: int, compression: Compression) -> bytes:
    """Decompress the data; gzip may have several members.

    Raises PayloadTooLargeError once there are more than `limit` bytes, and InvalidRequestError if the data is cut
    short, damaged, or followed by anything but zero padding or, in gzip, another of MAX_MEMBERS members.
    """
    body = bytearray()
    view = memoryview(data)
    position = 0
    members = 1
    inflate = zlib.decompressobj(_FRAMES[compression])
    while position < len(view):
        chunk = view[position : position + _STEP]
        try:
            body += inflate.decompress(chunk, limit + 1 - len(body))
        except zlib.error as error:
            raise _invalid(compression) from error
        if len(body) > limit:
            raise PayloadTooLargeError(f"the decompressed body is larger than {limit:,} bytes", limit=limit)
        position += len(chunk) - len(inflate.unused_data) - len(inflate.unconsumed_tail)
        if inflate.eof:
            if _PADDING.fullmatch(data, position):
                return bytes(body)
            members += 1
            if compression != "gzip" or members > MAX_MEMBERS:
                raise _invalid(compression)
            inflate = zlib.decompressobj(_FRAMES[compression])
    raise InvalidRequestError(f"the {compression} body ends too early: send it whole")


def _invalid(compression: Compression) -> InvalidRequestError:
    return InvalidRequestError(f"the body is not valid {compression}: send it whole, or as plain JSON")
