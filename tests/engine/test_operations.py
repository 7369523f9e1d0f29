"""Operations that fail: what else there is to do for the campaign goes on."""

from datetime import timedelta

from tests.engine.test_campaign_life import PLAIN, has_state, move
from tests.rig import Rig, now


async def break_one(rig: Rig) -> None:
    """Ask for an operation of which no page ever succeeds, the first of all."""
    await rig.query(
        """
        INSERT INTO operations (id, campaign_key, kind, parameters, requested_by)
        VALUES ('00000000-0000-0000-0000-000000000001', 'plain', 'skip', '{}', 'test') RETURNING 1
        """
    )


async def test_an_operation_that_fails_keeps_no_other_waiting(rig: Rig) -> None:
    await rig.run_campaign(PLAIN)
    await rig.track("u1", "Signed Up")
    journey = await rig.journey("u1")
    await break_one(rig)
    await move(rig, "stop", {"mode": "exit"})
    assert await journey.result() == "exited"
    await rig.until("SELECT 1 FROM operations WHERE kind = 'exit' AND state = 'done'")
    [failing] = await rig.query("SELECT id, done FROM operations WHERE finished_at IS NULL")
    assert failing["done"] == 0
    await rig.admin("POST", f"/v1/operations/{failing['id']}/cancel")
    await has_state(rig, "ended")


async def test_an_operation_that_fails_keeps_no_beginning_waiting(rig: Rig) -> None:
    starts_at = now() + timedelta(seconds=5)
    scheduled = f"{PLAIN}schedule: {{starts_at: {starts_at:%Y-%m-%dT%H:%M:%SZ}}}\n"
    await rig.run_campaign(scheduled)
    await break_one(rig)
    await rig.admin("POST", "/v1/journeys/skip-wait", {"campaign": "plain"})
    await rig.until("SELECT 1 FROM campaigns WHERE key = 'plain' AND state = 'running'", seconds=40)
