"""Split a batch of tracking calls into its items, each still JSON text.

msgspec splits a batch that is valid JSON. In an invalid one the fault is mostly a single value (Python writes NaN,
which is not JSON), and its client would lose a hundred good events. So the items are then found by their brackets
alone, and each is decoded by itself.
"""

import re
from typing import Any

import msgspec

from domain.errors import InvalidRequestError, MalformedJsonError, PayloadTooLargeError
from domain.long_work import LongWork
from domain.tracking.item_error import UNREADABLE, explain_unreadable

# Half a megabyte of "0,0,0,…" would otherwise be a quarter of a million rejects to store.
MAX_ITEMS = 10_000
# For a batch of invalid JSON: brackets, and commas and colons outside its items. A client's call has about ten, and
# each takes about 1 µs.
MAX_TOKENS = 200_000
TOKENS_PER_PIECE = 64
# The bytes searched for the next bracket of such a batch. A longer string is in no acceptable call, and the whole batch
# is refused.
MAX_WINDOW = 256 * 1024
# The depth to which the end of an item is searched. The item is refused for its depth, but the others are worth the
# search.
MAX_SEARCHED_DEPTH = 10_000

_WANTED = (
    'the body must be a JSON object like {"batch": [{"type": "track", "event": "…", "userId": "…"}], "sentAt": "…"}'
)
_TOO_MANY = f"a batch may have {MAX_ITEMS:,} items; this one has more"

NULL = b"null"


class Batch(msgspec.Struct, rename="camel"):
    """The items as raw JSON, and the values that they share.

    `sent_at` is any value of the client, None if absent; `context` and `integrations` are raw JSON.
    """

    batch: list[msgspec.Raw]
    sent_at: Any = None
    context: msgspec.Raw = msgspec.Raw(NULL)
    integrations: msgspec.Raw = msgspec.Raw(NULL)


_decode_batch = msgspec.json.Decoder(Batch).decode

# An array of raw JSON that msgspec stops reading at the first item beyond MAX_ITEMS. With a list, even with
# `max_length`, msgspec counts only after it has made all items: two million of "0,0,0,…" take half a second.
_BoundedItems = msgspec.defstruct(
    "_BoundedItems",
    [(f"item{number}", msgspec.Raw, msgspec.Raw()) for number in range(MAX_ITEMS)],
    array_like=True,
    forbid_unknown_fields=True,
)
_BoundedBatch = msgspec.defstruct("_BoundedBatch", [("batch", _BoundedItems)])
_check_number = msgspec.json.Decoder(_BoundedBatch).decode

# Everything up to the next bracket, comma or colon, skipping strings. The first group is the last string on the way,
# the second the token; a lone quote is an unterminated string.
_SHALLOW = re.compile(rb'(?:[^\[\]{},:"]++|("(?:[^"\\]++|\\.)*+"))*+([\[\]{},:"]?)', re.DOTALL)
# Within an item only brackets matter.
_DEEP = re.compile(rb'(?:[^\[\]{}"]++|("(?:[^"\\]++|\\.)*+"))*+([\[\]{}"]?)', re.DOTALL)


def split_batch(body: bytes) -> LongWork[Batch]:
    """Split a batch into its items. An invalid item keeps its text.

    Valid JSON is one piece of work, some milliseconds for 4 MB; otherwise a piece is a number of brackets or bytes.
    Raises InvalidRequestError if there are no items (MalformedJsonError if it is not JSON either), and
    PayloadTooLargeError for more than MAX_ITEMS.
    """
    # More than MAX_ITEMS items need as many commas, and few batches have them.
    if body.count(b",") >= MAX_ITEMS:
        _refuse_too_many(body)
    try:
        batch = _decode_batch(body)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"{_WANTED}; this one has no array `batch`") from error
    except UNREADABLE as error:
        salvaged = yield from _split_by_brackets(body)
        if salvaged is None:
            raise MalformedJsonError(f"{_WANTED}; this one cannot be read: {explain_unreadable(error)}") from error
        batch = salvaged
    if len(batch.batch) > MAX_ITEMS:
        raise PayloadTooLargeError(_TOO_MANY)
    return batch


def _refuse_too_many(body: bytes) -> None:
    try:
        _check_number(body)
    except msgspec.ValidationError as error:
        if str(error).startswith(f"Expected `array` of at most length {MAX_ITEMS}"):
            raise PayloadTooLargeError(_TOO_MANY) from error
    except UNREADABLE:
        # Invalid JSON is counted during the search.
        return


def _split_by_brackets(body: bytes) -> LongWork[Batch | None]:
    """Split a batch by its brackets, commas and strings; None if they do not match.

    Raises PayloadTooLargeError beyond MAX_ITEMS, MAX_TOKENS and MAX_SEARCHED_DEPTH, which bound the work.
    """
    if not body.lstrip().startswith(b"{"):
        return None
    fields: dict[bytes, bytes] = {}
    items: list[msgspec.Raw] | None = None
    key = text = b""
    place = paused_at = depth = value_start = item_start = 0
    in_batch = False
    for number in range(MAX_TOKENS):
        if number % TOKENS_PER_PIECE == 0 or place - paused_at > MAX_WINDOW:
            paused_at = place
            yield
        window = place + MAX_WINDOW
        match = (_SHALLOW if depth <= 2 else _DEEP).match(body, place, window)
        if match is None:
            break
        token, start = match[2], match.start(2)
        text = match[1] or text
        if window < len(body) and token in (b"", b'"'):
            # There is no token before the end of the window, or a string begins there and goes on.
            if start == place:
                return None
            place = start
            continue
        if not token:
            break
        if token == b'"':
            return None
        place = match.end()
        if token in b"[{":
            depth += 1
            if depth > MAX_SEARCHED_DEPTH:
                raise PayloadTooLargeError(
                    f"the batch is not valid JSON, and nested more than {MAX_SEARCHED_DEPTH:,} deep: too deep to look "
                    "for its calls"
                )
            if depth == 2 and token == b"[" and key == b'"batch"' and items is None:
                in_batch, items, item_start = True, [], place
        elif token in b"]}":
            if depth == 2 and in_batch and items is not None:
                last = body[item_start:start].strip()
                if last or items:
                    items.append(msgspec.Raw(last))
                in_batch = False
            elif depth == 1:
                fields[key] = body[value_start:start]
            depth -= 1
            if depth == 0:
                if body[place:].strip():
                    return None
                break
        elif token == b",":
            if depth == 2 and in_batch and items is not None:
                items.append(msgspec.Raw(body[item_start:start].strip()))
                item_start = place
                if len(items) > MAX_ITEMS:
                    raise PayloadTooLargeError(_TOO_MANY)
            elif depth == 1:
                fields[key] = body[value_start:start]
        elif depth == 1:
            key, value_start = text, place
        text = b""
    else:
        raise PayloadTooLargeError(
            f"the batch is not valid JSON, and has more than {MAX_TOKENS:,} brackets: too many to look for its calls"
        )
    if depth != 0 or items is None:
        return None
    return Batch(
        batch=items,
        sent_at=_value(fields.get(b'"sentAt"')),
        context=msgspec.Raw(fields.get(b'"context"', NULL)),
        integrations=msgspec.Raw(fields.get(b'"integrations"', NULL)),
    )


def _value(text: bytes | None) -> Any:
    """Decode a piece of JSON; None if it is invalid."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
