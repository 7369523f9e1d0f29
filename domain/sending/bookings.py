"""Bookings of calls: the reports of a calendar, and the events that they become."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid5

from msgspec import Struct

from domain.sending.providers.calendars import calendar_model
from domain.sending.providers.model import AccountModel
from domain.tracking.event import SOJOURN_SOURCE, Event

BookingKind = Literal["booked", "rescheduled", "cancelled", "missed", "ended"]

EVENTS: Final[Mapping[BookingKind, str]] = {
    "booked": "Call Booked",
    "rescheduled": "Call Rescheduled",
    "cancelled": "Call Cancelled",
    "missed": "Call Missed",
    "ended": "Call Ended",
}
# The properties that a booking has of the message whose link led to it.
OF_MESSAGE: Final = ("message_id", "channel", "campaign", "step", "template")

_IDS: Final = UUID("b7d1c9a0-31a5-4a0e-9f0c-6f2f6c1d1f52")


class CalendarRule(Struct, frozen=True, tag="calendar", tag_field="rule", omit_defaults=True):
    """A calendar by which people book. `settings` are its keys as authors write them."""

    name: str
    kind: str
    settings: dict[str, Any]

    def model(self) -> AccountModel:
        """Return the settings, typed. Raises ValueError or KeyError in other builds."""
        return calendar_model(self.kind).model_validate(self.settings)


class BookingReport(Struct, frozen=True, kw_only=True):
    """A calendar's report about a booking.

    `booking` is its id there, `former` that of the booking which it replaces, and `next` that of the one by which it is
    replaced. `reference` is the signed one that its link carried, and `emails` are the addresses of those who were to
    come. `data` is the rest of the event.
    """

    kind: BookingKind
    booking: str
    at: datetime
    former: str | None = None
    next: str | None = None
    reference: str | None = None
    emails: tuple[str, ...] = ()
    data: Mapping[str, str] = {}

    @property
    def event_id(self) -> str:
        """The id of the report: a callback with a known one is a repetition."""
        return f"{self.kind} {self.booking}"


class Booker(Struct, frozen=True):
    """The person of a booking, and the properties of the message that led to it."""

    user_id: str | None
    anonymous_id: str | None
    message: Mapping[str, Any] = {}


def find_event_ids(calendar: str, report: BookingReport) -> tuple[UUID, ...]:
    """Return the ids of the events by which this booking began, and the former one."""
    bookings = [one for one in (report.booking, report.former) if one is not None]
    return tuple(_event_id(calendar, f"booked {booking}") for booking in bookings)


def build_event(calendar: str, report: BookingReport, booker: Booker) -> Event:
    """Build the event of a report, the same at each attempt."""
    id = _event_id(calendar, report.event_id)
    others = {"rescheduled_from": report.former, "rescheduled_to": report.next}
    replaced = {name: booking for name, booking in others.items() if booking is not None}
    return Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type="track",
        name=EVENTS[report.kind],
        user_id=booker.user_id,
        anonymous_id=None if booker.user_id else booker.anonymous_id,
        properties={**booker.message, "calendar": calendar, "booking": report.booking, **replaced, **report.data},
        context={},
        timestamp=report.at,
    )


def _event_id(calendar: str, report: str) -> UUID:
    return uuid5(_IDS, f"{calendar} {report}")
