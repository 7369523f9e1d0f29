"""A fallback goes by another channel unless there was a reaction in time; never once that was acknowledged."""

import asyncio
import random
from datetime import datetime
from typing import Any

import pytest

from tests.engine.test_channel_choice import GONE, Push, push
from tests.harness import Harness
from tests.proofs import rounds

# The fixture, which tests ask for by its name.
__all__ = ["push"]

CAMPAIGN = """
key: nudge
name: Nudge
entry: {event: Signed Up}
exit: [{event: Order Completed}]
steps:
  - id: nudge
    send: {channel: [webhook, email], template: note, fallback: {after: AFTER, unless: opened}}
  - {id: after, set_stage: nudged}
"""


async def begin(harness: Harness, push: Push, after: str = "6h") -> Any:
    await harness.run_campaign(CAMPAIGN.replace("AFTER", after), push.templates())
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    return await harness.journey("u1")


async def lines(harness: Harness) -> list[str]:
    return [item["summary"] for item in await harness.timeline("u1") if item["kind"] in ("send", "message")]


async def test_a_push_that_is_not_opened_for_six_hours_is_followed_by_a_mail(harness: Harness, push: Push) -> None:
    handle = await begin(harness, push)
    await harness.rests(handle, "nudge.wait")
    await harness.skip(handle, hours=5, minutes=59)
    assert harness.inbox.messages == []
    await harness.skip(handle, minutes=1)
    assert await handle.result() == "completed"
    first, second = await harness.query("SELECT * FROM messages ORDER BY at")
    assert [(one["step"], one["channel"], one["state"]) for one in (first, second)] == [
        ("nudge", "webhook", "sent"),
        ("nudge.fallback", "email", "sent"),
    ]
    assert second["fallback_of"] == first["id"]
    assert len(harness.inbox.messages) == len(push.bodies) == 1
    assert "nudge.fallback: granted, by smtp, on email (webhook: sent before)" in await lines(harness)
    # The last one has no other channel to follow it, so that the journey went on at once.
    assert (await harness.journeys.one())["outcome"] == "completed"


async def test_an_opening_in_time_needs_no_fallback(harness: Harness, push: Push) -> None:
    """An app reports it by a name that no step waits for."""
    handle = await begin(harness, push)
    await harness.rests(handle, "nudge.wait")
    message = await harness.messages.one()
    await harness.track("u1", "Push Opened", {"message_id": str(message["id"])})
    await harness.skip(handle, hours=6)
    assert await handle.result() == "completed"
    assert harness.inbox.messages == []
    [line] = [line for line in await lines(harness) if line.startswith("nudge.fallback")]
    assert line.startswith("nudge.fallback: refused: not needed: the message on webhook was opened at ")


async def test_a_report_that_the_wait_hears_lets_the_journey_go_on_at_once(harness: Harness, push: Push) -> None:
    handle = await begin(harness, push)
    await harness.rests(handle, "nudge.wait")
    message = await harness.messages.one()
    await harness.track("u1", "Email Opened", {"message_id": str(message["id"])})
    assert await handle.result() == "completed"
    assert harness.inbox.messages == []


async def test_a_report_of_another_message_changes_nothing(harness: Harness, push: Push) -> None:
    handle = await begin(harness, push)
    await harness.rests(handle, "nudge.wait")
    await harness.track("u1", "Email Opened", {"message_id": "another"})
    await harness.decisions.until(step="nudge.fallback", outcome="deferred", reason="fallback")
    await harness.skip(handle, hours=6)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1


async def test_an_exit_while_it_waits_ends_both(harness: Harness, push: Push) -> None:
    handle = await begin(harness, push)
    await harness.rests(handle, "nudge.wait")
    await harness.track("u1", "Order Completed")
    assert await handle.result() == "exited"
    assert harness.inbox.messages == []


async def test_a_message_that_was_not_sent_has_no_fallback(harness: Harness, push: Push) -> None:
    """The push was refused and the person has no address: there is nothing to wait for."""
    push.reply = GONE
    await harness.run_campaign(CAMPAIGN.replace("AFTER", "6h"), push.templates())
    await harness.identify("u1", name="Ada")
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    assert await handle.result() == "completed"
    assert (await harness.messages.one())["state"] == "failed"


