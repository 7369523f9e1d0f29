"""What a request held that was not taken: at most as much is kept as helps to mend the client."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.tracking.event import Event, Reject
from domain.tracking.identifiers import MAX_ID_CHARACTERS, Placeholders, read_identifier
from domain.tracking.item_error import ItemError
from domain.tracking.traits import LeftOut

# The place of a reject that is about the batch itself and not about one of its calls.
OF_THE_BATCH: Final = -1

# A compressed body of 83 bytes may hold ten thousand calls. Of each text so many bytes are kept, and of all together.
MAX_RECORDED: Final = 100
MAX_TEXT_BYTES: Final = 2_048
MAX_BYTES: Final = 32 * 1024


class Unrecorded(msgspec.Struct, frozen=True):
    """How many refused calls of a request, and parts left out of accepted ones, are counted and not recorded.

    The parts by their event; None for those of the batch.
    """

    calls: int = 0
    parts: Mapping[UUID | None, int] = {}

    @property
    def number(self) -> int:
        """Both together."""
        return self.calls + sum(self.parts.values())

    def of_events(self) -> "Unrecorded":
        """Without what is of the request itself."""
        return Unrecorded(parts={id: number for id, number in self.parts.items() if id is not None})


ALL_RECORDED: Final = Unrecorded()


def lost_with(
    new: Collection[UUID], rejects: Sequence[Reject], unrecorded: Unrecorded, source: str
) -> tuple[list[Reject], Unrecorded]:
    """Of what a request lost, what is to be kept if only these events are new: no other has lost anything again.

    Where none of it is recorded, one row is there for the number of the rest.
    """
    lost = [reject for reject in rejects if reject.event_id is None or reject.event_id in new]
    parts = {id: number for id, number in unrecorded.parts.items() if id is None or id in new}
    more = Unrecorded(unrecorded.calls, parts)
    if more.number and not lost:
        error = "parts of calls were left out, which are counted and not named"
        lost = [Reject(index=OF_THE_BATCH, source=source, message_id=None, part="*", error=error, body="")]
    return lost, more


class RejectCollector:
    """Collects what a request loses, in the order of its calls. Refused calls go before parts left out."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._refused: list[Reject] = []
        self._left_out: list[Reject] = []
        self._refused_calls = 0
        self._left_out_parts: Counter[UUID | None] = Counter()
        self._room = MAX_BYTES

    def refuse(self, index: int, raw: bytes, error: ItemError, placeholders: Placeholders) -> None:
        """Note a call that was refused. Its person is known by no id that is one of the `placeholders`."""
        self._refused_calls += 1
        if len(self._refused) < MAX_RECORDED:
            called = _read_call(raw)
            self._refused.append(
                Reject(
                    index=index,
                    source=self._source,
                    message_id=_message_id(called.message_id),
                    user_id=_identifier(called.user_id, placeholders),
                    anonymous_id=_identifier(called.anonymous_id, placeholders),
                    error=str(error),
                    body=self._bounded_text(raw),
                )
            )

    def leave_out(self, index: int, event: Event, parts: Sequence[LeftOut]) -> None:
        """Note the parts that were left out of an accepted call."""
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
                    error=left_out.error,
                    body=self._bounded_text(msgspec.json.encode(left_out.value)),
                )
            )

    def leave_out_of_all(self, part: str, raw: bytes, error: str) -> None:
        """Note a part of the batch itself that was left out of all of its calls."""
        self._left_out_parts[None] += 1
        if len(self._left_out) < MAX_RECORDED:
            self._left_out.append(
                Reject(
                    index=OF_THE_BATCH,
                    source=self._source,
                    message_id=None,
                    part=part,
                    error=error,
                    body=self._bounded_text(raw),
                )
            )

    def finish(self) -> tuple[list[Reject], Unrecorded]:
        """What is to be recorded, and how much is not."""
        left_out = self._left_out[: MAX_RECORDED - len(self._refused)]
        parts = self._left_out_parts - Counter(reject.event_id for reject in left_out)
        return [*self._refused, *left_out], Unrecorded(self._refused_calls - len(self._refused), parts)

    def _bounded_text(self, raw: bytes) -> str:
        limit = min(MAX_TEXT_BYTES, self._room)
        # A text column holds no NUL, and a byte that is no UTF-8 takes three once replaced: cut again after that.
        readable = raw[:limit].decode(errors="replace").replace("\0", "�")
        kept = readable.encode()[:limit].decode(errors="ignore")
        self._room -= len(kept.encode())
        return kept


class _Called(msgspec.Struct, rename="camel"):
    message_id: Any = None
    user_id: Any = None
    anonymous_id: Any = None


_decode_called = msgspec.json.Decoder(_Called).decode
# For texts that are no JSON as a whole.
_FIELD: Final = re.compile(rb'"(messageId|userId|anonymousId)"\s*:\s*"([^"\\]{1,255})"')


def _read_call(raw: bytes) -> _Called:
    """The ids of a call that was refused, as far as they can be read."""
    try:
        return _decode_called(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = {match[1]: match[2].decode(errors="replace") for match in _FIELD.finditer(raw)}
        return _Called(found.get(b"messageId"), found.get(b"userId"), found.get(b"anonymousId"))


def _identifier(value: Any, placeholders: Placeholders) -> str | None:
    """The id, if it is one by which a person may be known."""
    if not isinstance(value, str | int | float):
        return None
    try:
        return read_identifier("id", value, placeholders)
    except ItemError:
        return None


def _message_id(value: Any) -> str | None:
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    return str(value).replace("\0", "�")[:MAX_ID_CHARACTERS] or None
