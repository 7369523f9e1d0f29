"""Where the database and Temporal do not agree, it is found, repaired and reported."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from application.readiness import look_at_database
from application.reconcile import Reconciler, Report
from domain.deployment.findings import Away, DeploymentPart, Facts, find_lacks
from runtime.journey_workflows import JourneyWorkflows
from runtime.temporal_probe import probe_temporal
from store import reconciliations
from tests.databases import database_of
from tests.engine.campaigns import CART, REACTION
from tests.harness import PATIENCE, Harness, is_begun, looks, open_harness
from tests.servers import PostgresServer, TemporalServer

NOTHING: dict[str, Any] = {}


def reconciler(harness: Harness) -> Reconciler:
    return Reconciler(
        harness.database, JourneyWorkflows(harness.temporal, harness.settings.task_queue), grace=timedelta()
    )


async def reconciled(harness: Harness) -> Report:
    """With the outbox empty, and Temporal's index as it is: see `indexed`."""
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    return await reconciler(harness).run()


async def indexed(harness: Harness, campaign: str, number: int) -> None:
    """Wait until Temporal's index shows so many that run."""
    workflows = JourneyWorkflows(harness.temporal, harness.settings.task_queue)
    await eventually(lambda: workflows.count(campaign), number)


async def eventually(ask: Callable[[], Awaitable[Any]], expected: Any) -> None:
    async for is_last in looks(PATIENCE):
        if (found := await ask()) == expected:
            return
        assert not is_last, f"still {found}, not {expected}"


async def status(handle: WorkflowHandle[Any, Any]) -> str:
    try:
        found = (await handle.describe()).status
    except RPCError:
        return "MISSING"
    assert found is not None
    return found.name


async def delete(harness: Harness, handle: WorkflowHandle[Any, Any]) -> None:
    """As if Temporal had never heard of it."""
    await harness.temporal.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=harness.temporal.namespace, workflow_execution=WorkflowExecution(workflow_id=handle.id)
        )
    )
    await eventually(lambda: status(handle), "MISSING")
    await eventually(lambda: shown(harness, handle), 0)


async def shown(harness: Harness, handle: WorkflowHandle[Any, Any]) -> int:
    """How many of a workflow Temporal's index shows, which lags behind."""
    return (await harness.temporal.count_workflows(f"WorkflowId = '{handle.id}'")).count


async def in_the_cart(harness: Harness, *users: str) -> list[WorkflowHandle[Any, Any]]:
    await harness.run_campaign(CART)
    for user in users:
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Cart Abandoned", {"value": 200, "cart_id": "c1"})
    handles = [await harness.journey(user) for user in users]
    for handle in handles:
        await harness.rests(handle, "cool-off")
    await indexed(harness, "cart", len(users))
    return handles


def found(report: Report) -> dict[str, tuple[int, int]]:
    return {kind: (one.found, one.repaired) for kind, one in report.findings.items()}


async def test_where_all_agrees_nothing_is_found_and_the_counts_are_the_same(harness: Harness) -> None:
    handles = await in_the_cart(harness, "u1", "u2", "u3", "u4")
    await harness.track("u1", "Order Completed", {"cart_id": "c1"})
    await handles[0].result()
    await harness.skip(handles[1], minutes=30)
    await handles[1].result()
    await indexed(harness, "cart", 2)
    report = await reconciled(harness)
    assert found(report) == NOTHING
    assert (report.rows, report.workflows) == (2, 2)
    assert (report.campaigns["cart"].rows, report.campaigns["cart"].workflows) == (2, 2)
    [counted] = await harness.query("SELECT count(*) FILTER (WHERE state <> 'active') AS over FROM journeys")
    assert counted["over"] == 2
    closed = await harness.temporal.count_workflows(
        f"TaskQueue = '{harness.settings.task_queue}' AND WorkflowType = 'Journey' AND ExecutionStatus = 'Completed'"
    )
    assert closed.count == 2


async def test_a_journey_without_a_workflow_is_started_again(harness: Harness) -> None:
    [handle] = await in_the_cart(harness, "u1")
    await delete(harness, handle)
    report = await reconciled(harness)
    assert found(report) == {"row_without_workflow": (1, 1)}
    assert report.findings["row_without_workflow"].examples == [handle.id]
    await eventually(lambda: status(handle), "RUNNING")
    await harness.skip(handle, minutes=30)
    assert await asyncio.wait_for(handle.result(), 20) == "completed"
    assert len(await harness.inbox.wait_for(1, timeout=PATIENCE)) == 1
    assert found(await reconciled(harness)) == NOTHING


async def test_what_a_lost_journey_has_sent_is_not_sent_again(harness: Harness) -> None:
    await harness.run_campaign(REACTION)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.rests(handle, "clicked")
    await delete(harness, handle)
    assert found(await reconciled(harness)) == {"row_without_workflow": (1, 1)}
    await eventually(lambda: status(handle), "RUNNING")
    await harness.rests(handle, "clicked")
    await harness.track("u1", "Link Clicked", {"kind": "good"})
    assert await asyncio.wait_for(handle.result(), 20) == "engaged"
    assert len(harness.inbox.messages) == 1


