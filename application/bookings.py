"""Receive the reports of calendars: find who booked, and make the events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import json
from msgspec.structs import replace

from application.ingest import Ingest
from application.ingest_claims import BatchPart
from domain.channels.kinds import CHANNELS
from domain.errors import InvalidLinkError
from domain.sending.bookings import Booker, BookingReport, CalendarRule, build_event, find_event_ids
from domain.sending.reports import MAX_AGE
from domain.sending.tracking import tokens
from domain.tracking.identifiers import STANDARD_PLACEHOLDERS
from domain.tracking.item_error import ItemError
from domain.tracking.rejects import ALL_RECORDED, RejectCollector
from store import bookings, callback_ids
from store.database import Connection, Database

# The channel whose address people book with, and the source of the rejects.
_ADDRESS: Final = "email"
_SOURCE: Final = "calendar"
_UNKNOWN: Final = "a booking with an address that no person has"


class Bookings:
    """Receives reports of calendars.

    Once `receive` returns, their events are in force.
    """

    def __init__(self, database: Database, ingest: Ingest, link_secrets: Sequence[str]) -> None:
        self._database = database
        self._ingest = ingest
        self._secrets = link_secrets

    async def receive(self, rule: CalendarRule, report: BookingReport) -> None:
        """Make an event of a report, once however often it comes.

        Raises UnavailableError or psycopg.OperationalError if it is to come again.
        """
        now = await self._database.now()
        report = replace(report, at=min(max(report.at, now - MAX_AGE), now))
        async with self._database.transaction() as connection:
            booker = await self._find_booker(connection, rule, report)
        if booker is None:
            await self._keep(rule, report, now)
            return
        event = build_event(rule.name, report, booker)

        async def prepare(_connection: Connection) -> BatchPart:
            return BatchPart([event], range(1), (), ALL_RECORDED, now, None)

        await self._ingest.ingest_prepared(prepare)

    async def _find_booker(self, connection: Connection, rule: CalendarRule, report: BookingReport) -> Booker | None:
        """Return the person: of the booking as it began, of the link, or of the address.

        A report without a reference, as that of a guest who was missing, is about a booking that is known.
        """
        known = await bookings.find_by_event(connection, find_event_ids(rule.name, report))
        if known is not None:
            return known
        if (message_id := self._read_reference(report)) is not None:
            recipient = await bookings.find_by_message(connection, message_id)
            if recipient is not None:
                return recipient
        kind = CHANNELS[_ADDRESS]
        named = [kind.normalized_address(dict.fromkeys(kind.address_traits, email)) for email in report.emails]
        return await bookings.find_by_address(connection, kind.name, [one for one in named if one is not None])

    def _read_reference(self, report: BookingReport) -> UUID | None:
        """Return the message of the link; None for a reference that is not ours."""
        try:
            link = tokens.read(self._secrets, report.reference or "")
        except InvalidLinkError:
            return None
        return link.message_id if link.number == tokens.BOOKING else None

    async def _keep(self, rule: CalendarRule, report: BookingReport, now: datetime) -> None:
        """Keep a booking of an unknown person among the rejects."""
        async with self._database.transaction() as connection:
            is_new = await callback_ids.claim(connection, rule.name, [report.event_id], now)
        if is_new:
            collector = RejectCollector(_SOURCE, names_users=False)
            body = json.encode({"calendar": rule.name, "booking": report.booking, "emails": report.emails})
            collector.refuse(0, body, ItemError(_UNKNOWN), STANDARD_PLACEHOLDERS)
            rejects, unrecorded = collector.finish()
            await self._ingest([], rejects, unrecorded=unrecorded, received_at=now)
