"""Decompress what a tracking client sent, without ever holding more than a limit."""

import zlib

from domain.errors import InvalidRequestError, PayloadTooLargeError

_MAGIC = b"\x1f\x8b"
_GZIP_FRAME = 16 + zlib.MAX_WBITS
# Bytes handed to zlib at a time. It returns what follows a member as a copy, so that handing over everything would make
# a body of many tiny members cost the square of its size.
_STEP = 16 * 1024


def is_gzip(data: bytes) -> bool:
    """Whether the body is gzip by its first bytes: clients label it wrongly, and no JSON text begins like this."""
    return data.startswith(_MAGIC)


def gunzip_bounded(data: bytes, limit: int) -> bytes:
    """The decompressed bytes of one or several gzip members.

    Raises PayloadTooLargeError as soon as they are more than `limit` bytes, and InvalidRequestError where the data is
    cut short, damaged, or followed by something else than gzip or zero padding.
    """
    body = bytearray()
    view = memoryview(data)
    position = 0
    inflate = zlib.decompressobj(_GZIP_FRAME)
    while position < len(view):
        chunk = view[position : position + _STEP]
        try:
            body += inflate.decompress(chunk, limit + 1 - len(body))
        except zlib.error as error:
            raise InvalidRequestError("the body is not valid gzip: send it whole, or as plain JSON") from error
        if len(body) > limit:
            raise PayloadTooLargeError(f"the decompressed body is larger than {limit:,} bytes", limit=limit)
        position += len(chunk) - len(inflate.unused_data) - len(inflate.unconsumed_tail)
        if inflate.eof:
            if not any(view[position:]):
                return bytes(body)
            inflate = zlib.decompressobj(_GZIP_FRAME)
    raise InvalidRequestError("the gzip body ends too early: send it whole")
