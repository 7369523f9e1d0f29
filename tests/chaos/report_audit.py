"""Compares the reports that providers made with what the database made of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from math import inf

from tests.chaos.history import History, MessageRow
from tests.chaos.ledger import Ledger, Violation
from tests.chaos.mailings import COMPLAINTS
from tests.chaos.reporter import Report, ReportKind

# The events of reports. Nobody listens for deliveries, which are in the ledger only.
EVENTS: Mapping[ReportKind, str] = {
    "opened": "Email Opened",
    "clicked": "Email Link Clicked",
    "bounced": "Email Bounced",
    "complained": "Email Marked as Spam",
}
EVENTS_OF_PAGES: Mapping[ReportKind, str] = {
    "opened": "Message Shown",
    "clicked": "Message Clicked",
    "dismissed": "Message Dismissed",
}


class ReportAudit:
    """`refusing` are the users whose addresses have bounced, or who have complained, whether that was heard or not."""

    def __init__(self, history: History, ledger: Ledger) -> None:
        self._history = history
        self._ledger = ledger
        self._users = {journey.id: journey.user for journey in history.journeys}
        self.refusing = {report.user for report in history.reports if report.is_refusal}
        self._acknowledged = {one.message_id for one in history.reports if one.acknowledged is not None}

    def refuses(self, message: MessageRow) -> bool:
        """Whether the recipient of a mail was not to get any more of them."""
        return message.channel == "email" and self._users.get(message.journey_id) in self.refusing

    def proves(self, message: MessageRow) -> bool:
        """Whether a report that was acknowledged says that a message was taken."""
        return message.id in self._acknowledged

    def violations(self) -> Iterator[Violation]:
        yield from self._kept()
        yield from self._forged()
        yield from self._refused()
        yield from self._paused()

    def _kept(self) -> Iterator[Violation]:
        """Each report is acknowledged in the end, and counts once."""
        rows = {message.id: message for message in self._history.messages}
        for report in self._history.reports:
            named = f"{report.kind} of {report.message_id} by {report.provider}"
            row = rows.get(report.message_id)
            if report.acknowledged is None:
                yield Violation("lost-report", f"{named} was never acknowledged")
            elif row is None or report.kind not in row.reported:
                yield Violation("lost-report", f"{named} was acknowledged and is not in the ledger")
            elif report.is_refusal and _address(report.user) not in self._history.suppressed:
                yield Violation("lost-report", f"{named} was acknowledged and {report.user} is not suppressed")
        made = Counter(
            (report.message_id, name) for report in self._history.reports if (name := _find_event(report)) is not None
        )
        for (id, name), number in made.items():
            if (stored := self._history.reported.get((id, name), 0)) < number:
                yield Violation("lost-report", f"{name} of {id} was reported {number} times and is {stored} events")
        for (id, name), stored in self._history.reported.items():
            if stored > (number := made[id, name]):
                kind = "doubled-report" if number else "forged-report"
                yield Violation(kind, f"{name} of {id} was reported {number} times and is {stored} events")

    def _forged(self) -> Iterator[Violation]:
        """Nothing that no provider has said is believed."""
        for forgery in self._history.forgeries:
            if forgery.manner != "foreign" and not forgery.is_refused:
                said = f"{forgery.manner} report of {forgery.message_id} by {forgery.provider}"
                yield Violation("forged-report", f"{said} was answered {forgery.status}")
        told: dict[str, set[str]] = {}
        for report in self._history.reports:
            told.setdefault(report.message_id, set()).add(report.kind)
        for message in self._history.messages:
            known = told.get(message.id, set())
            known |= {"opened"} if "clicked" in known else set()
            if others := set(message.reported) - known:
                yield Violation("forged-report", f"{message.id} is {sorted(others)}, and no provider has said so")
        for address in set(self._history.suppressed) - {_address(user) for user in self.refusing}:
            yield Violation("forged-report", f"{address} is suppressed, and no provider has said why")

    def _refused(self) -> Iterator[Violation]:
        """Nothing is granted or claimed for an address once its refusal was acknowledged."""
        since: dict[str, tuple[float, Report]] = {}
        for report in self._history.reports:
            if report.is_refusal and report.acknowledged is not None:
                since[report.user] = min(
                    since.get(report.user, (inf, report)), (report.acknowledged, report), key=_first
                )
        for note in self._ledger.handed:
            user = self._users.get(note.row["journey_id"], "")
            if user not in since or note.row["channel"] != "email":
                continue
            acknowledged, report = since[user]
            if (late := note.at - self._history.ahead - acknowledged) > 0:
                said = f"{note.row['id']} to {user} became {note.row['state']} {late:.3f} s after"
                yield Violation("granted-after-refusal", f"{said} {report.kind} of {report.message_id}")

    def _paused(self) -> Iterator[Violation]:
        """Only complaints of the mailing before, and those that it has reported, pause a provider's marketing."""
        for note in self._ledger.pauses:
            made = {
                report.message_id
                for report in self._history.reports
                if (report.provider, report.kind) == (note.row["provider"], "complained")
                and report.sent + self._history.ahead < note.at
            }
            if note.row["cause"] == "complaints" and note.row["number"] > COMPLAINTS + len(made):
                said = f"{note.row['provider']} was paused for {note.row['number']} complaints"
                yield Violation("forged-report", f"{said}, and has reported {len(made)}")


def _find_event(report: Report) -> str | None:
    return (EVENTS_OF_PAGES if report.provider == "in_app" else EVENTS).get(report.kind)


def _first(since: tuple[float, Report]) -> float:
    return since[0]


def _address(user: str) -> str:
    return f"{user}@example.com"
