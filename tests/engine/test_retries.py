"""Failed messages are retried by an operation: each once, through the gate, and never after an exit."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowHistory

from application.catalogue import Catalogue
from application.operations.retry import RetryHandler
from application.operations.runner import OperationRunner
from application.reconcile import Reconciler
from application.retries import Retries, RetryGate
from application.send import Sender
from domain.access import SOJOURN
from domain.journey.position import NextPositions
from domain.journey.records import retry_workflow_id
from domain.sending.delivery import Never, Rejected
from domain.sending.gate_answers import Granted, Refused
from domain.sending.retries import RetryFilter, RetryRequest
from runtime.journey_workflows import JourneyWorkflows
from store.database import Database
from tests.engine.campaigns import ONE_A_DAY
from tests.engine.fixed_providers import FixedProviders, link_tracker
from tests.engine.send_harness import Provider
from tests.harness import MAIL, PATIENCE, Harness, looks, open_harness
from tests.processes import worker_process
from tests.proofs import rounds
from tests.replay.test_replay import replayer
from tests.runtime.test_reconciliation import eventually
from tests.servers import TemporalServer

SEED = 20_261_201
BROKEN = MAIL.replace("default: 'you'", "upcase").replace("profile.traits.first_name", "profile.traits.name")
PROMOTION = """
key: promotion
name: Promotion
entry: {event: Price Dropped, reentry: always}
exit: [{event: Account Closed}]
steps:
  - {id: promo, send: {channel: email, template: note}}
