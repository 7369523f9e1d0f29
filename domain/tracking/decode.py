"""Decode the body of a tracking call into events and rejects."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.errors import InvalidRequestError, MalformedJsonError, PayloadTooLargeError
from domain.long_work import LongWork, finish
from domain.tracking.batch import NULL, Batch, split_batch
from domain.tracking.browser_calls import BrowserCalls
from domain.tracking.event import CallType, Event, Reject
from domain.tracking.identifiers import STANDARD_PLACEHOLDERS, Placeholders
from domain.tracking.instants import instant
from domain.tracking.item import MAX_ITEM_BYTES, Item, event_of_item, shared_context, shared_integrations
from domain.tracking.item_error import UNREADABLE, ItemError, explain_unreadable
from domain.tracking.rejects import ALL_RECORDED, RejectCollector, Unrecorded
from domain.tracking.shared import NOTHING_SHARED, Shared
from domain.tracking.surrogates import replace_halves

# RudderStack's clients fill a batch up to this by default (rudder-sdk-python 2.1.9, consumer.py). Segment's stop at 475
# to 500 KB; analytics-ruby 2.5.0 exceeds that by the frame around the calls.
MAX_BATCH_BYTES = 4 * 1024 * 1024
# The size of a batch with its context and integrations repeated in each call.
MAX_MERGED_BYTES = 4 * MAX_BATCH_BYTES

_WANTED = 'the body must be a JSON object like {"userId": "…", "timestamp": "…"}'

# Reads one call: its text, its type if the route names it, the sending time, and the batch's shared values.
_Read = Callable[[bytes, CallType | None, datetime | None, Shared], Item]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The items of a body: events, rejects and repetitions within the batch.

    `places` has the place of each event in the batch. `rejects` are the refused items, then the parts left out of
    events; `unrecorded` counts any beyond the limit. `repeated` are message ids that occurred earlier in the batch.
    """

    events: list[Event]
    places: list[int]
    rejects: list[Reject]
    repeated: list[str]
    unrecorded: Unrecorded = ALL_RECORDED


class _Envelope(msgspec.Struct, rename="camel"):
    write_key: Any = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
# For invalid JSON.
_WRITE_KEY = re.compile(rb'"writeKey"\s*:\s*"([^"\\]{1,255})"')


def write_key_of(body: bytes) -> str | None:
    """Return the write key in a body; None if there is none.

    Reads as little as possible, so that a stranger is refused before the work of decoding.
    """
    try:
        key = _decode_envelope(body).write_key
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _WRITE_KEY.search(body)
        key = found[1].decode(errors="replace") if found else None
    return key if isinstance(key, str) else None


def decode(
    body: bytes,
    *,
    kind: CallType | Literal["batch"],
    source: str,
    received_at: datetime,
    new_id: Callable[[], UUID],
    max_batch_bytes: int = MAX_BATCH_BYTES,
    placeholders: Placeholders = STANDARD_PLACEHOLDERS,
    browser: BrowserCalls | None = None,
) -> Decoded:
    """Decode one request at once."""
    return finish(
        decode_in_pieces(
            body,
            kind=kind,
            source=source,
            received_at=received_at,
            new_id=new_id,
            max_batch_bytes=max_batch_bytes,
            placeholders=placeholders,
            browser=browser,
        )
    )


def decode_in_pieces(
    body: bytes,
    *,
    kind: CallType | Literal["batch"],
    source: str,
    received_at: datetime,
    new_id: Callable[[], UUID],
    max_batch_bytes: int = MAX_BATCH_BYTES,
    placeholders: Placeholders = STANDARD_PLACEHOLDERS,
    browser: BrowserCalls | None = None,
) -> LongWork[Decoded]:
    """Decode one request; a piece of work is one call, or a part of a search.

    `kind` is "batch", or the type of the single call in the body. `source` is that of the key. `received_at` is when it
    arrived (UTC); `new_id` makes the ids of events. Client ids among the `placeholders` count as none. `browser` judges
    the calls of a browser key. A faulty call becomes a Reject, a faulty optional trait only loses that trait; neither
    affects other calls. Raises PayloadTooLargeError for a body (uncompressed) beyond `max_batch_bytes`, or 32 KB for a
    single call, and InvalidRequestError for an invalid body, MalformedJsonError if it is not JSON.
    """

    def read(raw: bytes, kind: CallType | None, sent_at: datetime | None, shared: Shared) -> Item:
        item = event_of_item(
            raw,
            kind=kind,
            source=source,
            sent_at=sent_at,
            received_at=received_at,
            new_id=new_id,
            placeholders=placeholders,
            shared=shared,
        )
        return item if browser is None else browser.judge(item)

    # A browser key proves no user: a refused call must not appear on the timeline of the one that it names.
    rejects = RejectCollector(source, names_users=browser is None)

    if kind == "batch":
        if len(body) > max_batch_bytes:
            raise PayloadTooLargeError(f"a batch may have {max_batch_bytes:,} bytes; this one has {len(body):,}")
        return (yield from _decode_batch(body, read, rejects, received_at, placeholders))
    if len(body) > MAX_ITEM_BYTES:
        raise PayloadTooLargeError(f"a call may have {MAX_ITEM_BYTES:,} bytes; this one has {len(body):,}")
    try:
        _decode_envelope(replace_halves(body))
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"{_WANTED}; this one is not") from error
    except UNREADABLE as error:
        raise MalformedJsonError(f"{_WANTED}; this one cannot be read: {explain_unreadable(error)}") from error
    try:
        item = read(body, kind, None, NOTHING_SHARED)
    except ItemError as error:
        rejects.refuse(0, body, error, placeholders)
        return _decode_item([], [], rejects, [])
    rejects.leave_out(0, item.event, item.left_out)
    return _decode_item([item.event], [0], rejects, [])


def _decode_batch(
    body: bytes, read: _Read, rejects: RejectCollector, received_at: datetime, placeholders: Placeholders
) -> LongWork[Decoded]:
    batch = yield from split_batch(body)
    # An invalid sentAt is ignored: the events matter more than the correction of their clock.
    sent_at = instant(batch.sent_at)
    events: dict[str, Event] = {}
    shared = _read_shared(batch, rejects)
    places: list[int] = []
    repeated: list[str] = []
    for index, raw in enumerate(map(bytes, batch.batch)):
        yield
        try:
            item = read(raw, None, sent_at, shared)
        except ItemError as error:
            rejects.refuse(index, raw, error, placeholders)
            continue
        event = item.event
        if event.timestamp >= received_at:
            # Statements at the time of arrival are ordered as in the batch.
            event = replace(event, said_at=received_at + timedelta(microseconds=index))
        if events.setdefault(event.message_id, event) is not event:
            repeated.append(event.message_id)
        else:
            places.append(index)
            rejects.leave_out(index, event, item.left_out)
    return _decode_item(list(events.values()), places, rejects, repeated)


def _read_shared(batch: Batch, rejects: RejectCollector) -> Shared:
    """Read the values that all calls share. An invalid part becomes a reject."""
    context, integrations = bytes(batch.context), bytes(batch.integrations)
    if context == integrations == NULL:
        return NOTHING_SHARED
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
            rejects.leave_out_of_all(name, text, f"the batch's {name} is left out of its calls: {error}")
    return Shared(**read)


def _decode_item(events: list[Event], places: list[int], rejects: RejectCollector, repeated: list[str]) -> Decoded:
    recorded, unrecorded = rejects.finish()
    return Decoded(events, places, recorded, repeated, unrecorded)
