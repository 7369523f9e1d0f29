"""The timeline says what hands have done to a journey, and why."""

from typing import Any
from uuid import uuid4

import pytest

from domain.journey.decision import Decision
from store import decisions
from tests.engine.campaigns import CART
from tests.harness import Harness, now


@pytest.mark.parametrize(
    ("kind", "outcome", "reason", "data", "summary"),
    [
        ("skip", "skipped", None, {"by": "ops"}, "cool-off: wait skipped by ops"),
        ("migrate", "moved", None, {"from": 1, "to": 2}, "cart: moved from version 1 to 2"),
        (
            *("migrate", "stayed", "step_removed", {"from": 1, "to": 2, "detail": "it has no step cool-off"}),
            "cart: stays on version 1, and does not move to 2: it has no step cool-off",
        ),
        ("exit", "exited", "manual", {"by": "ops"}, "left cart: ended by ops"),
        ("exit", "exited", "campaign_stopped", {"by": "ops"}, "left cart: stopped by ops"),
    ],
)
async def test_each_has_its_line(
    harness: Harness, kind: str, outcome: str, reason: str | None, data: dict[str, Any], summary: str
) -> None:
    await harness.run_campaign(CART)
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    journey = await harness.journeys.one()
    done = Decision(
        id=uuid4(),
        profile_id=journey["profile_id"],
        campaign_key="cart",
        kind=kind,
        outcome=outcome,
        at=now(),
        journey_id=journey["id"],
        step="cool-off",
        reason=reason,
        data=data,
    )
    async with harness.database.transaction() as connection:
        await decisions.insert(connection, [done])
    last = (await harness.timeline("u1"))[-1]
    assert (last["kind"], last["outcome"], last["summary"]) == (kind, outcome, summary)