async def test_a_condition_sees_the_opening_of_the_fallback(harness: Harness, push: Push) -> None:
    branch = (
        "  - {id: rest, delay: 1d}\n"
        "  - id: which\n"
        "    branch: [{when: journey.messages.nudge == 'opened', do: [{exit: engaged}]}]\n"
    )
    await harness.run_campaign(CAMPAIGN.replace("AFTER", "6h") + branch, push.templates())
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.rests(handle, "nudge.wait")
    await harness.skip(handle, hours=6)
    [mail] = await harness.messages.until(step="nudge.fallback", state="sent")
    await harness.track("u1", "Email Opened", {"message_id": str(mail["id"])})
    await harness.rests(handle, "rest")
    await harness.skip(handle, days=1)
    assert await handle.result() == "engaged"


# Each is a journey, whose fallback becomes due at some instant, and an opening about then.
RACES, GROUP = rounds(32, 10_000), 16
SEED = 20_261_201
CLAIMED = """
SELECT 1 FROM messages JOIN profiles ON profiles.id = profile_id
WHERE user_id = %s AND step = 'nudge.fallback' AND claimed_at IS NOT NULL
"""


@pytest.mark.prove
@pytest.mark.takes_long
async def test_no_fallback_is_claimed_after_the_opening_was_acknowledged(harness: Harness, push: Push) -> None:
    """The openings are reported by a device that nobody knows, so that the message alone is what both lock."""
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    await harness.run_campaign(CAMPAIGN.replace("AFTER", "1s"), push.templates())
    acknowledged: dict[str, datetime] = {}

    async def read(user: str, pause: float | None) -> None:
        """Open the push so long after it came; if None, once the fallback has been claimed."""
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Signed Up")
        [message] = await harness.until(
            "SELECT messages.id FROM messages JOIN profiles ON profiles.id = profile_id"
            " WHERE user_id = %s AND step = 'nudge' AND messages.state = 'sent'",
            user,
        )
        if pause is None:
            await harness.until(CLAIMED, user)
        else:
            await asyncio.sleep(pause)
        opened = {"message_id": str(message["id"])}
        await harness.post("track", {"anonymousId": f"device-{user}", "event": "Push Opened", "properties": opened})
        [now] = await harness.query("SELECT clock_timestamp() AS at")
        acknowledged[user] = now["at"]

    # How long a fallback takes from its instant depends on the machine: each group shifts the next one's spread.
    shift = 0.0
    for first in range(0, RACES, GROUP):
        users = [f"u{number}" for number in range(first, first + GROUP)]
        pauses = [0.0, None, *(shift + rolls.uniform(0.7, 1.8) for _ in users[2:])]
        await asyncio.gather(*map(read, users, pauses))
        [group] = await harness.query(
            """
            SELECT count(*) FILTER (WHERE claimed_at IS NULL) AS unclaimed FROM profiles
            LEFT JOIN messages ON profile_id = profiles.id AND step = 'nudge.fallback'
            WHERE user_id = ANY(%s)
            """,
            users,
        )
        shift = max(0.0, shift + 2 * group["unclaimed"] / GROUP - 1)
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journeys WHERE state = 'active')")
    claims = await harness.query(
        """
        SELECT user_id, claimed_at FROM messages JOIN profiles ON profiles.id = profile_id
        WHERE step = 'nudge.fallback' AND claimed_at IS NOT NULL
        """
    )
    assert [claim for claim in claims if claim["claimed_at"] > acknowledged[claim["user_id"]]] == []
    needless = await harness.query(
        "SELECT 1 FROM decisions WHERE step = 'nudge.fallback' AND reason = 'not_needed'"
        " UNION ALL SELECT 1 FROM messages WHERE step = 'nudge.fallback' AND reason = 'not_needed'"
    )
    assert len(claims) + len(needless) >= RACES
    assert {mail.recipients[0].partition("@")[0] for mail in harness.inbox.messages} == {
        claim["user_id"] for claim in claims
    }
