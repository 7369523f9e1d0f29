"""Reports of devices: a notification was shown, opened or dismissed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from application.callbacks import ReportGroups
from domain.errors import InvalidLinkError
from domain.sending.reports import ProviderReport
from domain.sending.tracking import tokens
from domain.sending.tracking.tokens import REPORT
from store import reported_messages
from store.database import Database

DeviceReportKind = Literal["delivered", "opened", "dismissed"]


@dataclass(frozen=True, slots=True)
class DeviceReports:
    """Takes the reports of devices. Once `report` returns, they are in force."""

    database: Database
    groups: ReportGroups
    secrets: Sequence[str]

    async def report(self, token: str, kind: DeviceReportKind, action: str | None) -> None:
        """Report about the message of a token; the first of each kind counts.

        Raises InvalidLinkError, and OverloadedError or psycopg.OperationalError if it is to be reported again.
        """
        link = tokens.read(self.secrets, token)
        if link.number != REPORT:
            raise InvalidLinkError("this link is not valid")
        async with self.database.transaction() as connection:
            provider = await reported_messages.find_provider(connection, link.message_id)
            now = connection.clock.now()
        if provider is None:
            raise InvalidLinkError("this link is no longer valid")
        report = ProviderReport(
            kind=kind,
            event_id=f"device {kind} {link.message_id}",
            message_id=link.message_id,
            at=now,
            data={} if action is None else {"action": action},
        )
        await self.groups.apply(provider, [report])