"""
RESTING = f"{PROMOTION}  - {{id: rest, delay: 30d}}\n"
LAST = NextPositions(0, ())


async def mend(harness: Harness, source: str = PROMOTION) -> None:
    """Start a version whose template suits everybody."""
    await harness.run_campaign(source)


def in_two_hours(source: str) -> str:
    """A campaign whose window opens within two hours, for one."""
    opens = datetime.now(UTC) + timedelta(hours=2)
    window = f'send_window: {{from: "{opens:%H}:00", to: "{opens + timedelta(hours=1):%H}:00"}}\n'
    return source.replace("steps:", f"{window}steps:")


async def fail(harness: Harness, *users: str, source: str = PROMOTION) -> None:
    """Let a message to each user fail by its template."""
    await harness.run_campaign(source, {"note.liquid": BROKEN})
    for user in users:
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Price Dropped")
    await harness.messages.until(len(users), state="failed")


async def retry(harness: Harness, **which: Any) -> dict[str, Any]:
    """Retry failed messages; return the operation once it is over."""
    operation = await harness.admin("POST", "/v1/messages/retry", which)
    await harness.until("SELECT 1 FROM operations WHERE id = %s AND finished_at IS NOT NULL", operation["id"])
    done: dict[str, Any] = await harness.admin("GET", f"/v1/operations/{operation['id']}")
    return done


async def test_a_failed_message_goes_by_the_mended_template(harness: Harness) -> None:
    await fail(harness, "u1", "u2")
    await mend(harness)
    plan = await harness.admin("POST", "/v1/messages/retry", {"campaign": "promotion", "dry_run": True})
    assert (plan["failed"], plan["retried"], plan["not_retried"]) == (2, 2, {})
    assert [(group["reason"], group["provider"], group["messages"]) for group in plan["groups"]] == [
        ("template_error", "smtp", 2)
    ]
    done = await retry(harness, campaign="promotion", reason="template_error", step="promo", channel="email")
    assert (done["campaign"], done["total"], done["done"], done["counts"]) == (None, 2, 2, {"retried": 2})
    await harness.messages.until(2, state="sent")
    assert len(harness.inbox.messages) == 2
    first, second = await harness.messages.all(user_id="u1")
    assert (first["state"], str(first["retried_by"])) == ("failed", done["id"])
    assert (second["retry_of"], second["retry_version"], second["expires_at"]) == (first["id"], 2, first["expires_at"])
    [journey] = await harness.journeys.all(user_id="u1")
    assert (journey["state"], journey["campaign_version"]) == ("completed", 1)
    lines = [line["summary"] for line in await harness.timeline("u1")]
    assert f"promo: granted, by smtp, retried by operation {done['id']}" in lines
    assert [line for line in lines if line.endswith(f"(retried by operation {done['id']})")]
    funnel = await harness.admin("GET", "/v1/campaigns/promotion/funnel?version=1")
    [step] = funnel["versions"][0]["steps"]
    assert (step["messages"]["sent"], step["messages"]["failed"]) == (2, 0)
    # Each has its retry, so another operation has nothing to do.
    assert (await retry(harness))["counts"] == {"retried_before": 2}
    assert len(await harness.messages.all()) == 4


async def test_one_that_fails_again_is_for_the_next_operation(harness: Harness) -> None:
    await fail(harness, "u1")
    assert (await retry(harness))["counts"] == {"retried": 1}
    await harness.messages.until(2, state="failed")
    await mend(harness)
    assert (await retry(harness))["counts"] == {"retried": 1, "retried_before": 1}
    await harness.messages.until(1, state="sent")
    ids = [row["id"] for row in await harness.messages.all()]
    assert [row["retry_of"] for row in await harness.messages.all()] == [None, *ids[:2]]


async def test_the_selection_is_what_all_its_conditions_say(harness: Harness) -> None:
    await fail(harness, "u1")
    await mend(harness)
    [row] = await harness.messages.all()
    failed_at = row["settled_at"]
    for which in (
        {"reason": "recipient_refused"},
        {"provider": "other"},
        {"channel": "webhook"},
        {"since": (failed_at + timedelta(seconds=1)).isoformat()},
        {"until": failed_at.isoformat()},
    ):
        plan = await harness.admin("POST", "/v1/messages/retry", {**which, "dry_run": True})
        assert plan == {"failed": 0, "retried": 0, "not_retried": {}, "groups": []}
    assert (await retry(harness, provider="smtp", since=failed_at.isoformat()))["counts"] == {"retried": 1}
    assert (await harness.act("POST", "/v1/messages/retry", {"campaign": "none"})).status_code == 404
    unknown = await harness.act("POST", "/v1/messages/retry", {"campaign": "promotion", "step": "none"})
    assert unknown.json()["detail"] == "campaign promotion has no step none"
    assert (await harness.act("POST", "/v1/messages/retry", {"step": "promo"})).status_code == 400
    [entry] = await harness.query("SELECT target, data FROM audit_log WHERE action = 'messages.retry'")
    assert entry["data"]["selection"]["provider"] == "smtp"


async def test_what_the_gate_refuses_stays_failed_for_a_later_operation(harness: Harness) -> None:
    await fail(harness, "capped", "refused", "hushed", "gone")
    await mend(harness)
    await harness.put_caps(ONE_A_DAY)
    await harness.track("capped", "Price Dropped")
    await harness.messages.until(state="sent")
    await harness.admin("PUT", "/v1/users/refused/suppressions/email", {"reason": "hard bounce"})
    await harness.post("identify", {"userId": "hushed", "traits": {}, "context": {"consent": {"email": False}}})
    await harness.admin("PATCH", "/v1/users/hushed", {"consent": {"email": False}})
    await harness.identify("gone", email=None)
    assert (await retry(harness))["counts"] == {"retried": 4}
    refusals = await harness.decisions.until(4, kind="send", outcome="refused")
    assert {row["user_id"]: row["reason"] for row in refusals} == {
        "capped": "capped",
        "refused": "suppressed",
        "hushed": "no_consent",
        "gone": "unreachable",
    }
    assert [row["retried_by"] for row in await harness.messages.all(state="failed")] == [None] * 4
    await harness.put_caps("rules: []")
    assert (await retry(harness))["counts"] == {"retried": 4}
    await harness.messages.until(2, state="sent", user_id="capped")
    assert len(harness.inbox.messages) == 2


async def test_messages_whose_time_is_over_are_not_retried(harness: Harness) -> None:
    await fail(harness, "u1", "u2", "u3")
    await harness.query("UPDATE messages SET expires_at = now() FROM profiles WHERE user_id = 'u1' RETURNING 1")
    await harness.query(
        """
        UPDATE journeys SET state = 'exited', outcome = 'exited' FROM profiles
        WHERE profiles.id = profile_id AND user_id = 'u2' RETURNING 1
        """
    )
    await harness.query(
        """
        UPDATE messages SET expires_at = now() + interval '1 day' FROM profiles
        WHERE profiles.id = profile_id AND user_id <> 'u1' RETURNING 1
        """
    )
    plan = await harness.admin("POST", "/v1/messages/retry", {"dry_run": True})
    assert plan["not_retried"] == {"expired": 1, "journey_ended": 1}
    await harness.admin("POST", "/v1/campaigns/promotion/pause")
    plan = await harness.admin("POST", "/v1/messages/retry", {"dry_run": True})
    assert plan["not_retried"] == {"expired": 1, "campaign_not_running": 2}


async def test_a_plan_counts_the_suppressed_apart(harness: Harness) -> None:
    await fail(harness, "u1", "u2", "u3")
    await harness.admin("PUT", "/v1/users/u1/suppressions/email", {"reason": "returned by post"})
    await harness.query(
        """UPDATE addresses SET refusals = '{"suppression": "bounced"}' WHERE value = 'u2@example.com' RETURNING 1"""
    )
    plan = await harness.admin("POST", "/v1/messages/retry", {"dry_run": True})
    assert (plan["failed"], plan["retried"], plan["not_retried"]) == (3, 1, {"suppressed": 2})
    assert [(group["obstacle"], group["messages"]) for group in plan["groups"]] == [("suppressed", 2), (None, 1)]
    # A retry goes to the address of that moment.
    await harness.identify("u2", email="other@example.com")
    plan = await harness.admin("POST", "/v1/messages/retry", {"dry_run": True})
    assert (plan["retried"], plan["not_retried"]) == (2, {"suppressed": 1})


async def test_an_exit_after_the_completion_of_a_journey_holds(harness: Harness) -> None:
    await fail(harness, "u1", "u2")
    await harness.track("u1", "Account Closed")
    await mend(harness)
    await retry(harness)
    await harness.messages.until(1, state="sent", user_id="u2")
    [refused] = await harness.decisions.until(kind="send", outcome="refused")
    assert (refused["user_id"], refused["reason"], refused["data"]["ended_by"]) == (
        "u1",
        "journey_ended",
        "Account Closed",
    )
    assert "the journey was ended by Account Closed" in (await harness.timeline("u1"))[-1]["summary"]


@pytest.mark.parametrize("exit", ["{leaves: vip}", "{changed: profile.traits.plan}"])
async def test_a_completed_journey_whose_exits_leave_no_trace_is_not_taken_up(harness: Harness, exit: str) -> None:
    segment = "{key: vip, name: VIP, where: 'profile.traits.tier == \"vip\"'}"
    if "vip" in exit:
        await harness.admin("PUT", "/v1/segments/vip", {"file": "vip.yaml", "source": segment})
    source = PROMOTION.replace("{event: Account Closed}", exit)
    await fail(harness, "u1", source=source)
    await mend(harness, source)
    await retry(harness)
    [refused] = await harness.decisions.until(kind="send", outcome="refused")
    assert refused["reason"] == "journey_ended"


async def test_a_journey_under_way_stays_where_it_is_and_its_exit_ends_the_retry(harness: Harness) -> None:
    """The retry waits for the send window, and the person leaves meanwhile."""
    await fail(harness, "u1", "u2", source=RESTING)
    await mend(harness, in_two_hours(RESTING))
    before = await harness.journeys.all()
    await retry(harness)
    await harness.decisions.until(2, outcome="deferred")
    await harness.track("u1", "Account Closed")
    [operation] = await harness.query("SELECT id FROM operations WHERE kind = 'retry'")
    for row in await harness.messages.all():
        handle = harness.temporal.get_workflow_handle(
            f"promotion/retry/{row['id']}/{operation['id'].hex[-12:]}", result_type=str
        )
        await harness.skip(handle, hours=3)
        assert await handle.result() == ("journey_ended" if row["user_id"] == "u1" else "sent")
    assert [mail.recipients for mail in harness.inbox.messages] == [("u2@example.com",)]
    [stays] = await harness.journeys.all(user_id="u2")
    assert stays in before


async def test_the_completion_of_a_journey_leaves_its_retry_alone(harness: Harness) -> None:
    await fail(harness, "u1", source=RESTING)
    await mend(harness, RESTING)
    harness.inbox.greylist.add("u1@example.com")
    await retry(harness)
    await harness.until_put_off()
    journey = await harness.journeys.one()
    await harness.skip(await harness.journey("u1"), days=31)
    await harness.ended("u1")
    harness.inbox.greylist.clear()
    await harness.messages.until(state="sent")
    assert (await harness.journeys.one())["id"] == journey["id"]


async def test_an_exit_releases_the_retry_that_it_finds_reserved(harness: Harness) -> None:
    await fail(harness, "u1", source=RESTING)
    await mend(harness, RESTING)
    harness.inbox.greylist.add("u1@example.com")
    await retry(harness)
    await harness.until_put_off()
    await harness.track("u1", "Account Closed")
    harness.inbox.greylist.clear()
    [row] = await harness.messages.until(state="cancelled")
    assert (row["reason"], harness.inbox.messages) == ("journey_ended", [])


async def test_a_member_of_an_account_gets_the_retry_as_themselves(harness: Harness) -> None:
    source = """
