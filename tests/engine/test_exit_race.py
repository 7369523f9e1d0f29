"""Once an exit event is acknowledged, nothing of the journeys that it ends is claimed for sending any more."""

import asyncio
import random
from datetime import datetime

import pytest

from tests.harness import Harness
from tests.proofs import rounds

RACE = """
key: race
name: Race
entry: {event: Cart Abandoned}
exit: [{event: Order Completed}]
steps:
  - {id: cool-off, delay: 1s}
  - {id: nudge, send: {channel: email, template: note}}
"""

CLAIMED = """
SELECT 1 FROM messages JOIN profiles ON profiles.id = profile_id WHERE user_id = %s AND claimed_at IS NOT NULL
"""

RUNS, GROUP = rounds(32, 960), 16
SEED = 20_261_121


@pytest.mark.prove
@pytest.mark.takes_long
async def test_nothing_is_claimed_after_the_order_was_acknowledged(harness: Harness) -> None:
    """Each order arrives at a random instant around the end of the delay."""
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    await harness.run_campaign(RACE)
    acknowledged: dict[str, datetime] = {}

    async def shop(user: str, pause: float | None) -> None:
        """Order so long after the cart was abandoned; if None, once the mail has been claimed."""
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Cart Abandoned")
        if pause is None:
            await harness.until(CLAIMED, user)
        else:
            await asyncio.sleep(pause)
        await harness.track(user, "Order Completed")
        [now] = await harness.query("SELECT clock_timestamp() AS at")
        acknowledged[user] = now["at"]

    # The delay ends a second after the worker has taken the journey up: the orders are spread around that. How long the
    # mail takes from there depends on the machine, so that each group shifts the next one's spread towards the middle.
    # In each, one order comes at once, and one after its mail.
    shift = 0.0
    for first in range(0, RUNS, GROUP):
        users = [f"u{number}" for number in range(first, first + GROUP)]
        pauses = [0.0, None, *(shift + rolls.uniform(0.7, 1.8) for _ in users[2:])]
        await asyncio.gather(*map(shop, users, pauses))
        [group] = await harness.query(
            """
            SELECT count(*) FILTER (WHERE state = 'exited') AS exited FROM journeys
            JOIN profiles ON profiles.id = profile_id WHERE user_id = ANY(%s)
            """,
            users,
        )
        shift = max(0.0, shift + 2 * group["exited"] / GROUP - 1)
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM messages WHERE state IN ('reserved', 'sending'))")
    claims = await harness.query(
        """
        SELECT user_id, claimed_at,
               journeys.state = 'exited' AND claimed_at > journeys.ended_recorded_at AS after_the_exit
        FROM messages
        JOIN profiles ON profiles.id = messages.profile_id JOIN journeys ON journeys.id = journey_id
        WHERE claimed_at IS NOT NULL
        """
    )
    assert [claim for claim in claims if claim["claimed_at"] > acknowledged[claim["user_id"]]] == []
    assert [claim for claim in claims if claim["after_the_exit"]] == []
    exited = await harness.journeys.all(state="exited")
    assert len(claims) + len(exited) >= RUNS
    assert {mail.recipients[0].partition("@")[0] for mail in harness.inbox.messages} == {
        claim["user_id"] for claim in claims
    }
