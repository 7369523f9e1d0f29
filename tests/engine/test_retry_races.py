"""Retries without workflows: races of operations, the gate, and exits."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from application.catalogue import Catalogue
from application.operations.retry import RetryHandler
from application.operations.runner import OperationRunner
from application.retries import Retries, RetryGate
from application.send import Sender
from domain.access import SOJOURN
from domain.sending.delivery import Never, Rejected
from domain.sending.gate_answers import Granted, Refused
from domain.sending.retries import RetryFilter, RetryRequest
from store.database import Database
from tests.engine.fixed_providers import FixedProviders, link_tracker
from tests.engine.retry_campaigns import LAST, PROMOTION, SEED, fail, mend
from tests.engine.send_harness import Provider
from tests.harness import PATIENCE, Harness, open_harness
from tests.processes import worker_process
from tests.proofs import rounds
from tests.servers import TemporalServer


class Bench:
    """Failed messages, the gate, and a provider, on one database."""

    def __init__(self, harness: Harness, database: Database) -> None:
        catalogue = Catalogue()
        self.harness, self.database = harness, database
        self.retries = Retries(database)
        self.gate = RetryGate(database, catalogue, "UTC")
        self.provider = Provider("email", Never())
        self.sender = Sender(
            database,
            catalogue,
            FixedProviders({"email": self.provider}),
            lambda *_: "https://example.com/u",
            link_tracker(database),
            "UTC",
        )

    async def take(self) -> None:
        """Request an operation and carry it out."""
        await self.retries.request(RetryFilter(), by=SOJOURN)
        await OperationRunner(self.database, {"retry": RetryHandler()}).work_on_deployment()

    async def ask(self, id: UUID, operation: UUID, attempt: int = 1) -> Any:
        return await self.gate.authorize(RetryRequest(id, operation, attempt, datetime.now(UTC)))

    async def hold(self, user: str) -> str:
        """Put a person on hold; return the id of the hold."""
        until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
        hold = await self.harness.admin("POST", "/v1/holds", {"user": user, "until": until, "reason": "complaint"})
        return str(hold["id"])

    async def send(self, granted: Granted) -> str:
        at = datetime.now(UTC)
        outcome = await self.sender.send(UUID(granted.message_id), at=at, ends_with=None, next_positions=LAST)
        return outcome.state


@pytest.fixture
async def bench(database_url: str, temporal: TemporalServer) -> AsyncIterator[Bench]:
    """Nobody works but the test, once the messages have failed."""
    async with (
        open_harness(database_url, temporal, is_working=False) as harness,
        Database(database_url, pool_size=20) as database,
    ):
        yield Bench(harness, database)


async def failed(bench: Bench, users: int) -> list[UUID]:
    """Failed messages of completed journeys, as a worker leaves them."""
    await bench.harness.run_campaign(PROMOTION)
    for number in range(users):
        await bench.harness.identify(f"u{number}", email=f"u{number}@example.com")
        await bench.harness.track(f"u{number}", "Price Dropped")
    rows = await bench.harness.query(
        """
        WITH ended AS (
          UPDATE journeys SET state = 'completed', outcome = 'completed', ended_at = now(),
                              ended_recorded_at = now() - interval '2 minutes'
          RETURNING *
        )
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template, state,
                              reason, at, expires_at, attempts, settled_at)
        SELECT gen_random_uuid(), id, profile_id, campaign_key, 'promo', 1, 'email', 'marketing', 'note', 'failed',
               'template_error', now(), now() + interval '1 day', 1, now()
        FROM ended RETURNING id
        """
    )
    return [row["id"] for row in rows]


async def test_of_two_operations_at_once_one_has_each_message(bench: Bench, patient_locks: None) -> None:
    ids = await failed(bench, rounds(20, 200))
    await asyncio.gather(*(bench.take() for _ in range(4)))
    starts = await bench.harness.query("SELECT payload FROM outbox WHERE kind = 'retry'")
    assert sorted(row["payload"]["message_id"] for row in starts) == sorted(map(str, ids))
    owners = {row["id"]: row["retried_by"] for row in await bench.harness.messages.all()}
    assert {row["payload"]["message_id"]: row["payload"]["operation"] for row in starts} == {
        str(id): str(owner) for id, owner in owners.items()
    }
    done = await bench.harness.query("SELECT counts FROM operations WHERE kind = 'retry'")
    assert sum(row["counts"].get("retried", 0) for row in done) == len(ids)
    # Whoever asks for an operation that does not have the message gets no grant.
    others = {row["id"] for row in await bench.harness.query("SELECT id FROM operations WHERE kind = 'retry'")}
    for id in ids[:5]:
        answers = [await bench.ask(id, operation) for operation in sorted(others)]
        assert [type(answer) for answer in answers].count(Granted) == 1


async def test_the_same_request_at_once_is_one_message_under_a_key_of_its_own(bench: Bench) -> None:
    [id] = await failed(bench, 1)
    await bench.take()
    [row] = await bench.harness.messages.all()
    answers = await asyncio.gather(*(bench.ask(id, row["retried_by"]) for _ in range(8)))
    assert len(set(answers)) == 1
    await asyncio.gather(*(bench.send(answers[0]) for _ in range(8)))
    # No provider answers for it with what it said to the failed one.
    [handed] = bench.provider.got
    assert handed == answers[0].message_id != str(id)


async def test_a_retry_that_is_refused_at_the_provider_fails_by_itself(bench: Bench) -> None:
    [id] = await failed(bench, 1)
    await bench.take()
    [row] = await bench.harness.messages.all()
    granted = await bench.ask(id, row["retried_by"])
    bench.provider.answers = [Rejected("http_400", "no")]
    assert await bench.send(granted) == "failed"
    assert await bench.ask(id, row["retried_by"]) == granted
    assert await bench.send(granted) == "failed"
    assert len(bench.provider.got) == 1


async def test_a_retry_that_is_called_off_at_its_claim_may_be_retried(bench: Bench) -> None:
    """The person's address is suppressed between the grant and the claim, and comes back."""
    [id] = await failed(bench, 1)
    await bench.take()
    [row] = await bench.harness.messages.all()
    granted = await bench.ask(id, row["retried_by"])
    await bench.harness.admin("PUT", "/v1/users/u0/suppressions/email", {"reason": "hard bounce"})
    assert [await bench.send(granted) for _ in range(2)] == ["cancelled", "cancelled"]
    plan = await bench.retries.plan(RetryFilter())
    assert (plan.failed, plan.retried, plan.not_retried) == (1, 0, {"suppressed": 1})
    [step] = (await bench.harness.admin("GET", "/v1/campaigns/promotion/funnel"))["versions"][0]["steps"]
    assert (step["messages"]["failed"], step["messages"]["cancelled"]) == (1, 0)
    await bench.harness.admin("DELETE", "/v1/users/u0/suppressions/email")
    await bench.take()
    [row] = await bench.harness.messages.all(id=id)
    again = await bench.ask(id, row["retried_by"])
    assert again == granted
    # The workflow of the first operation may ask as well, and hands nothing over twice.
    assert [await bench.send(again) for _ in range(2)] == ["sent", "sent"]
    assert bench.provider.got == [granted.message_id]
    assert (await bench.retries.plan(RetryFilter())).not_retried == {"retried_before": 1}


