"""Failed messages are retried by an operation: each once, through the gate, and never after an exit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowHistory

from application.reconcile import Reconciler
from domain.journey.records import retry_workflow_id
from runtime.journey_workflows import JourneyWorkflows
from tests.engine.campaigns import ONE_A_DAY
from tests.engine.retry_campaigns import BROKEN, PROMOTION, RESTING, fail, in_two_hours, mend, retry
from tests.harness import PATIENCE, Harness, looks
from tests.replay.test_replay import replayer
from tests.runtime.test_reconciliation import eventually


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
