"""Compare the database with Temporal, repair the differences, and report them.

The database is authoritative. A difference may be temporary, since Temporal's index lags and the outbox holds pending
messages: recent journeys and those with outbox rows are skipped, each finding is confirmed at the workflow itself, and
each repair checks the row again under its lock. So a reconciliation may be interrupted and repeated at any point, and
concurrent ones do no harm.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from msgspec import Struct, field, to_builtins

from application.retries import start_retry
from domain.access import Actor
from domain.errors import NotFoundError
from domain.journey.reconciliation import (
    FOR_PEOPLE,
    Finding,
    Verdict,
    WorkflowState,
    is_elsewhere,
    is_on_another,
    judge,
)
from domain.journey.records import Ending, campaign_workflow_id
from domain.journey.recovery import Lost
from domain.sending.single_messages import MESSAGE_KEY
from store import audit, campaigns, journeys, outbox, reconciliation_queries, reconciliations, retries
from store.database import Database
from store.outbox import OutboxMessage
from store.reconciliation_queries import ActiveRow, KnownRow, LostRow
from store.reconciliations import Reconciliation
from store.retries import OpenRetry

PAGE = 200
EXAMPLES = 100
GRACE = timedelta(minutes=1)
# Longer than any attempt to send is retried: nothing else settles a message of a journey that ended before.
LEFT_BEHIND = timedelta(days=1)
# Workflows without a row are ended when all others are known; the next run ends any excess.
MAX_ORPHANS = 10_000
# Findings that indicate a Temporal restored from an old backup.
SET_BACK = {Finding.ROW_WITHOUT_WORKFLOW, Finding.WORKFLOW_OUTLIVED_ROW}
BY = "reconciliation"


class Workflows(Protocol):
    """The workflows of this deployment in Temporal."""

    async def find_running(self, ids: Collection[str]) -> set[str]:
        """Return which of these workflows, of journeys or retries, run, by the index."""

    def list_running(self, before: datetime) -> AsyncIterator[dict[str, WorkflowState]]:
        """Iterate in pages over running journey workflows started before an instant."""

    async def describe(self, id: str) -> WorkflowState | None:
        """Describe one workflow; None if there is none."""

    async def delete(self, workflow_ids: Sequence[str]) -> int:
        """Delete workflows with their histories, running ones too."""

    async def count(self, campaign_key: str) -> int:
        """Count the running journeys of a campaign by the index."""


class FindingCount(Struct):
    """The number of differences and repairs of one kind, and some ids."""

    found: int = 0
    repaired: int = 0
    examples: list[str] = field(default_factory=list)


class JourneyCounts(Struct, frozen=True):
    """Active journeys of a campaign: rows, and running workflows by Temporal's index."""

    rows: int
    workflows: int


class Report(Struct):
    """The result of a reconciliation. `for_people` are problems for an operator."""

    rows: int = 0
    workflows: int = 0
    findings: dict[str, FindingCount] = field(default_factory=dict)
    campaigns: dict[str, JourneyCounts] = field(default_factory=dict)
    for_people: dict[str, str] = field(default_factory=dict)

    def note(self, finding: Finding, ids: Collection[str], repaired: int) -> None:
        """Add findings of one kind."""
        if not ids:
            return
        found = self.findings.setdefault(finding, FindingCount())
        found.found += len(ids)
        found.repaired += repaired
        found.examples += sorted(ids)[: EXAMPLES - len(found.examples)]
        if finding in FOR_PEOPLE:
            self.for_people[finding] = FOR_PEOPLE[finding]


class Reconciliations:
    """Requests and reports. Workers reconcile on request, and each hour by themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def request(self, *, by: Actor) -> Reconciliation:
        """Request a reconciliation."""
        async with self._database.transaction() as connection:
            asked = await reconciliations.insert(connection, by.name)
            await audit.record(connection, by, "reconciliation.request", str(asked.id))
            return asked

    async def list(self, *, limit: int, before: UUID | None) -> list[Reconciliation]:
        """Return the latest, newest first."""
        async with self._database.transaction() as connection:
            return await reconciliations.latest(connection, limit, before)

    async def get(self, id: UUID) -> Reconciliation:
        """Return one. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            found = await reconciliations.find(connection, id)
        if found is None:
            raise NotFoundError(f"there is no reconciliation {id}", reconciliation=str(id))
        return found


