"""Reports about the address of a message: its bounces, refusals and their end."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.people.consent import OPT_OUT, STOP, SUPPRESSION, AddressRefusal
from domain.sending.delivery import MARKETING_STOPPED, NO_ADDRESS, OPTED_OUT
from domain.sending.reports import Bounce, ProviderReport, TextReply

# Soft bounces of an address in a row, without a delivery between, that suppress it.
SOFT_BOUNCES: Final = 5
# Many mail servers report bounces alone, and try for five days: a message that has not bounced by then was delivered.
SILENT_AFTER: Final = timedelta(days=7)


class BounceRow(Struct, frozen=True):
    """The soft bounces of messages to one address, and its last delivery.

    A delivery is reported, or is that of a message that was sent SILENT_AFTER ago and has not bounced.
    """

    bounced: Mapping[UUID, datetime] = {}
    delivered_at: datetime | None = None

    @property
    def length(self) -> int:
        """The number of messages that bounced since the last delivery."""
        return sum(self.delivered_at is None or at > self.delivered_at for at in self.bounced.values())

    def follow(self, report: ProviderReport, message_id: UUID) -> "BounceRow":
        """Return the row with a report about a message to the address."""
        if report.kind == "delivered":
            return replace(self, delivered_at=max(report.at, self.delivered_at or report.at))
        if report.bounce == "soft":
            known = self.bounced.get(message_id, report.at)
            return replace(self, bounced={**self.bounced, message_id: min(known, report.at)})
        return self

    def is_full_since(self, before: "BounceRow") -> bool:
        """Return whether the address is to be suppressed.

        Once an operator has lifted that, as many bounces again are needed.
        """
        return self.length // SOFT_BOUNCES > before.length // SOFT_BOUNCES


def find_suppression(report: ProviderReport, *, is_row_full: bool) -> str | None:
    """Return why a report suppresses the address of its message; None if it does not."""
    if report.kind == "complained":
        return "complained"
    if report.kind == "failed" and report.bounce == "hard":
        return "refused"
    if report.kind != "bounced":
        return None
    if report.bounce == "hard":
        return "bounced"
    return f"bounced {SOFT_BOUNCES} times in a row" if report.bounce == "soft" and is_row_full else None


def find_address_refusal(report: ProviderReport, *, is_row_full: bool) -> tuple[AddressRefusal, str | None] | None:
    """Return what a report says of the address of its message: a refusal, or its end.

    START lifts what STOP refused, and nothing else.
    """
    word = report.reply.word if isinstance(report.reply, TextReply) else None
    if word == "stop":
        return STOP, "the person wrote STOP"
    if word == "start":
        return STOP, None
    if report.kind == "failed" and report.detail == OPTED_OUT:
        return STOP, "the person told the provider to STOP"
    if report.kind == "failed" and report.detail == MARKETING_STOPPED:
        return OPT_OUT, "the person stopped marketing at the provider"
    reason = find_suppression(report, is_row_full=is_row_full)
    return None if reason is None else (SUPPRESSION, reason)


def report_refusal(message_id: UUID, reason: str, at: datetime) -> ProviderReport:
    """Report that a provider refused the address at the hand-over of a message.

    Devices that are gone are replaced by others of their person, and a person who has told the provider to stop has the
    address: they say nothing against the sender.
    """
    bounce: Bounce | None = None if reason in (NO_ADDRESS, OPTED_OUT, MARKETING_STOPPED) else "hard"
    return ProviderReport(
        kind="failed", event_id=f"refused {message_id}", message_id=message_id, at=at, bounce=bounce, detail=reason
    )
