"""Operations beside one another: what fails, and what comes twice."""

from datetime import datetime, timedelta

import pytest
from temporalio.service import RPCError, RPCStatusCode

from activities.campaign import AdvanceRequest, CampaignActivities
from application.audience_schedule import AudienceRuns, Recurrence
from application.campaign_life import CampaignLife
from application.campaigns import Campaigns
from application.catalogue import Catalogue
from application.ingest import Ingest
from application.operations.resume import ResumeHandler
from application.operations.runner import OperationRunner
from application.operations.service import OperationService
from domain.access import SOJOURN
from domain.errors import ConflictError
from domain.operations import OperationKind
from runtime.documents import DocumentProcesses
from store import operations
from store.database import Database
from tests.engine.audience import start
from tests.engine.ingesting import event
from tests.engine.test_campaign_life import PLAIN, has_state, move
from tests.harness import Harness, now


async def break_one(harness: Harness) -> None:
    """Ask for an operation of which no page ever succeeds, the first of all."""
    await harness.query(
        """
        INSERT INTO operations (id, campaign_key, kind, parameters, requested_by)
        VALUES ('00000000-0000-0000-0000-000000000001', 'plain', 'skip', '{}', 'test') RETURNING 1
        """
    )


async def test_an_operation_that_fails_keeps_no_other_waiting(harness: Harness) -> None:
    await harness.run_campaign(PLAIN)
    await harness.track("u1", "Signed Up")
    journey = await harness.journey("u1")
    await break_one(harness)
    await move(harness, "stop", {"mode": "exit"})
    assert await journey.result() == "exited"
    await harness.until("SELECT 1 FROM operations WHERE kind = 'exit' AND state = 'done'")
    [failing] = await harness.query("SELECT id, done FROM operations WHERE finished_at IS NULL")
    assert failing["done"] == 0
    await harness.admin("POST", f"/v1/operations/{failing['id']}/cancel")
    await has_state(harness, "ended")


@pytest.mark.takes_long
async def test_an_operation_that_fails_keeps_no_beginning_waiting(harness: Harness) -> None:
    starts_at = now() + timedelta(seconds=5)
    scheduled = f"{PLAIN}schedule: {{starts_at: {starts_at:%Y-%m-%dT%H:%M:%SZ}}}\n"
    await harness.run_campaign(scheduled)
    await break_one(harness)
    await harness.admin("POST", "/v1/journeys/skip", {"campaign": "plain"})
    await harness.until("SELECT 1 FROM campaigns WHERE key = 'plain' AND state = 'running'")


async def test_of_two_resumptions_the_later_has_the_rate_for_itself(database_url: str, ingest: Ingest) -> None:
    async with Database(database_url, pool_size=2) as database:
        campaigns = Campaigns(database, DocumentProcesses())
        await start(database, PLAIN)
        await ingest([event("track", user, name="Signed Up", at=now()) for user in ("u1", "u2")], received_at=now())
        async with database.transaction() as connection:
            await connection.execute("UPDATE journeys SET step = 'mail', status = 'held'")
        for _ in range(2):
            await campaigns.pause("plain", by=SOJOURN)
            await campaigns.resume("plain", by=SOJOURN)
        await OperationRunner(database, {"resume": ResumeHandler()}).work("plain", goes_on=lambda: True)
        async with database.transaction() as connection:
            later, earlier = await operations.list_campaign(connection, "plain", 10)
            cursor = await connection.execute("SELECT 1 FROM outbox WHERE kind = 'resume'")
            assert cursor.rowcount == 2
        assert (later.counts, earlier.counts) == ({"resumed": 2}, {"superseded": 1})


async def test_a_resumption_is_not_cancelled(harness: Harness) -> None:
    """Those who are held would wait for good."""
    await harness.run_campaign(PLAIN)
    await harness.admin("POST", "/v1/campaigns/plain/pause")
    await harness.admin("POST", "/v1/campaigns/plain/resume")
    [resumption] = await harness.query("SELECT id FROM operations WHERE kind = 'resume'")
    refused = await harness.act("POST", f"/v1/operations/{resumption['id']}/cancel")
    assert refused.status_code == 409
    assert "it cannot be cancelled: pause the campaign" in refused.json()["detail"]
    await harness.until("SELECT 1 FROM operations WHERE state = 'done'")


@pytest.mark.parametrize("kind", ["announce", "watch", "release", "erase"])
async def test_one_whose_rest_no_later_work_does_is_not_cancelled(database_url: str, kind: OperationKind) -> None:
    async with Database(database_url, pool_size=2) as database:
        async with database.transaction() as connection:
            operation = await operations.insert_for_deployment(connection, kind, {}, requested_by="test")
        with pytest.raises(ConflictError, match="it cannot be cancelled"):
            await OperationService(database).cancel(operation.id, by=SOJOURN)


class NoSchedules:
    """Temporal takes no schedule, whatever is asked for."""

    async def keep(self, campaign_key: str, recurrence: Recurrence, now: datetime) -> None:
        raise RPCError("no more schedules", RPCStatusCode.INVALID_ARGUMENT, b"")

    async def remove(self, campaign_key: str) -> None:
        raise RPCError("no more schedules", RPCStatusCode.INVALID_ARGUMENT, b"")


async def test_what_is_to_be_done_does_not_wait_for_the_schedule_of_an_audience(
    database_url: str, ingest: Ingest
) -> None:
    again = '{audience: {where: profile.traits.plan == "trial", again: {every: day, at: "09:00"}}, event: Signed Up}'
    async with Database(database_url, pool_size=2) as database:
        await start(database, PLAIN.replace("{event: Signed Up}", again))
        audience_runs = AudienceRuns(database, Catalogue(), NoSchedules(), "UTC")
        activities = CampaignActivities(CampaignLife(database), audience_runs, OperationRunner(database, {}))
        with pytest.raises(RPCError):
            await activities.advance_campaign(AdvanceRequest("plain", now()))
        await ingest([event("track", "u1", name="Signed Up", at=now())], received_at=now())
        await Campaigns(database, DocumentProcesses()).stop("plain", "exit", by=SOJOURN)
        next_positions = await activities.advance_campaign(AdvanceRequest("plain", now()))
        assert [operation.kind for operation in next_positions.operations] == ["exit"]
