"""An audience that grows while it enters holds at what was approved, until another person approves its rest."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from application.approval_gate import ApprovalGate
from application.approvals import Approvals
from application.audience_schedule import AudienceRuns
from application.campaign_life import CampaignLife
from application.campaigns import Campaigns
from application.catalogue import Catalogue
from application.ingest import Ingest
from application.operations import enrol
from application.operations.service import OperationService
from domain.access import Actor
from domain.campaign.life import AdvanceResult, describe
from domain.errors import ApprovalStateError, ConflictError
from runtime.documents import DocumentProcesses
from store import operations
from store.approvals import Approval
from store.database import Database
from store.operations import Operation, Page
from tests.engine.audience import GATE, LASTING, RECURRING, enter, people, users
from tests.harness import MAIL, Harness, open_harness, until_blocked
from tests.processes import worker_process
from tests.servers import TemporalServer

ABOVE, PEOPLE = 3, 10
ADA, BOB = Actor("ada", "Ada"), Actor("bob", "Bob")
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Growing:
    """A campaign of Ada's for nobody yet, with people who belong to its audience once it has begun to enter."""

    database: Database
    ingest: Ingest

    @property
    def gate(self) -> ApprovalGate:
        return ApprovalGate(self.database, "UTC", ABOVE)

    @property
    def approvals(self) -> Approvals:
        return Approvals(self.database, self.gate)

    @property
    def campaigns(self) -> Campaigns:
        return Campaigns(self.database, DocumentProcesses(), self.gate)

    async def begin(self, source: str = LASTING) -> None:
        await people(self.ingest, {key: {"plan": "team"} for key in names()})
        await self.campaigns.publish(source, "campaign.yaml", {"note.liquid": MAIL}, by=ADA)
        assert (await self.campaigns.start("news", by=ADA)).approval is None

    async def grow(self, number: int = PEOPLE) -> None:
        await people(self.ingest, {key: {"plan": "trial"} for key in names()[:number]})

    async def enter(self) -> list[Operation]:
        return await enter(self.database, above=ABOVE)

    async def advance(self) -> AdvanceResult:
        return await CampaignLife(self.database, self.gate).advance("news", datetime.now(UTC))

    async def waiting(self) -> list[Approval]:
        return await self.approvals.list(limit=10, before=None, campaign="news", state="waiting")

    async def hold(self) -> Approval:
        """Enter as many as may, and request the approval of the rest."""
        [operation] = await self.enter()
        assert (operation.state, operation.counts["entered"]) == ("held", ABOVE)
        await self.advance()
        [approval] = await self.waiting()
        return approval


def names() -> list[str]:
    return [f"u{number:02}" for number in range(PEOPLE)]


@pytest.fixture
async def growing(database_url: str, ingest: Ingest) -> AsyncIterator[Growing]:
    async with Database(database_url, pool_size=10) as database:
        growing = Growing(database, ingest)
        await growing.begin()
        await growing.grow()
        yield growing


async def audit(database: Database) -> list[tuple[str, str]]:
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT action, actor_name FROM audit_log ORDER BY id")
        return [(row["action"], row["actor_name"]) async for row in cursor]


async def test_the_rest_waits_for_another_person_and_goes_on_where_it_was(growing: Growing) -> None:
    approval = await growing.hold()
    [operation] = await growing.enter()
    assert (operation.state, operation.done, len(await users(growing.database))) == ("held", ABOVE, ABOVE)
    assert (approval.action, approval.people, approval.requester) == ("continue", PEOPLE, ADA)
    assert approval.parameters == {"operation": str(operation.id), "entered": ABOVE}
    result = await growing.advance()
    assert (result.operations, result.look_again_at) == ((), approval.expires_at)
    assert f"- enrol: {ABOVE} of {PEOPLE}, held; {ABOVE} have entered" in describe(result)
    assert f"continue: waits for the approval of another person, for up to {PEOPLE} people" in describe(result)
    assert await growing.waiting() == [approval]
    await growing.approvals.approve(approval.id, by=BOB)
    assert (await growing.advance()).held == ()
    [operation] = await growing.enter()
    assert (operation.state, operation.done, operation.counts) == ("done", PEOPLE, {"entered": PEOPLE})
    assert await users(growing.database) == names()
    assert await audit(growing.database) == [
        ("campaign.publish", "Ada"),
        ("campaign.start", "Ada"),
        ("approval.request", "Sojourn"),
        ("approval.approve", "Bob"),
    ]