key: invite
name: Invite
entry: {event: Account Created, account: true}
steps:
  - {id: tell, send: {channel: email, template: note, to: {role: admin}}}
  - {id: rest, delay: 1d}
"""
    await harness.run_campaign(source, {"note.liquid": BROKEN})
    for user in ("u1", "u2"):
        await harness.identify(user, email=f"{user}@example.com")
        await harness.post("group", {"userId": user, "groupId": "acme", "traits": {"role": "admin"}})
    await harness.track("u1", "Account Created")
    await harness.messages.until(2, state="failed")
    await harness.run_campaign(source)
    await harness.post("group", {"userId": "u2", "groupId": "acme", "traits": {"role": "reader"}})
    await retry(harness)
    await harness.messages.until(state="sent", user_id="u1")
    [left] = await harness.messages.until(state="cancelled", user_id="u2")
    assert left["reason"] == "left_account"


async def test_a_held_retry_goes_on_when_the_campaign_is_resumed(harness: Harness) -> None:
    await fail(harness, "u1", "u2", source=RESTING)
    await mend(harness, in_two_hours(RESTING))
    await retry(harness)
    await harness.decisions.until(2, outcome="deferred")
    # The window opens while the campaign is paused, and the campaign has no journey that is held.
    await mend(harness, RESTING)
    await harness.admin("POST", "/v1/campaigns/promotion/pause")
    for handle in await retry_handles(harness):
        await harness.skip(handle, hours=3)
    held = await harness.decisions.until(2, outcome="held")
    assert {row["reason"] for row in held} == {"campaign_paused"}
    rows = await harness.messages.all()
    assert {row["data"]["retry_of"] for row in held} == {str(row["id"]) for row in rows}
    await harness.admin("POST", "/v1/campaigns/promotion/resume")
    await harness.messages.until(2, state="sent")


async def begun_to_wait(handle: WorkflowHandle[Any, Any]) -> WorkflowHistory:
    """The history of a retry, once its timer has begun."""
    async for is_last in looks(PATIENCE):
        history = await handle.fetch_history()
        if any(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in history.events):
            return history
        assert not is_last, "it never waited"
    raise AssertionError("there is a last look")


async def replay_without_an_end(history: WorkflowHistory) -> None:
    """Replay a retry as an earlier build has recorded it: held without an end, and asking again after a while."""
    for event in history.events:
        for payload in event.activity_task_completed_event_attributes.result.payloads:
            payload.data = b'{"answer":"held","reason":"campaign_paused"}'
    await replayer().replay_workflow(history)


async def test_a_held_retry_goes_on_when_the_hold_is_released(harness: Harness) -> None:
    await fail(harness, "u1")
    await mend(harness)
    until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    hold = await harness.admin("POST", "/v1/holds", {"user": "u1", "until": until, "reason": "complaint"})
    await retry(harness)
    [held] = await harness.decisions.until(outcome="held")
    assert (held["reason"], held["kind"]) == ("on_hold", "send")
    [handle] = await retry_handles(harness)
    await replay_without_an_end(await begun_to_wait(handle))
    await harness.admin("DELETE", f"/v1/holds/{hold['id']}")
    await harness.messages.until(state="sent")


async def test_a_lost_retry_is_started_again(harness: Harness) -> None:
    """The retries of two people wait; Temporal loses one of them, and an operator ends the other."""
    await fail(harness, "u1", "u2", source=RESTING)
    await mend(harness, in_two_hours(RESTING))
    await retry(harness)
    await harness.decisions.until(2, outcome="deferred")
    workflows = JourneyWorkflows(harness.temporal, harness.settings.task_queue)
    lost, ended = await retry_handles(harness)
    assert await workflows.delete([lost.id]) == 1
    await ended.terminate()
    await eventually(lambda: workflows.describe(lost.id), None)
    await eventually(lambda: workflows.find_running([lost.id, ended.id]), set())
    report = await Reconciler(harness.database, workflows).run()
    assert {kind: (one.found, one.repaired, one.examples) for kind, one in report.findings.items()} == {
        "row_without_workflow": (1, 1, [lost.id]),
        "workflow_terminated": (1, 1, [ended.id]),
    }
    again = harness.temporal.get_workflow_handle(lost.id, result_type=str)
    await eventually(lambda: is_running(workflows, lost.id), True)
    await harness.skip(again, hours=3)
    assert await again.result() == "sent"
    # The other one is left to a later operation.
    assert (await retry(harness))["counts"] == {"retried": 1, "retried_before": 1}


async def test_the_retry_of_an_erased_person_ends(harness: Harness) -> None:
    await fail(harness, "u1", source=RESTING)
    window = 'send_window: {from: "00:00", to: "00:01"}\n'
    await mend(harness, RESTING.replace("steps:", f"{window}steps:"))
    operation = await retry(harness)
    await harness.decisions.until(outcome="deferred")
    [row] = await harness.messages.all()
    erased = await harness.admin("DELETE", "/v1/users/u1")
    await harness.until("SELECT 1 FROM operations WHERE id = %s AND finished_at IS NOT NULL", erased["id"])
    handle = harness.temporal.get_workflow_handle(
        f"promotion/retry/{row['id']}/{operation['id'][-12:]}", result_type=str
    )
    await harness.skip(handle, hours=25)
    assert await handle.result() == "retried_before"


async def retry_handles(harness: Harness) -> list[WorkflowHandle[Any, str]]:
    """The workflows of the retries, in the order of the failed messages."""
    rows = [row for row in await harness.messages.all() if row["retried_by"] is not None]
    ids = [retry_workflow_id(row["campaign_key"], row["id"], row["retried_by"]) for row in rows]
    return [harness.temporal.get_workflow_handle(id, result_type=str) for id in ids]


async def is_running(workflows: JourneyWorkflows, id: str) -> bool:
    found = await workflows.describe(id)
    return found is not None and found.execution == "running"


# Without workflows: races of operations, the gate, and exits


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
