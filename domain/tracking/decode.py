"""Decode the body of a tracking call: bytes in, events and refusals out."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.errors import InvalidRequestError, PayloadTooLargeError
from domain.tracking.batch import Batch, split_batch
from domain.tracking.event import Event, Reject
from domain.tracking.item import (
    MAX_ID_CHARACTERS,
    MAX_ITEM_BYTES,
    ItemError,
    event_of_item,
    instant,
    shared_context,
    shared_integrations,
)
from domain.tracking.shared import Shared

# What RudderStack's clients fill a batch to, unless they are told otherwise (rudder-sdk-python 2.1.9, consumer.py).
# Segment's stop at 475 to 500 KB; analytics-ruby 2.5.0 goes beyond that by the frame around the calls.
MAX_BATCH_BYTES = 4 * 1024 * 1024
# What a batch may come to once its context and integrations stand in each of its calls.
MAX_MERGED_BYTES = 4 * MAX_BATCH_BYTES


# The place of a reject that is about the batch itself and not about one of its calls.
OF_THE_BATCH = -1


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a body holds. Each item is an event, a reject, or one of the `repeated`: the message ids that stood earlier
    in the same batch."""

    events: list[Event]
    rejects: list[Reject]
    repeated: list[str]


class _Envelope(msgspec.Struct, rename="camel"):
    write_key: Any = None
    message_id: Any = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
# For texts that are no JSON as a whole.
_MESSAGE_ID = re.compile(rb'"messageId"\s*:\s*"([^"\\]{1,255})"')
_WRITE_KEY = re.compile(rb'"writeKey"\s*:\s*"([^"\\]{1,255})"')


def write_key_of(body: bytes) -> str | None:
    """The write key that a client put into the body; None where there is none.

    Reads no more than it must, so that a caller can refuse a stranger before the work of decoding.
    """
    try:
        told = _decode_envelope(body).write_key
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _WRITE_KEY.search(body)
        told = found[1].decode(errors="replace") if found else None
    return told if isinstance(told, str) else None


def decode(
    body: bytes,
    *,
    kind: str,
    source: str,
    received_at: datetime,
    new_id: Callable[[], UUID],
    max_batch_bytes: int = MAX_BATCH_BYTES,
) -> Decoded:
    """The events of one request.

    `kind` is "batch", or the type of the single call that the body is. `source` is that of the key. `received_at` is
    when it arrived (UTC); `new_id` makes the ids of events. A fault of one call makes a Reject and harms no other.
    Raises PayloadTooLargeError for a body (uncompressed) beyond `max_batch_bytes`, or 32 KB for a single call, and
    InvalidRequestError where the body as a whole cannot be read.
    """
    if kind == "batch":
        if len(body) > max_batch_bytes:
            raise PayloadTooLargeError(f"a batch may have {max_batch_bytes:,} bytes; this one has {len(body):,}")
        return _decode_batch(body, source, received_at, new_id)
    if len(body) > MAX_ITEM_BYTES:
        raise PayloadTooLargeError(f"a call may have {MAX_ITEM_BYTES:,} bytes; this one has {len(body):,}")
    try:
        _decode_envelope(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(
            f'the body must be a JSON object like {{"userId": "…", "timestamp": "…"}}; this one cannot be read: {error}'
        ) from error
    try:
        event = event_of_item(body, kind=kind, source=source, sent_at=None, received_at=received_at, new_id=new_id)
    except ItemError as error:
        return Decoded([], [_reject(0, body, error)], [])
    return Decoded([event], [], [])


def _decode_batch(body: bytes, source: str, received_at: datetime, new_id: Callable[[], UUID]) -> Decoded:
    batch = split_batch(body)
    # A sentAt that cannot be read counts as none: the events are worth more than the correction of their clock.
    sent_at = instant(batch.sent_at)
    events: dict[str, Event] = {}
    rejects: list[Reject] = []
    shared = _shared(batch, rejects)
    repeated: list[str] = []
    for index, item in enumerate(batch.batch):
        raw = bytes(item)
        try:
            event = event_of_item(
                raw,
                kind=None,
                source=source,
                sent_at=sent_at,
                received_at=received_at,
                new_id=new_id,
                shared=shared,
            )
        except ItemError as error:
            rejects.append(_reject(index, raw, error))
            continue
        if events.setdefault(event.message_id, event) is not event:
            repeated.append(event.message_id)
    return Decoded(list(events.values()), rejects, repeated)


def _shared(batch: Batch, rejects: list[Reject]) -> Shared:
    """What the batch says for all of its calls. A part that cannot be taken is a reject, and the calls stay."""
    context, integrations = bytes(batch.context), bytes(batch.integrations)
    if len(batch.batch) * (len(context) + len(integrations)) > MAX_MERGED_BYTES:
        raise PayloadTooLargeError(
            "the context and integrations of a batch are kept with each of its calls, of which there are "
            f"{len(batch.batch):,}: that would be more than {MAX_MERGED_BYTES:,} bytes"
        )
    parts = {"context": (context, shared_context), "integrations": (integrations, shared_integrations)}
    read: dict[str, dict[str, Any]] = {}
    for name, (text, reader) in parts.items():
        try:
            read[name] = reader(text)
        except ItemError as error:
            read[name] = {}
            told = ItemError(f"the batch's {name} is left out of its calls: {error}")
            rejects.append(_reject(OF_THE_BATCH, text, told))
    return Shared(**read)


def _reject(index: int, raw: bytes, error: ItemError) -> Reject:
    # A text column holds no NUL, and a byte that is no UTF-8 takes three once replaced: cut again after that.
    readable = raw[:MAX_ITEM_BYTES].decode(errors="replace").replace("\0", "�")
    body = readable.encode()[:MAX_ITEM_BYTES].decode(errors="ignore")
    return Reject(index=index, message_id=_message_id(raw), error=str(error), body=body)


def _message_id(raw: bytes) -> str | None:
    """The message id of a call that was refused, as far as it can be read and stored."""
    try:
        told = _decode_envelope(raw).message_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _MESSAGE_ID.search(raw)
        told = found[1].decode(errors="replace") if found else None
    if not isinstance(told, str | int) or isinstance(told, bool):
        return None
    return str(told).replace("\0", "�")[:MAX_ID_CHARACTERS] or None