async def test_a_rejected_rest_does_not_enter(growing: Growing) -> None:
    approval = await growing.hold()
    await growing.approvals.reject(approval.id, by=BOB)
    result = await growing.advance()
    assert (result.state, result.held, result.approvals) == ("running", (), ())
    [operation] = await growing.enter()
    assert (operation.state, len(await users(growing.database))) == ("cancelled", ABOVE)
    # Nor does a resumption let it in.
    await growing.campaigns.pause("news", by=ADA)
    await growing.campaigns.resume("news", by=ADA)
    assert len(await growing.enter()) == 1


async def test_as_many_as_may_enter_are_no_question(growing: Growing) -> None:
    """People beyond them who belong to no audience are examined, and nobody is asked."""
    await people(growing.ingest, {key: {"plan": "team"} for key in names()[ABOVE:]})
    [operation] = await growing.enter()
    assert (operation.state, operation.done, operation.counts["entered"]) == ("done", PEOPLE, ABOVE)
    assert (await growing.advance()).held == ()
    assert await growing.waiting() == []


async def test_who_is_refused_takes_no_place(growing: Growing) -> None:
    async with growing.database.transaction() as connection:
        await connection.execute("UPDATE operations SET counts = '{\"already_in\": 5}'")
    [operation] = await growing.enter()
    assert operation.counts == {"already_in": 5, "entered": ABOVE}


async def test_what_is_changed_while_it_is_held_is_asked_again(growing: Growing) -> None:
    first = await growing.hold()
    await growing.campaigns.pause("news", by=ADA)
    assert await growing.waiting() == []
    [pending] = (await growing.advance()).approvals
    [second] = await growing.waiting()
    assert (pending.action, second.id != first.id, second.revision > first.revision) == ("continue", True, True)
    with pytest.raises(ApprovalStateError):
        await growing.approvals.approve(first.id, by=BOB)
    # A version that is only published outdates it as well, and wakes the workflow.
    async with growing.database.transaction() as connection:
        await connection.execute("DELETE FROM outbox")
    await growing.campaigns.publish(LASTING.replace("30d", "31d"), "campaign.yaml", {"note.liquid": MAIL}, by=ADA)
    async with growing.database.transaction() as connection:
        cursor = await connection.execute("SELECT workflow_id FROM outbox")
        assert [row["workflow_id"] for row in await cursor.fetchall()] == ["campaign/news"]
    await growing.advance()
    [third] = await growing.waiting()
    await growing.approvals.approve(third.id, by=BOB)
    [operation] = await growing.enter()
    assert (operation.state, operation.counts) == ("done", {"entered": PEOPLE})


async def test_an_expired_request_is_made_again(growing: Growing) -> None:
    first = await growing.hold()
    async with growing.database.transaction() as connection:
        await connection.execute("UPDATE approvals SET expires_at = now()")
    await growing.advance()
    [second] = await growing.waiting()
    assert second.id != first.id


async def test_a_campaign_that_stops_ends_what_is_held(growing: Growing) -> None:
    approval = await growing.hold()
    await growing.campaigns.stop("news", "exit", by=ADA)
    result = await growing.advance()
    assert ([one.kind for one in result.operations if one.kind == "enrol"], result.held) == (["enrol"], ())
    with pytest.raises(ApprovalStateError):
        await growing.approvals.approve(approval.id, by=BOB)
    async with growing.database.transaction() as connection:
        await connection.execute("DELETE FROM operations WHERE kind = 'exit'")
    [operation] = await growing.enter()
    assert (operation.state, operation.counts["campaign_not_open"]) == ("done", 1)


@pytest.mark.parametrize(
    ("source", "state"),
    [
        (LASTING.replace(LASTING[LASTING.index("entry:") : LASTING.index("steps:")], "entry: {event: A}\n"), "running"),
        (LASTING.replace("steps:", "schedule: {starts_at: 2099-01-01T00:00:00Z}\nsteps:"), "scheduled"),
    ],
)
async def test_an_audience_that_the_next_version_does_not_let_in_is_no_question(
    growing: Growing, source: str, state: str
) -> None:
    await growing.hold()
    campaigns = Campaigns(growing.database, DocumentProcesses())
    await campaigns.publish(source, "campaign.yaml", {"note.liquid": MAIL}, by=ADA)
    await campaigns.start("news", by=ADA)
    result = await growing.advance()
    assert (result.state, result.held, result.approvals) == (state, (), ())
    operation = (await growing.enter())[-1]
    assert (operation.state, operation.counts["campaign_not_open"]) == ("done", 1)
    assert len(await users(growing.database)) == ABOVE


