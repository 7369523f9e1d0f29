"""Marks of reports in the ledger: the earliest of each kind, and reactions."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict, replace

from domain.channels.kinds import CHANNELS
from domain.sending.report_events import REACTIONS, ReportedMessage
from domain.sending.reports import Bounce, ProviderReport
from domain.surveys.answers import ReportedAnswer

MARK_TIMES: Final = (
    "delivered_at",
    "opened_at",
    "clicked_at",
    "bounced_at",
    "complained_at",
    "replied_at",
    "dismissed_at",
    "machine_at",
)


class HeldClick(Struct, frozen=True):
    """A click that a provider has reported, whose verdict is not due yet.

    `is_machine` is what its client, or the provider, says.
    """

    message_id: UUID
    at: datetime
    link: str | None
    is_machine: bool


class LedgerMarks(Struct, frozen=True, kw_only=True):
    """The reports about one message as its row has them: the earliest of each kind.

    `held_clicks` are kept beside it until their verdict, `answers` for good, and `shows` and `completed_at` in the
    inbox, where messages wait that are shown more than once. `is_accepted` says that the provider has taken the
    message, which may not be known otherwise. `is_refused` says that it refused the address, and `by_mail` that the
    complaint came so.
    """

    id: UUID
    delivered_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    clicked_link: str | None = None
    bounced_at: datetime | None = None
    bounce: Bounce | None = None
    complained_at: datetime | None = None
    replied_at: datetime | None = None
    dismissed_at: datetime | None = None
    machine_at: datetime | None = None
    is_accepted: bool = False
    is_refused: bool = False
    by_mail: bool = False
    provider_id: str | None = None
    held_clicks: tuple[HeldClick, ...] = ()
    shows: tuple[datetime, ...] = ()
    completed_at: datetime | None = None
    answers: tuple[ReportedAnswer, ...] = ()

    def merge(self, other: "LedgerMarks") -> "LedgerMarks":
        """Return the marks of both; the link and the bounce are those of the earliest.

        A hard bounce replaces any other.
        """
        mine, others = asdict(self), asdict(other)
        merged: dict[str, Any] = {name: _earliest(mine[name], others[name]) for name in MARK_TIMES}
        for name, time in (("clicked_link", "clicked_at"), ("bounce", "bounced_at")):
            first, second = (mine, others) if merged[time] == mine[time] else (others, mine)
            merged[name] = first[name] or (second[name] if first[time] == second[time] else None)
        if "hard" in (self.bounce, other.bounce):
            merged["bounce"] = "hard"
        # A complaint that a provider has verified is none by mail.
        complained = [one.by_mail for one in (self, other) if one.complained_at is not None]
        return replace(
            self,
            **merged,
            is_accepted=self.is_accepted or other.is_accepted,
            is_refused=self.is_refused or other.is_refused,
            by_mail=bool(complained) and all(complained),
            provider_id=self.provider_id or other.provider_id,
            held_clicks=self.held_clicks + other.held_clicks,
            shows=self.shows + other.shows,
            completed_at=_earliest(self.completed_at, other.completed_at),
            answers=self.answers + other.answers,
        )


def merge_marks(marks: Iterable[LedgerMarks]) -> list[LedgerMarks]:
    """Return one item for each message."""
    merged: dict[UUID, LedgerMarks] = {}
    for one in marks:
        known = merged.get(one.id)
        merged[one.id] = one if known is None else known.merge(one)
    return list(merged.values())


def marks_of(report: ProviderReport, message: ReportedMessage) -> LedgerMarks:
    """Return what a report writes to the row of its message."""
    message_id, kind = message.id, CHANNELS.get(message.channel)
    waited = kind is not None and kind.waits_for_person
    # A provider reports nothing of a message that it has not taken, except that it dropped it.
    is_accepted = report.kind not in ("failed", "other")
    marks = LedgerMarks(id=message_id, is_accepted=is_accepted, provider_id=report.provider_id)
    at = report.at
    if report.awaits_verdict:
        return replace(marks, held_clicks=(HeldClick(message_id, at, report.link, report.is_machine),))
    if report.is_machine and report.kind in REACTIONS:
        return replace(marks, machine_at=at)
    match report.kind:
        case "clicked":
            return replace(marks, opened_at=at, clicked_at=at, clicked_link=report.link)
        case "answered":
            answers = () if report.answer is None else (ReportedAnswer(message_id, report.answer, at),)
            return replace(marks, opened_at=at, clicked_at=at, answers=answers)
        case "bounced":
            return replace(marks, bounced_at=at, bounce=report.bounce)
        case "complained":
            return replace(marks, complained_at=at, by_mail=report.by_mail)
        case "failed" if report.bounce == "hard":
            return replace(marks, bounce="hard", is_refused=True)
        case "opened" if waited:
            return replace(marks, opened_at=at, shows=(at,))
        case "completed" if waited:
            return replace(marks, completed_at=at)
        case "delivered" | "opened" | "replied" | "dismissed":
            return replace(marks, **{f"{report.kind}_at": at})
        case "accepted" | "deferred" | "unsubscribed" | "resolved" | "rated" | "completed":
            return marks
        case "failed" | "other":
            return marks


def hold_click(channel: str, report: ProviderReport) -> ProviderReport:
    """Return a report; a click where scanners follow links awaits its verdict."""
    known = CHANNELS.get(channel)
    awaits = report.kind == "clicked" and known is not None and known.has_scanners
    return replace(report, awaits_verdict=True) if awaits else report


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)