async def test_what_temporal_is_yet_to_be_told_is_left_alone(harness: Harness) -> None:
    [handle] = await in_the_cart(harness, "u1")
    await delete(harness, handle)
    await harness.query(
        """
        INSERT INTO outbox (workflow_id, kind, payload, available_at)
        VALUES (%s, 'matched', '{}', now() + interval '1 hour') RETURNING id
        """,
        handle.id,
    )
    assert found(await reconciler(harness).run()) == NOTHING


async def test_what_is_young_is_left_alone(harness: Harness) -> None:
    [handle] = await in_the_cart(harness, "u1")
    await delete(harness, handle)
    workflows = JourneyWorkflows(harness.temporal, harness.settings.task_queue)
    report = await Reconciler(harness.database, workflows).run()
    assert (report.rows, found(report)) == (0, NOTHING)


async def test_a_journey_that_was_terminated_in_temporal_is_over(harness: Harness) -> None:
    [handle] = await in_the_cart(harness, "u1")
    await handle.terminate()
    await indexed(harness, "cart", 0)
    assert found(await reconciled(harness)) == {"workflow_terminated": (1, 1)}
    ended = await harness.ended("u1")
    assert (ended["state"], ended["outcome"], ended["ended_by"]) == ("completed", "cancelled", "reconciliation")


async def test_a_journey_whose_workflow_came_to_its_end_before_is_over(harness: Harness) -> None:
    """As when the database was restored from a backup."""
    [handle] = await in_the_cart(harness, "u1")
    await handle.signal("exit", "e1")
    assert await handle.result() == "exited"
    await indexed(harness, "cart", 0)
    assert found(await reconciled(harness)) == {"workflow_completed": (1, 1)}
    assert (await harness.ended("u1"))["state"] == "exited"


async def test_a_workflow_without_a_journey_is_deleted(harness: Harness) -> None:
    *_, orphan = await in_the_cart(harness, "u1", "u2")
    await harness.query("DELETE FROM journeys WHERE workflow_id = %s RETURNING id", orphan.id)
    report = await reconciled(harness)
    assert found(report) == {"workflow_without_row": (1, 1)}
    assert "workflow_without_row" in report.for_people
    async for is_last in looks(PATIENCE):
        if not await is_begun(orphan):
            break
        assert not is_last


async def test_journeys_of_another_deployment_in_the_namespace_are_left_alone(
    harness: Harness, postgres: PostgresServer, migrated: str, temporal: TemporalServer
) -> None:
    """Few beside many, so that they would be ended if they were taken for workflows without a journey."""
    ours = await in_the_cart(harness, "u1", "u2", "u3")
    async with (
        database_of(postgres, migrated) as other_url,
        open_harness(other_url, temporal, task_queue=f"{harness.settings.task_queue}-b") as other,
    ):
        theirs = await in_the_cart(other, "u4")
        report = await reconciled(harness)
        assert (found(report), report.workflows) == (NOTHING, 3)
        assert found(await reconciled(other)) == NOTHING
        assert [await status(handle) for handle in [*ours, *theirs]] == ["RUNNING"] * 4
        assert await foreign(harness) == []
        [lack] = await foreign(other)
        assert lack.startswith(f"the workflow of campaign cart belongs to task queue {harness.settings.task_queue}, ")


async def foreign(harness: Harness) -> list[str]:
    """Campaigns whose workflow is another deployment's."""
    view = await look_at_database(harness.database)
    assert not isinstance(view, Away)
    temporal = await probe_temporal(harness.temporal, harness.settings.task_queue)
    lacks = find_lacks(Facts(database=view.facts, temporal=temporal))
    return [lack.problem for lack in lacks if lack.part is DeploymentPart.CAMPAIGNS]


async def test_where_most_workflows_have_no_journey_somebody_is_to_look(harness: Harness) -> None:
    """The database is rather the wrong one."""
    handles = await in_the_cart(harness, "u1", "u2", "u3")
    await harness.query("DELETE FROM journeys WHERE workflow_id <> %s RETURNING id", handles[0].id)
    report = await reconciled(harness)
    assert found(report) == {"workflow_without_row": (2, 0)}
    assert [await status(handle) for handle in handles] == ["RUNNING"] * 3


async def test_a_workflow_that_outlived_its_journey_is_told(harness: Harness) -> None:
    [handle] = await in_the_cart(harness, "u1")
    await harness.query(
        """
        UPDATE journeys SET state = 'exited', outcome = 'exited', ended_at = now(), ended_recorded_at = now()
        RETURNING id
        """
    )
    assert found(await reconciled(harness)) == {"workflow_outlived_row": (1, 1)}
    assert await asyncio.wait_for(handle.result(), 20) == "exited"


