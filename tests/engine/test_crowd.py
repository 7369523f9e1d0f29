"""Pause, resume and stop with a crowd in flight."""

from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Any

import pytest

from tests.harness import Harness, looks
from tests.proofs import rounds

JOURNEYS = rounds(40, 1_000)
# Each waits this long, so that messages go all the time while the campaign is paused.
SPREAD = max(12, JOURNEYS // 50)
PATIENCE = 120 + JOURNEYS / 5

CROWD = f"""
key: crowd
name: Crowd
on_resume: {{rate: 1000}}
entry: {{event: Signed Up}}
steps:
  - {{id: rest, delay: {{for: 1s..{SPREAD}s}}}}
  - {{id: mail, send: {{channel: email, template: note}}}}
  - {{id: long, delay: 30d}}
"""


@pytest.mark.prove
@pytest.mark.takes_long
async def test_pause_resume_and_stop_with_a_crowd_in_flight(harness: Harness) -> None:
    await harness.run_campaign(CROWD)
    began = monotonic()
    for start in range(0, JOURNEYS, 100):
        await _sign_up(harness, range(start, min(start + 100, JOURNEYS)))
    took(f"{JOURNEYS} entered", began)
    await harness.until(
        "SELECT 1 FROM messages WHERE state = 'sent' HAVING count(*) >= %s", JOURNEYS // 10, seconds=PATIENCE
    )

    paused_at = await _acknowledged(harness, "pause")
    held = "SELECT 1 FROM journeys WHERE status = 'held' HAVING count(*) >= %s"
    await harness.until(held, JOURNEYS // 10, seconds=PATIENCE)
    assert await _authorised_after(harness, paused_at) == 0

    resumed_at = await _acknowledged(harness, "resume")
    began = monotonic()
    resumed = await _operation(harness, "resume")
    took(f"the resumption of {resumed['done']} journeys", began)
    assert resumed["counts"]["resumed"] == resumed["done"] >= JOURNEYS // 10
    await harness.until(
        "SELECT 1 FROM messages WHERE state = 'sent' HAVING count(*) >= %s", JOURNEYS // 2, seconds=PATIENCE
    )
    assert await _authorised_after(harness, resumed_at) > 0

    stopped_at = await _acknowledged(harness, "stop", {"mode": "exit"})
    began = monotonic()
    stopped = await _operation(harness, "exit")
    await harness.until("SELECT 1 FROM campaigns WHERE state = 'ended'", seconds=PATIENCE)
    took(f"the end of {stopped['done']} journeys", began)
    assert stopped["counts"]["exited"] == stopped["done"] == JOURNEYS
    assert await _authorised_after(harness, stopped_at) == 0
    [row] = await harness.query(
        "SELECT count(*) FILTER (WHERE state = 'active') AS active, count(*) AS total FROM journeys"
    )
    assert (row["active"], row["total"]) == (0, JOURNEYS)
    query = f"WorkflowType = 'Journey' AND TaskQueue = '{harness.settings.task_queue}'"
    # Temporal's index lags behind.
    async for is_last in looks(PATIENCE):
        running = await harness.temporal.count_workflows(f"{query} AND ExecutionStatus = 'Running'")
        if running.count == 0:
            break
        assert not is_last, running


async def _sign_up(harness: Harness, numbers: Sequence[int]) -> None:
    batch: list[dict[str, Any]] = []
    for number in numbers:
        user = f"u{number}"
        batch.append({"type": "identify", "userId": user, "traits": {"email": f"{user}@example.com"}})
        batch.append({"type": "track", "userId": user, "event": "Signed Up"})
    await harness.post("batch", {"batch": batch})


async def _acknowledged(harness: Harness, move: str, body: Any = None) -> datetime:
    """When, by the database's clock, the answer had come."""
    began = monotonic()
    await harness.admin("POST", f"/v1/campaigns/crowd/{move}", body)
    took(f"{move}, acknowledged", began)
    [row] = await harness.query("SELECT clock_timestamp() AS at")
    at: datetime = row["at"]
    return at


async def _authorised_after(harness: Harness, at: datetime) -> int:
    """Messages that were granted, or claimed for sending, after an instant."""
    [row] = await harness.query(
        """
        SELECT (SELECT count(*) FROM decisions WHERE kind = 'send' AND outcome = 'granted' AND recorded_at > %s)
             + (SELECT count(*) FROM messages WHERE claimed_at > %s) AS number
        """,
        at,
        at,
    )
    return int(row["number"])


async def _operation(harness: Harness, kind: str) -> dict[str, Any]:
    """The operation, once it is done."""
    await harness.until("SELECT 1 FROM operations WHERE kind = %s AND state = 'done'", kind, seconds=PATIENCE)
    found = (await harness.admin("GET", "/v1/campaigns/crowd/operations"))["operations"]
    [operation] = [one for one in found if one["kind"] == kind]
    return dict(operation)


def took(what: str, began: float) -> None:
    print(f"{what}: {monotonic() - began:.3f} s")  # noqa: T201
