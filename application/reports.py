"""Apply the reports of providers: ledger, suppressions and events."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from application.catalogue import Catalogue
from application.deliverability import pause_if_due
from application.ingest import Ingest
from application.ingest_claims import BatchPart
from application.link_clients import read_client
from domain.long_work import TooMuchWork
from domain.people.address_statements import LinkStatement, ReportedRefusal
from domain.people.consent import OPT_OUT
from domain.sending.address_reports import find_address_refusal
from domain.sending.ledger_marks import marks_of, merge_marks
from domain.sending.report_events import ReportedMessage, build_event, build_refusal
from domain.sending.reports import ProviderReport, tidy
from domain.tracking.event import Event
from domain.tracking.rejects import ALL_RECORDED
from store import callback_ids, campaigns, reported_messages, survey_answers
from store.database import Connection, Database
from store.reported_messages import AddressRef
from store.transaction_metrics import Metric

# Reports of one transaction, each with an event at most.
PAGE = 250


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The numbers of reports that were applied, repeated, and about unknown messages."""

    applied: int = 0
    repeated: int = 0
    unknown: int = 0


class Reports:
    """Applies the reports of configured providers. Once it returns, they are in force."""

    def __init__(self, database: Database, catalogue: Catalogue, ingest: Ingest) -> None:
        self._database = database
        self._catalogue = catalogue
        self._ingest = ingest

    async def apply(self, provider: str, reports: Sequence[ProviderReport], *, received_at: datetime) -> ReportResult:
        """Apply reports, in any order.

        Raises psycopg.OperationalError while the database is away. A crash in between leaves pages unapplied, which the
        repeated callback brings.
        """
        waiting = [_judge_client(tidy(report, received_at)) for report in reports]
        applied = unknown = 0
        page = PAGE
        while waiting:
            taken = waiting[:page]
            unsubscribed = [one for one in taken if one.kind == "unsubscribed" and one.message_id is not None]
            if unsubscribed:
                await self._unsubscribe(provider, unsubscribed, received_at)
            transaction = _Transaction(self._catalogue, provider, taken, received_at)
            try:
                await self._ingest.ingest_prepared(transaction.prepare)
            except TooMuchWork:
                page = max(1, len(taken) // 2)
                continue
            applied += transaction.applied
            unknown += transaction.unknown
            waiting = waiting[len(taken) :]
        # Also for repeated reports: the attempt before may have died here.
        if any(one.kind == "complained" or one.bounce == "hard" for one in reports):
            await pause_if_due(self._database, [provider])
        return ReportResult(applied, len(reports) - applied - unknown, unknown)

    async def _unsubscribe(self, provider: str, reports: Sequence[ProviderReport], received_at: datetime) -> None:
        """Refuse the channel for people and addresses, as an unsubscribe link does.

        This comes before the transaction that remembers the reports: the ids of the events make it repeatable. The id
        of another report states nothing: some providers sign an id alone.
        """
        async with self._database.transaction() as connection:
            known = await callback_ids.find_claimed(connection, provider, [one.event_id for one in reports])
            messages = await reported_messages.find(connection, provider, _message_ids(reports))
        for report, message in _pair([one for one in reports if one.event_id not in known], messages):
            if (event := build_event(provider, report, message)) is not None:
                by_link = LinkStatement(message.channel, message.address, {OPT_OUT: f"unsubscribed at {provider}"})
                refusal = build_refusal(event, message.channel)
                await self._ingest([refusal, event], received_at=received_at, by_link=by_link)


class _Transaction:
    """The work of one page, which may be attempted again."""

    def __init__(
        self, catalogue: Catalogue, provider: str, reports: Sequence[ProviderReport], received_at: datetime
    ) -> None:
        self._catalogue = catalogue
        self._provider = provider
        self._reports = reports
        self._received_at = received_at
        self.applied = 0
        self.unknown = 0

    async def prepare(self, connection: Connection) -> BatchPart:
        """Claim the reports, and return their events, refusals and marks."""
        by_id = {report.event_id: report for report in self._reports}
        new = await callback_ids.claim(connection, self._provider, by_id, self._received_at)
        reports = await _select_first_answers(connection, [report for id, report in by_id.items() if id in new])
        new = {report.event_id for report in reports}
        messages = await reported_messages.find(connection, self._provider, _message_ids(reports))
        pairs = _pair(reports, messages)
        self.applied, self.unknown = len(pairs), len(reports) - len(pairs)
        known = {report.event_id for report, _ in pairs}
        for report in self._reports:
            outcome = "repeated" if report.event_id not in new else _outcome(report, known)
            connection.metrics.add(Metric.REPORT, self._provider, report.kind, outcome)
        bounced = await _find_full_rows(connection, pairs)
        hears = await self._find_listeners(connection) if any(one.kind == "delivered" for one, _ in pairs) else None
        events: list[Event] = []
        refusals: dict[UUID, ReportedRefusal] = {}
        for report, message in pairs:
            event = build_event(self._provider, report, message)
            if event is None or (report.kind == "delivered" and hears is not None and not hears(event)):
                continue
            events.append(event)
            refusal = find_address_refusal(report, is_row_full=message.id in bounced)
            if refusal is not None and message.address is not None:
                refusals[event.id] = ReportedRefusal(message.channel, message.address, *refusal)
        marks = merge_marks(marks_of(report, message) for report, message in pairs)
        return BatchPart(events, range(len(events)), (), ALL_RECORDED, self._received_at, None, refusals, marks)

    async def _find_listeners(self, connection: Connection) -> Callable[[Event], bool]:
        """Return whether a campaign or a computed trait hears an event."""
        revision = await campaigns.lock_registry_shared(connection)
        listeners = await self._catalogue.listeners_at(connection, revision)
        traits = await self._catalogue.computed_at(connection, revision)
        return lambda event: listeners.hears(event) or traits.following.hears(event)


def _outcome(report: ProviderReport, known: Collection[str]) -> str:
    if report.event_id not in known:
        return "unknown"
    return "held" if report.awaits_verdict else "applied"


async def _select_first_answers(connection: Connection, reports: Sequence[ProviderReport]) -> list[ProviderReport]:
    """Return reports without those of answers to questions that are answered.

    Their ids are claimed: a concurrent answer to the same question is committed, or has the same id and waits.
    """
    asked = {one.message_id for one in reports if one.answer is not None and one.message_id is not None}
    if not asked:
        return list(reports)
    answered = await survey_answers.find_answered(connection, asked)
    return [one for one in reports if one.answer is None or (one.message_id, one.answer.question) not in answered]


async def _find_full_rows(connection: Connection, pairs: Sequence[tuple[ProviderReport, ReportedMessage]]) -> set[UUID]:
    """Return the messages whose soft bounces fill a row of their address."""
    refs = {
        message.id: AddressRef(message.profile_id, message.channel, message.address)
        for _, message in pairs
        if message.address is not None
    }
    wanted = {refs[one.id] for report, one in pairs if report.bounce == "soft" and one.id in refs}
    if not wanted:
        return set()
    before = await reported_messages.lock_rows_of_bounces(connection, wanted)
    after = dict(before)
    for report, message in pairs:
        if (ref := refs.get(message.id)) in after:
            after[ref] = after[ref].follow(report, message.id)
    full = {ref for ref in wanted if after[ref].is_full_since(before[ref])}
    return {id for id, ref in refs.items() if ref in full}


def _judge_client(report: ProviderReport) -> ProviderReport:
    """Return a report with what the client that opened or clicked says of itself."""
    is_machine = report.is_machine or (bool(report.user_agent) and read_client(report.user_agent) == "machine")
    return replace(report, is_machine=is_machine)


def _pair(
    reports: Sequence[ProviderReport], messages: Mapping[UUID, ReportedMessage]
) -> list[tuple[ProviderReport, ReportedMessage]]:
    """Return the reports about known messages, with these."""
    return [(one, messages[one.message_id]) for one in reports if one.message_id and one.message_id in messages]


def _message_ids(reports: Sequence[ProviderReport]) -> set[UUID]:
    return {report.message_id for report in reports if report.message_id is not None}
