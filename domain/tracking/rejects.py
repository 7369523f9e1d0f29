"""Rejects of a request, recorded as far as they help to repair the client."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.access import KEY_PREFIX
from domain.tracking.event import Event, Reject
from domain.tracking.identifiers import MAX_ID_CHARACTERS, Placeholders, read_identifier
from domain.tracking.item_error import ItemError
from domain.tracking.traits import LeftOut

# The place of a reject of the batch itself.
BATCH_INDEX: Final = -1

# A compressed body of 83 bytes may hold ten thousand calls. Bytes are limited for each text and in total.
MAX_RECORDED: Final = 100
MAX_TEXT_BYTES: Final = 2_048
MAX_BYTES: Final = 32 * 1024

# A JWT: two objects of JSON in base64, then the signature.
_USER_TOKEN: Final = re.compile(rb"eyJ[\w-]*\.eyJ[\w-]*\.[\w-]*")
# Clients that set no header send their key in each call. Who reads rejects may not report.
_WRITE_KEY: Final = re.compile(rb'("writeKey"\s*:\s*")[^"]+')
# A key of ours in any place: its prefix, its id and its secret.
_OUR_KEY: Final = re.compile(rf"{KEY_PREFIX}_[0-9A-Za-z]{{1,64}}_[0-9A-Za-z]+".encode())
_KEY_START: Final = f"{KEY_PREFIX}_".encode()


class Unrecorded(msgspec.Struct, frozen=True):
    """How many refused calls and parts left out are counted without a record.

    Parts are counted by event; None stands for those of the batch.
    """

    calls: int = 0
    parts: Mapping[UUID | None, int] = {}

    @property
    def number(self) -> int:
        """The number of calls and parts."""
        return self.calls + sum(self.parts.values())

    def select_events(self) -> "Unrecorded":
        """Return the part without the counts of the request itself."""
        return Unrecorded(parts={id: number for id, number in self.parts.items() if id is not None})


ALL_RECORDED: Final = Unrecorded()


def select_losses(
    new: Collection[UUID], rejects: Sequence[Reject], unrecorded: Unrecorded, source: str
) -> tuple[list[Reject], Unrecorded]:
    """Select the losses of a request if only these events are new.

    A repeated event lost its parts the first time. If none of the losses is recorded, one row stands for their number.
    """
    lost = [reject for reject in rejects if reject.event_id is None or reject.event_id in new]
    parts = {id: number for id, number in unrecorded.parts.items() if id is None or id in new}
    more = Unrecorded(unrecorded.calls, parts)
    if more.number and not lost:
        error = "parts of calls were left out, which are counted, not listed"
        lost = [Reject(index=BATCH_INDEX, source=source, message_id=None, part="*", error=error, body="")]
    return lost, more


class RejectCollector:
    """Collects the losses of a request in order; refused calls precede parts left out."""

    def __init__(self, source: str, *, names_users: bool = True) -> None:
        """Without `names_users`, a refused call is of no user."""
        self._source = source
        self._names_users = names_users
        self._refused: list[Reject] = []
        self._left_out: list[Reject] = []
        self._refused_calls = 0
        self._left_out_parts: Counter[UUID | None] = Counter()
        self._room = MAX_BYTES

    def refuse(self, index: int, raw: bytes, error: ItemError, placeholders: Placeholders) -> None:
        """Record a refused call. Ids among the `placeholders` name no profile."""
        self._refused_calls += 1
        if len(self._refused) < MAX_RECORDED:
            ids = _read_ids(raw)
            self._refused.append(
                Reject(
                    index=index,
                    source=self._source,
                    message_id=_message_id(ids.message_id),
                    user_id=_identifier(ids.user_id, placeholders) if self._names_users else None,
                    anonymous_id=_identifier(ids.anonymous_id, placeholders),
                    error=_blank_keys(str(error).encode(errors="replace")).decode(),
                    body=self._bounded_text(raw),
                )
            )

    def leave_out(self, index: int, event: Event, parts: Sequence[LeftOut]) -> None:
        """Record the parts that were left out of an accepted call."""
        if parts:
            self._left_out_parts[event.id] += len(parts)
        for left_out in parts[: MAX_RECORDED - len(self._left_out)]:
            self._left_out.append(
                Reject(
                    index=index,
                    source=self._source,
                    event_id=event.id,
                    message_id=event.message_id,
                    user_id=event.user_id,
                    anonymous_id=event.anonymous_id,
                    part=left_out.part,
                    error=_blank_keys(left_out.error.encode(errors="replace")).decode(),
                    body=self._bounded_text(msgspec.json.encode(left_out.value)),
                )
            )

    def leave_out_of_all(self, part: str, raw: bytes, error: str) -> None:
        """Record a part of the batch that was left out of all of its calls."""
        self._left_out_parts[None] += 1
        if len(self._left_out) < MAX_RECORDED:
            self._left_out.append(
                Reject(
                    index=BATCH_INDEX,
                    source=self._source,
                    message_id=None,
                    part=part,
                    error=error,
                    body=self._bounded_text(raw),
                )
            )

    def finish(self) -> tuple[list[Reject], Unrecorded]:
        """Return the recorded rejects, and the number of the others."""
        left_out = self._left_out[: MAX_RECORDED - len(self._refused)]
        parts = self._left_out_parts - Counter(reject.event_id for reject in left_out)
        return [*self._refused, *left_out], Unrecorded(self._refused_calls - len(self._refused), parts)

    def _bounded_text(self, raw: bytes) -> str:
        limit = min(MAX_TEXT_BYTES, self._room)
        if b"eyJ" in raw:
            raw = _USER_TOKEN.sub(b"(user token)", raw)
        if b"writeKey" in raw:
            raw = _WRITE_KEY.sub(rb"\1(write key)", raw)
        raw = _blank_keys(raw)
        # A text column holds no NUL, and an invalid byte takes three once replaced: cut again afterwards.
        readable = raw[:limit].decode(errors="replace").replace("\0", "�")
        kept = readable.encode()[:limit].decode(errors="ignore")
        self._room -= len(kept.encode())
        return kept


def _blank_keys(text: bytes) -> bytes:
    return _OUR_KEY.sub(b"(key)", text) if _KEY_START in text else text


def _has_key(id: str | float) -> bool:
    return isinstance(id, str) and _OUR_KEY.search(id.encode(errors="replace")) is not None


class _CallIds(msgspec.Struct, rename="camel"):
    message_id: Any = None
    user_id: Any = None
    anonymous_id: Any = None


_decode_ids = msgspec.json.Decoder(_CallIds).decode
# For invalid JSON.
_FIELD: Final = re.compile(rb'"(messageId|userId|anonymousId)"\s*:\s*"([^"\\]{1,255})"')


def _read_ids(raw: bytes) -> _CallIds:
    """Return the ids of a refused call, as far as they can be read."""
    try:
        return _decode_ids(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = {match[1]: match[2].decode(errors="replace") for match in _FIELD.finditer(raw)}
        return _CallIds(found.get(b"messageId"), found.get(b"userId"), found.get(b"anonymousId"))


def _identifier(value: Any, placeholders: Placeholders) -> str | None:
    """Return the id if it may name a person."""
    if not isinstance(value, str | int | float) or _has_key(value):
        return None
    try:
        return read_identifier("id", value, placeholders)
    except ItemError:
        return None


def _message_id(value: Any) -> str | None:
    if not isinstance(value, str | int) or isinstance(value, bool) or _has_key(value):
        return None
    return str(value).replace("\0", "�")[:MAX_ID_CHARACTERS] or None
