"""Callbacks of Cal.com about bookings, signed over the body.

https://cal.com/docs/developing/guides/automation/webhooks

No account was called yet: the fields are those of its page and its published source. They are signed without a time, so
that a repetition is known by its booking and trigger.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from channels.calendars.kind import CalendarKind
from channels.report_fields import find, find_instant, find_items, find_text, read_object
from channels.signatures import verify_hex_hmac
from domain.errors import InvalidRequestError
from domain.sending.booking_links import REFERENCE_KEY
from domain.sending.bookings import BookingKind, BookingReport
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.cal import CalModel
from domain.sending.reports import Callback, IncomingReport, ReportReader

# Guests of one booking whose addresses are tried.
MAX_GUESTS: Final = 10
_MAX_CHARACTERS: Final = 150
_RESCHEDULED, _NO_SHOW = "BOOKING_RESCHEDULED", "BOOKING_NO_SHOW_UPDATED"
_KINDS: Final[Mapping[str, BookingKind]] = {
    "BOOKING_CREATED": "booked",
    _RESCHEDULED: "booked",
    "BOOKING_CANCELLED": "cancelled",
    "BOOKING_REJECTED": "cancelled",
    _NO_SHOW: "missed",
    "MEETING_ENDED": "ended",
}


def open_reader(settings: CalModel, secrets: ProviderSecrets) -> ReportReader:
    """Open the reader of a webhook."""
    secret = secrets.for_own_use(settings.callback_secret)

    async def read(callback: Callback, now: datetime) -> Sequence[IncomingReport]:
        verify_hex_hmac(secret, callback.body, callback.headers.get("x-cal-signature-256", ""))
        data = read_object(callback.body)
        if data is None:
            raise InvalidRequestError("the body is not a JSON object")
        return list(read_reports(data, now))

    return read


def read_reports(data: Mapping[str, Any], now: datetime) -> Iterator[BookingReport]:
    """Iterate over the reports of a body; other triggers have none.

    A rescheduled booking is over, and another one begins.
    """
    trigger = find_text(data, "triggerEvent") or ""
    # Older versions have the fields of an ended meeting beside its trigger.
    payload = data["payload"] if isinstance(data.get("payload"), Mapping) else data
    guests = find_items(find(payload, "attendees"))
    if trigger == _NO_SHOW:
        # The mark of one who came after all is taken back.
        guests = [one for one in guests if find(one, "noShow") is True]
    booking = _read_text(payload, "uid") or _read_text(payload, "bookingUid")
    if trigger not in _KINDS or booking is None or (trigger == _NO_SHOW and not guests):
        return
    said = {
        "type": _read_text(payload, "type"),
        "starts_at": _read_time(payload, "startTime"),
        "ends_at": _read_time(payload, "endTime"),
    }
    report = BookingReport(
        kind=_KINDS[trigger],
        booking=booking,
        at=find_instant(data, "createdAt") or now,
        reference=_read_text(payload, "metadata", REFERENCE_KEY),
        emails=tuple(email for one in guests[:MAX_GUESTS] if (email := find_text(one, "email")) is not None),
        data={name: value for name, value in said.items() if value is not None},
    )
    former = _read_text(payload, "rescheduleUid") if trigger == _RESCHEDULED else None
    if former is not None:
        yield replace(report, kind="rescheduled", booking=former, next=booking)
    yield replace(report, former=former)


def _read_time(data: Any, name: str) -> str | None:
    at = find_instant(data, name)
    return None if at is None else at.isoformat()


def _read_text(data: Any, *path: str) -> str | None:
    """Return a short text that PostgreSQL can hold; None if there is none."""
    found = find_text(data, *path) or ""
    return found.replace("\0", "")[:_MAX_CHARACTERS] or None


KIND = CalendarKind(CalModel, open_reader)