async def test_a_postponed_message_keeps_its_place_in_the_warm_up(bench: Bench) -> None:
    [id, other] = await failed(bench, 2)
    new = "providers:\n  new: {kind: smtp, channel: email, host: 127.0.0.1, security: none}\n"
    today = datetime.now(UTC).date().isoformat()
    route = f'routes: [{{channel: email, use: [new], warm_up: {{provider: new, from: "{today}", daily: [2]}}}}]\n'
    await bench.harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": new + route})
    await bench.take()
    rows = {row["id"]: row for row in await bench.harness.messages.all()}
    granted = await bench.ask(id, rows[id]["retried_by"])
    for attempt in (2, 3):
        hold = await bench.hold(rows[id]["user_id"])
        assert await bench.send(granted) == "postponed"
        await bench.harness.admin("DELETE", f"/v1/holds/{hold}")
        assert await bench.ask(id, rows[id]["retried_by"], attempt) == granted
    [used] = await bench.harness.query("SELECT sum(used) AS places FROM leases WHERE slot > 0")
    assert used["places"] == 1
    # So the second place of the day is left to another one.
    assert isinstance(await bench.ask(other, rows[other]["retried_by"]), Granted)


@pytest.mark.prove
async def test_no_retry_is_handed_over_after_an_acknowledged_exit(bench: Bench, patient_locks: None) -> None:
    """The exit comes at a random instant about the claim; the journey has long been completed."""
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    ids = await failed(bench, rounds(24, 1_000))
    await bench.take()
    rows = {row["id"]: row for row in await bench.harness.messages.all()}
    acknowledged: dict[str, datetime] = {}

    async def close(user: str) -> None:
        await asyncio.sleep(rolls.uniform(0, 0.02))
        await bench.harness.track(user, "Account Closed")
        [now] = await bench.harness.query("SELECT clock_timestamp() AS at")
        acknowledged[user] = now["at"]

    async def go(id: UUID) -> None:
        answer = await bench.ask(id, rows[id]["retried_by"])
        if isinstance(answer, Granted):
            await bench.send(answer)
        else:
            assert isinstance(answer, Refused)

    for id in ids:
        await asyncio.gather(go(id), close(rows[id]["user_id"]))
    claimed = [row for row in await bench.harness.messages.all() if row["claimed_at"] is not None]
    assert [row for row in claimed if row["claimed_at"] > acknowledged[row["user_id"]]] == []
    assert 0 < len(claimed) < len(ids)


@pytest.mark.takes_long
async def test_each_message_has_one_retry_however_often_the_workers_are_killed(
    database_url: str, temporal: TemporalServer
) -> None:
    users = [f"u{number}" for number in range(rounds(12, 100))]
    async with open_harness(database_url, temporal, is_working=False) as harness:
        async with worker_process(harness.settings):
            await fail(harness, *users)
        await mend(harness)
        rolls = random.Random(SEED)
        await harness.admin("POST", "/v1/messages/retry", {})
        for _ in range(3):
            async with worker_process(harness.settings) as dies:
                await asyncio.sleep(rolls.uniform(0, 0.6))
                dies.kill()
        async with worker_process(harness.settings):
            await harness.until("SELECT 1 FROM operations WHERE kind = 'retry' AND state = 'done'")
            await harness.until(
                "SELECT 1 FROM messages WHERE retry_of IS NOT NULL AND settled_at IS NOT NULL HAVING count(*) = %s",
                len(users),
                seconds=2 * PATIENCE,
            )
        retries = [row for row in await harness.messages.all() if row["retry_of"] is not None]
        assert len({row["retry_of"] for row in retries}) == len(retries) == len(users)
        assert {row["state"] for row in retries} <= {"sent", "unknown"}
        mails = [mail.recipients for mail in harness.inbox.messages]
        assert len(mails) == len(set(mails))