class Reconciler:
    """Does one reconciliation. `grace` excludes recent journeys."""

    def __init__(self, database: Database, workflows: Workflows, grace: timedelta = GRACE) -> None:
        self._database = database
        self._workflows = workflows
        self._grace = grace.total_seconds()

    async def run(self) -> Report:
        """Compare all journeys and campaigns, in pages of bounded memory."""
        report = Report()
        await self._compare_rows(report)
        await self._compare_workflows(report)
        await self._compare_retries(report)
        await self._settle_left_behind(report)
        await self._wake_campaigns(report)
        await self._count(report)
        return report

    async def _compare_rows(self, report: Report) -> None:
        last = None
        while True:
            async with self._database.transaction() as connection:
                page = await reconciliation_queries.active_page(connection, last, grace=self._grace, limit=PAGE)
            if not page:
                return
            last = page[-1]
            report.rows += len(page)
            told = {row.workflow_id: row for row in page if row.is_told}
            running = await self._workflows.find_running(told)
            seen = await self._look(told.keys() - running)
            verdicts = [(told[id], verdict) for id, one in seen.items() if (verdict := judge(one)) is not None]
            if verdicts:
                await self._repair_rows(verdicts, report)

    async def _repair_rows(self, verdicts: Sequence[tuple[ActiveRow, Verdict]], report: Report) -> None:
        async with self._database.transaction() as connection:
            at = connection.clock.now()
            lost = await reconciliation_queries.lock_lost(connection, [row.id for row, _ in verdicts])
            by_id = {row.id: row for row in lost}
            held = [(by_id[row.id], verdict) for row, verdict in verdicts if row.id in by_id]
            endings = [Ending(row.id, *verdict.ending, BY, at) for row, verdict in held if verdict.ending is not None]
            await journeys.end(connection, endings)
            if starts := [_start(row) for row, verdict in held if verdict.ending is None]:
                await outbox.append(connection, starts, bulk=True)
        for finding in Finding:
            ids = [row.workflow_id for row, verdict in held if verdict.finding == finding]
            report.note(finding, ids, repaired=len(ids))

    async def _compare_workflows(self, report: Report) -> None:
        orphans: list[str] = []
        before = datetime.now(UTC) - timedelta(seconds=self._grace)
        async for page in self._workflows.list_running(before):
            report.workflows += len(page)
            async with self._database.transaction() as connection:
                known = await reconciliation_queries.find_workflows(connection, page.keys(), grace=self._grace)
            orphans += list(page.keys() - {row.workflow_id for row in known})[: MAX_ORPHANS - len(orphans)]
            await self._end_outlived(
                [row for row in known if row.is_over and row.is_told and not row.is_sending and not row.is_ending],
                report,
            )
            settled = [row for row in known if row.state == "active" and row.is_told and not row.is_exiting]
            on_another = [row for row in settled if is_on_another(page[row.workflow_id], row.campaign_version)]
            await self._restore_versions(on_another, report)
            elsewhere = [row for row in settled if is_elsewhere(page[row.workflow_id], row.step, row.status)]
            await self._place(elsewhere, report)
        await self._end_orphans(orphans, report)

    async def _end_outlived(self, rows: Sequence[KnownRow], report: Report) -> None:
        """Signal again to workflows whose journeys are over."""
        seen = await self._look([row.workflow_id for row in rows])
        running = [row.id for row in rows if _is_running(seen[row.workflow_id])]
        if not running:
            return
        async with self._database.transaction() as connection:
            over = [workflow_id for _, workflow_id in await reconciliation_queries.still_over(connection, running)]
            await outbox.append(connection, [OutboxMessage(id, "exit", {"by": BY}) for id in over], bulk=True)
        report.note(Finding.WORKFLOW_OUTLIVED_ROW, over, repaired=len(over))

    async def _restore_versions(self, rows: Sequence[KnownRow], report: Report) -> None:
        """Set rows to their workflows' versions, whose plans may lack other steps."""
        seen = await self._look([row.workflow_id for row in rows])
        moved = [
            (row, one.version)
            for row in rows
            if (one := seen[row.workflow_id]) is not None
            and _is_running(one)
            and one.version is not None
            and is_on_another(one, row.campaign_version)
        ]
        if not moved:
            return
        async with self._database.transaction() as connection:
            # Events are routed to versions that had journeys at the last change of campaigns.
            await campaigns.lock_registry_exclusive(connection)
            taken = await reconciliation_queries.take_back(connection, moved, grace=self._grace)
        ids = [row.workflow_id for row, _ in moved if row.id in taken]
        report.note(Finding.VERSION_DIFFERS, ids, repaired=len(ids))

    async def _place(self, rows: Sequence[KnownRow], report: Report) -> None:
        """Set rows to the positions of their workflows."""
        seen = await self._look([row.workflow_id for row in rows])
        moved = [
            (row, one.step, one.status)
            for row in rows
            if (one := seen[row.workflow_id]) is not None
            and _is_running(one)
            and is_elsewhere(one, row.step, row.status)
            and one.step is not None
            and one.status is not None
        ]
        if not moved:
            return
        async with self._database.transaction() as connection:
            placed = await reconciliation_queries.place(connection, moved)
        ids = [row.workflow_id for row, _, _ in moved if row.id in placed]
        report.note(Finding.POSITION_DIFFERS, ids, repaired=len(ids))

    async def _end_orphans(self, orphans: Sequence[str], report: Report) -> None:
        """Delete workflows without a row: nothing of theirs can be authorised.

        They are deleted rather than terminated, as an erased person's may be among them. If most running workflows have
        no row, the database is probably the wrong one, and nothing is deleted.
        """
        seen = await self._look(orphans)
        async with self._database.transaction() as connection:
            known = {
                row.workflow_id
                for row in await reconciliation_queries.find_workflows(connection, seen, grace=self._grace)
            }
        running = [id for id, one in seen.items() if _is_running(one) and id not in known]
        ended = running if len(running) * 2 <= report.workflows else []
        await self._workflows.delete(ended)
        report.note(Finding.WORKFLOW_WITHOUT_ROW, running, repaired=len(ended))

    async def _compare_retries(self, report: Report) -> None:
        """Start lost retries again; let others be retried whose workflows have ended."""
        last = None
        while True:
            async with self._database.transaction() as connection:
                page = await retries.open_page(connection, last, PAGE)
                by_id = {start_retry(each.message, each.operation).workflow_id: each for each in page}
                pending = await outbox.find_pending(connection, by_id)
            if not page:
                return
            last = page[-1].message.id
            running = await self._workflows.find_running(by_id.keys() - pending)
            seen = await self._look(by_id.keys() - pending - running)
            verdicts = {id: verdict for id, one in seen.items() if (verdict := judge(one)) is not None}
            if verdicts:
                await self._repair_retries({id: by_id[id] for id in verdicts}, verdicts, report)

    async def _repair_retries(
        self, found: Mapping[str, OpenRetry], verdicts: Mapping[str, Verdict], report: Report
    ) -> None:
        async with self._database.transaction() as connection:
            still = await retries.lock_open(connection, [each.message.id for each in found.values()])
            held = {id: each for id, each in found.items() if each.message.id in still}
            lost = [start_retry(one.message, one.operation) for id, one in held.items() if not verdicts[id].ending]
            if lost:
                await outbox.append(connection, lost, bulk=True)
            for id, one in held.items():
                if verdicts[id].ending:
                    await retries.release(connection, one.message.id)
        for finding in Finding:
            ids = [id for id in held if verdicts[id].finding == finding]
            report.note(finding, ids, repaired=len(ids))

    async def _settle_left_behind(self, report: Report) -> None:
        while True:
            async with self._database.transaction() as connection:
                settled = await reconciliation_queries.settle_left_behind(
                    connection, age=LEFT_BEHIND.total_seconds(), limit=PAGE
                )
            report.note(Finding.MESSAGE_LEFT_BEHIND, [str(id) for id in settled], repaired=len(settled))
            if len(settled) < PAGE:
                return

    async def _wake_campaigns(self, report: Report) -> None:
        async with self._database.transaction() as connection:
            keys = await reconciliation_queries.campaigns_at_work(connection, grace=self._grace)
        seen = await self._look([campaign_workflow_id(key) for key in keys])
        asleep = [key for key in keys if not _is_running(seen[campaign_workflow_id(key)])]
        # If Temporal was restored, its schedules may be old as well: each campaign checks its own.
        was_set_back = SET_BACK & report.findings.keys()
        async with self._database.transaction() as connection:
            for key in keys if was_set_back else asleep:
                await outbox.wake_campaign(connection, key)
        report.note(Finding.CAMPAIGN_ASLEEP, asleep, repaired=len(asleep))

    async def _count(self, report: Report) -> None:
        async with self._database.transaction() as connection:
            rows = await reconciliation_queries.active_by_campaign(connection)
        for key, number in rows.items():
            report.campaigns[key] = JourneyCounts(number, await self._workflows.count(key))

    async def _look(self, ids: Collection[str]) -> dict[str, WorkflowState | None]:
        found = await asyncio.gather(*(self._workflows.describe(id) for id in ids))
        return dict(zip(ids, found, strict=True))


def _is_running(workflow: WorkflowState | None) -> bool:
    return workflow is not None and workflow.execution == "running"


def _start(row: LostRow) -> OutboxMessage:
    """Restart a workflow at the position of its row, or at the beginning if unknown."""
    lost = Lost(row.step, row.wakes_at, row.visits, row.moves)
    return OutboxMessage(
        row.workflow_id,
        "start",
        {
            "journey_id": str(row.id),
            "campaign": row.campaign_key,
            "version": row.campaign_version,
            "lost": to_builtins(lost),
            **({} if row.single is None else {MESSAGE_KEY: row.single}),
        },
    )