async def test_what_is_cancelled_waits_for_nobody(growing: Growing) -> None:
    approval = await growing.hold()
    await OperationService(growing.database).cancel((await growing.enter())[0].id, by=ADA)
    assert (await growing.approvals.get(approval.id)).state == "outdated"
    result = await growing.advance()
    assert (result.held, result.approvals, result.operations) == ((), (), ())


async def test_what_a_cancellation_under_way_ends_is_not_approved(growing: Growing) -> None:
    approval = await growing.hold()
    [operation] = await growing.enter()
    async with growing.database.unit_of_work() as work:
        await OperationService(growing.database).cancel(operation.id, by=ADA)
        approving = asyncio.create_task(growing.approvals.approve(approval.id, by=BOB))
        await until_blocked(await work.connection())
    with pytest.raises(ApprovalStateError, match="was cancelled"):
        await approving
    assert (await growing.approvals.get(approval.id)).state == "outdated"
    assert ("approval.approve", "Bob") not in await audit(growing.database)


async def test_what_an_approval_under_way_lets_go_on_is_cancelled_after_it(growing: Growing) -> None:
    approval = await growing.hold()
    [operation] = await growing.enter()
    async with growing.database.unit_of_work() as work:
        await growing.approvals.approve(approval.id, by=BOB)
        cancelling = asyncio.create_task(OperationService(growing.database).cancel(operation.id, by=ADA))
        await until_blocked(await work.connection())
    assert (await cancelling).state == "cancelled"
    assert (await growing.approvals.get(approval.id)).state == "approved"
    [operation] = await growing.enter()
    assert (operation.state, len(await users(growing.database))) == ("cancelled", ABOVE)


@pytest.mark.parametrize("is_held_first", [True, False])
async def test_a_cancellation_beside_the_page_that_holds_wakes_the_workflow(
    growing: Growing, is_held_first: bool
) -> None:
    async with growing.database.transaction() as connection:
        [operation] = await operations.open_operations(connection, "news")
        await connection.execute("DELETE FROM outbox")
    service = OperationService(growing.database)
    async with growing.database.unit_of_work() as work:
        if is_held_first:
            async with growing.database.transaction() as connection:
                await operations.advance(connection, operation.id, Page(None, is_held=True))
            other: asyncio.Task[Any] = asyncio.create_task(service.cancel(operation.id, by=ADA))
        else:
            await service.cancel(operation.id, by=ADA)
            other = asyncio.create_task(growing.enter())
        await until_blocked(await work.connection())
    await other
    assert (await service.get(operation.id)).state == "cancelled"
    async with growing.database.transaction() as connection:
        cursor = await connection.execute("SELECT workflow_id FROM outbox WHERE kind = 'campaign'")
        assert [row["workflow_id"] for row in await cursor.fetchall()] == ["campaign/news"]


async def test_a_deployment_without_approvals_lets_it_go_on(growing: Growing) -> None:
    await growing.hold()
    async with growing.database.transaction() as connection:
        await connection.execute("UPDATE approvals SET expires_at = now()")
    await CampaignLife(growing.database, ApprovalGate(growing.database)).advance("news", datetime.now(UTC))
    [operation] = await enter(growing.database)
    assert operation.counts == {"entered": PEOPLE}


class NoSchedules:
    async def keep(self, *_: Any) -> None:
        """Keep none."""

    async def remove(self, *_: Any) -> None:
        """Remove none."""


async def test_each_run_is_judged_and_a_held_one_skips_the_next(database_url: str, ingest: Ingest) -> None:
    async with Database(database_url, pool_size=10) as database:
        growing = Growing(database, ingest)
        await growing.begin(RECURRING.replace("entry: {", "entry: {reentry: always, "))
        runs = AudienceRuns(database, Catalogue(), NoSchedules(), "UTC", growing.gate)
        await growing.grow(ABOVE)
        for week in range(2):
            await runs.begin("news", NOW + timedelta(weeks=week))
            [operation, *_] = await growing.enter()
            assert (operation.state, operation.counts[("entered", "already_in")[week]]) == ("done", ABOVE)
        await runs.begin("news", NOW + timedelta(weeks=2))
        await growing.grow()
        [operation, *_] = await growing.enter()
        assert (operation.state, operation.counts) == ("held", {"already_in": ABOVE, "entered": ABOVE})
        assert [one.action for one in (await growing.advance()).approvals] == ["continue"]
        await runs.begin("news", NOW + timedelta(weeks=3))
        [skipped, held, *_] = await growing.enter()
        assert (skipped.state, held.state) == ("cancelled", "held")
        [approval] = await growing.waiting()
        assert approval.action == "continue"


