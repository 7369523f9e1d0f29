"""Reactions to messages: what a recipient did with one, and what a journey makes of it."""

import asyncio
import random
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest, IngestResult
from domain.tracking.event import Event
from store.database import Database
from tests.engine.ingesting import AT, event, statements
from tests.harness import Harness

LETTER = """
key: letter
name: Letter
entry: {event: Signed Up, key: event.properties.account}
exit: [{event: Account Closed}]
steps:
  - {id: hello, send: {channel: email, template: note}}
  - {id: rest, delay: 1d}
  - id: read
    branch: [{when: 'journey.messages.hello == "opened"', do: [{exit: reader}]}]
    otherwise: [{exit: stranger}]
"""
UNKEYED = LETTER.replace(", key: event.properties.account", "")
SEED = 20_261_122


async def prepared(harness: Harness, ingest: Ingest, journeys: int, states: list[str]) -> list[UUID]:
    """Active journeys of as many users, each with a message in each of the states; the ids of the messages."""
    await ingest([event("track", f"u{number}", name="Signed Up") for number in range(journeys)], received_at=AT)
    rows = await harness.query(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template,
                              state, at, expires_at)
        SELECT gen_random_uuid(), id, profile_id, campaign_key, place::text, 1, 'email', 'marketing', 'note',
               item.state, %s, %s
        FROM journeys, unnest(%s::text[]) WITH ORDINALITY AS item (state, place)
        WHERE journeys.state = 'active'
        RETURNING id
        """,
        AT,
        AT,
        states,
    )
    return [row["id"] for row in rows]


@pytest.mark.parametrize("opened", [True, False])
async def test_a_journey_sees_that_its_message_was_opened(harness: Harness, opened: bool) -> None:
    await harness.run_campaign(LETTER)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up", {"account": "a1"})
    [message] = await harness.messages.until(state="sent")
    if opened:
        await harness.track("u1", "Email Link Clicked", {"message_id": str(message["id"])})
    handle = await harness.journey("u1")
    await harness.skip(handle, days=1)
    assert await handle.result() == ("reader" if opened else "stranger")


async def test_a_message_is_opened_whatever_its_state(harness: Harness, ingest: Ingest) -> None:
    """A mail may be opened before the provider's answer has been written down."""
    await harness.run_campaign(UNKEYED)
    states = ["reserved", "sending", "sent", "unknown", "failed", "cancelled"]
    ids = await prepared(harness, ingest, 1, states)
    # Whoever reports it: a mail may be read by a device that nobody knows yet.
    reactions = [event("track", None, anonymous="a1", name="Email Opened", message_id=str(id)) for id in ids]
    await ingest(reactions, received_at=AT)
    rows = await harness.query("SELECT opened_at, state FROM messages ORDER BY step")
    assert rows == [{"opened_at": AT, "state": state} for state in states]


async def test_the_earliest_reaction_stays(harness: Harness, ingest: Ingest) -> None:
    await harness.run_campaign(UNKEYED)
    [id] = await prepared(harness, ingest, 1, ["sent"])
    first, second, third = (
        event("track", "u1", name="Email Opened", at=AT + timedelta(hours=hours), message_id=str(id).upper())
        for hours in (2, 3, 1)
    )
    await ingest([first, second], received_at=AT)
    await ingest([third], received_at=AT)
    await ingest([third], received_at=AT)
    assert (await harness.messages.one())["opened_at"] == third.timestamp


async def test_what_is_no_message_of_ours_changes_nothing(
    harness: Harness, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.run_campaign(UNKEYED)
    [id] = await prepared(harness, ingest, 1, ["sent"])
    garbage = [None, "", "m-1", 7, [str(id)], {"id": str(id)}, f"{id}x", str(id)[:-1]]
    batch = [event("track", "u0", name="Email Opened", message_id=told) for told in garbage]
    batch += [event("track", "u0", name="Email Delivered", message_id=str(id)), event("page", "u0", message_id=str(id))]
    with statements(monkeypatch) as sent:
        await ingest(batch, received_at=AT)
    assert len(sent) == 5, sent
    with statements(monkeypatch) as sent:
        stranger = [event("track", "u0", name="Email Opened", message_id=str(uuid4())) for _ in range(100)]
        await ingest(stranger, received_at=AT)
    assert len(sent) == 6, sent
    assert (await harness.messages.one())["opened_at"] is None


class CountingIngest(Ingest):
    """One that says how often it began: a deadlock is not to be seen from outside, for it is tried again."""

    attempts = 0

    async def _ingest(self, *arguments: Any, **options: Any) -> IngestResult:
        self.attempts += 1
        return await super()._ingest(*arguments, **options)


def closed(user: int) -> Event:
    return event("track", f"u{user}", name="Account Closed")


def opened(id: UUID) -> Event:
    return event("track", "reader", name="Email Opened", message_id=str(id))


async def test_an_exit_and_a_reaction_to_what_it_cancels_do_not_wait_for_each_other(
    harness: Harness, database_url: str
) -> None:
    """Two batches, each of which ends the journey whose message the other is about."""
    await harness.run_campaign(UNKEYED)
    async with Database(database_url, pool_size=2) as database:
        ingest = CountingIngest(database, Catalogue())
        await ingest([opened(uuid4())], received_at=AT)
        await prepared(harness, ingest, 2, ["reserved"])
        rows = await harness.query(
            "SELECT messages.id FROM messages JOIN profiles ON profiles.id = profile_id ORDER BY user_id"
        )
        first, second = (row["id"] for row in rows)
        # The worker has refused their own messages and leaves them alone.
        await harness.decisions.until(2, kind="send")
        ingest.attempts = 0
        async with database.transaction() as one, database.transaction() as other:
            sessions = [connection.info.backend_pid for connection in (one, other)]
        async with harness.database.transaction() as connection:
            # Nobody gets past the writing of decisions until both have come as far as they can.
            await connection.execute("LOCK TABLE decisions IN SHARE MODE")
            batches = [[closed(0), opened(second)], [closed(1), opened(first)]]
            running = [asyncio.create_task(ingest(batch, received_at=AT)) for batch in batches]
            await harness.until(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND pid = ANY(%s) HAVING count(DISTINCT pid) = 2", sessions
            )
        await asyncio.gather(*running)
    assert ingest.attempts == 2
    assert await harness.query("SELECT DISTINCT state, opened_at FROM messages") == [
        {"state": "cancelled", "opened_at": AT}
    ]


async def test_reactions_and_exits_crosswise_do_not_deadlock(harness: Harness, database_url: str) -> None:
    """Both lock messages: an exit those that it cancels, a reaction those that it is about."""
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    await harness.run_campaign(UNKEYED)
    async with Database(database_url, pool_size=20) as database:
        ingest = CountingIngest(database, Catalogue())
        await ingest([opened(uuid4())], received_at=AT)
        for _ in range(3):
            ids = await prepared(harness, ingest, 30, ["reserved", "reserved", "sent"])
            batches = []
            for _ in range(16):
                exits = [closed(user) for user in rolls.sample(range(30), 20)]
                reactions = [opened(id) for id in rolls.sample(ids, 40)]
                batch = rolls.choice([exits, reactions, exits + reactions])
                rolls.shuffle(batch)
                batches.append(batch)
            batches.append([closed(user) for user in range(30)])
            ingest.attempts = 0
            await asyncio.gather(*(ingest(batch, received_at=AT) for batch in batches))
            assert ingest.attempts == len(batches)
    assert await harness.messages.all(state="reserved") == []