async def test_a_workflow_that_a_stop_is_ending_is_left_to_it(harness: Harness) -> None:
    """Of many, that takes longer than the grace."""
    await in_the_cart(harness, "u1")
    await harness.query(
        """
        UPDATE journeys SET state = 'exited', outcome = 'exited', ended_at = now(), ended_recorded_at = now()
        RETURNING id
        """
    )
    # Nobody works on it, as the campaign's workflow is not told of it.
    await harness.query(
        """
        INSERT INTO operations (id, campaign_key, kind, parameters, requested_by) VALUES (
          gen_random_uuid(), 'cart', 'exit', '{"whole_versions": true, "selection": {"versions": [1]}}', 'test')
        RETURNING 1
        """
    )
    assert found(await reconciled(harness)) == NOTHING


async def test_a_row_that_is_wrong_about_where_its_journey_rests_is_put_right(harness: Harness) -> None:
    await in_the_cart(harness, "u1")
    await harness.query("UPDATE journeys SET step = 'nudge', status = 'deferred' RETURNING id")
    assert found(await reconciled(harness)) == {"position_differs": (1, 1)}
    [row] = await harness.query("SELECT step, status FROM journeys")
    assert row == {"step": "cool-off", "status": "waiting"}
    assert found(await reconciled(harness)) == NOTHING


async def test_a_row_goes_back_to_the_version_that_its_workflow_is_on(harness: Harness) -> None:
    """As when Temporal was set back to before the journey was moved."""
    await in_the_cart(harness, "u1")
    await harness.run_campaign(CART.replace("30m", "31m"))
    await harness.query("UPDATE journeys SET campaign_version = 2 RETURNING id")
    report = await reconciled(harness)
    assert found(report) == {"version_differs": (1, 1)}
    assert "version_differs" in report.for_people
    assert (await harness.journeys.one())["campaign_version"] == 1


async def test_messages_that_journeys_have_left_behind_are_settled(harness: Harness) -> None:
    await in_the_cart(harness, "u1")
    await harness.query(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template, state,
                              at, expires_at, reserved_at, claimed_at)
        SELECT gen_random_uuid(), id, profile_id, campaign_key, 'nudge', visit, 'email', 'marketing', 'note',
               sent.state, now(), now(), now() - interval '2 days',
               CASE sent.state WHEN 'sending' THEN now() - interval '2 days' END
        FROM journeys, (VALUES (1, 'reserved'), (2, 'sending')) AS sent (visit, state) RETURNING id
        """
    )
    assert found(await reconciled(harness)) == NOTHING
    await harness.query(
        """
        UPDATE journeys SET state = 'exited', outcome = 'exited', ended_at = now(),
                            ended_recorded_at = now() - interval '25 hours' RETURNING id
        """
    )
    assert found(await reconciled(harness))["message_left_behind"] == (2, 2)
    settled = await harness.query("SELECT state, reason FROM messages ORDER BY visit")
    assert settled == [{"state": "cancelled", "reason": "journey_ended"}, {"state": "unknown", "reason": "answer_lost"}]


async def test_a_campaign_whose_workflow_is_gone_is_woken(harness: Harness) -> None:
    await harness.run_campaign(CART)
    handle = harness.temporal.get_workflow_handle("campaign/cart")
    await eventually(lambda: status(handle), "RUNNING")
    await handle.terminate()
    assert found(await reconciled(harness)) == {"campaign_asleep": (1, 1)}
    await eventually(lambda: status(handle), "RUNNING")


async def test_a_worker_does_what_was_asked_for_and_what_another_left(harness: Harness) -> None:
    await harness.until("SELECT 1 FROM reconciliations WHERE requested_by = 'Sojourn' AND state = 'done'")
    await harness.query(
        "INSERT INTO reconciliations (id, state, requested_by) VALUES (gen_random_uuid(), 'running', 'gone')"
        " RETURNING id"
    )
    asked = await harness.admin("POST", "/v1/reconciliations")
    assert (asked["state"], asked["requested_by"], asked["report"]) == ("pending", "SOJOURN_ADMIN_KEY", None)
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM reconciliations WHERE state <> 'done')")
    done = await harness.admin("GET", f"/v1/reconciliations/{asked['id']}")
    assert (done["state"], done["report"]["findings"]) == ("done", {})
    listed = await harness.admin("GET", "/v1/reconciliations?limit=2")
    assert len(listed["reconciliations"]) == 2
    rest = await harness.admin("GET", f"/v1/reconciliations?limit=2&after={listed['next']}")
    assert (len(rest["reconciliations"]), rest["next"]) == (1, None)
    [audit] = await harness.query("SELECT target FROM audit_log WHERE action = 'reconciliation.request'")
    assert audit["target"] == asked["id"]


async def test_one_worker_reconciles_at_a_time(harness: Harness) -> None:
    await harness.until("SELECT 1 FROM reconciliations WHERE state = 'done'")
    async with harness.database.transaction() as other:
        await other.execute("SELECT pg_advisory_lock(%s)", (reconciliations.LOCK,))
        asked = await harness.admin("POST", "/v1/reconciliations")
        await asyncio.sleep(0.3)
        shown = await harness.admin("GET", f"/v1/reconciliations/{asked['id']}")
        await other.execute("SELECT pg_advisory_unlock(%s)", (reconciliations.LOCK,))
    assert shown["state"] == "pending"
    await harness.admin("POST", "/v1/reconciliations")
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM reconciliations WHERE state <> 'done')")