async def test_any_number_of_workers_let_in_as_many(growing: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their pages take turns, and the number is counted in each; a page of one member makes the most of them."""
    monkeypatch.setattr(enrol, "MAX_ENTERING", 1)
    results = await asyncio.gather(*(growing.enter() for _ in range(4)))
    assert {operation.state for [operation] in results} == {"held"}
    assert len(await users(growing.database)) == ABOVE
    waiting = [one.approvals for one in await asyncio.gather(*(growing.advance() for _ in range(4)))]
    assert waiting == waiting[:1] * 4
    [approval] = await growing.waiting()
    await growing.approvals.approve(approval.id, by=BOB)
    await asyncio.gather(*(growing.enter() for _ in range(4)))
    assert await users(growing.database) == names()


async def test_approve_beside_reject_cancel_and_pause(growing: Growing) -> None:
    """One of the first two happens, and nothing waits for another for ever."""
    approval = await growing.hold()
    [operation] = await growing.enter()
    results = await asyncio.gather(
        growing.approvals.approve(approval.id, by=BOB),
        growing.approvals.reject(approval.id, by=ADA),
        OperationService(growing.database).cancel(operation.id, by=ADA),
        growing.campaigns.pause("news", by=ADA),
        growing.advance(),
        return_exceptions=True,
    )
    failed = [one for one in results if isinstance(one, BaseException)]
    assert all(isinstance(one, ApprovalStateError | ConflictError) for one in failed), failed
    decided = await growing.approvals.list(limit=10, before=None, campaign="news", state=None)
    assert sum(one.state in ("approved", "rejected") for one in decided) <= 1
    async with growing.database.transaction() as connection:
        cursor = await connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert await cursor.fetchone() == {"deadlocks": 0}


@pytest.mark.takes_long
async def test_killed_workers_let_in_no_more_than_may(database_url: str, temporal: TemporalServer) -> None:
    """Killed while it lets in the people of its second page, and again after the approval."""
    async with open_harness(database_url, temporal, is_working=False, approval_above=ABOVE) as harness:
        approver = await harness.admin("POST", "/v1/keys", {"name": "Bob", "scopes": ["approve"]})
        asker = await harness.admin("POST", "/v1/keys", {"name": "Ada", "scopes": ["operate"]})
        for name in names():
            await harness.identify(name, plan="team")
        await harness.publish(LASTING.replace("rate: 10000", "rate: 2"), {"note.liquid": MAIL})
        await harness.http.post("/v1/campaigns/news/start", headers={"Authorization": f"Bearer {asker['token']}"})
        for name in names():
            await harness.identify(name, plan="trial")
        async with harness.database.transaction() as connection:
            await connection.execute(GATE)
        await harness.query("UPDATE gate SET most = 2 RETURNING most")
        await kill_at_gate(harness)
        assert len(await users(harness.database)) == 2
        await harness.query("UPDATE gate SET most = 100 RETURNING most")
        async with worker_process(harness.settings):
            [row] = await harness.until("SELECT id::text, people FROM approvals WHERE action = 'continue'")
            assert len(await users(harness.database)) == ABOVE
        await harness.query("UPDATE gate SET most = 5 RETURNING most")
        answer = await harness.http.post(
            f"/v1/approvals/{row['id']}/approve", headers={"Authorization": f"Bearer {approver['token']}"}
        )
        assert answer.status_code == 200, answer.text
        await kill_at_gate(harness)
        await harness.query("UPDATE gate SET most = 100 RETURNING most")
        async with worker_process(harness.settings):
            [operation] = await harness.until("SELECT * FROM operations WHERE kind = 'enrol' AND state = 'done'")
            assert (operation["done"], operation["counts"]) == (PEOPLE, {"entered": PEOPLE})
            assert await users(harness.database) == names()


async def kill_at_gate(harness: Harness) -> None:
    """Kill a worker while it lets in people of a page."""
    async with await AsyncConnection.connect(harness.database.url) as closed:
        await closed.execute("SELECT pg_advisory_xact_lock(1200)")
        async with worker_process(harness.settings) as worker:
            await harness.until(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
            )
            worker.kill()
