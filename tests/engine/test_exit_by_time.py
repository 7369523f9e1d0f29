"""Once a journey's exit by time is committed, none of its messages is claimed for sending any more."""

import asyncio
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from application.campaigns import Campaigns
from application.send import Sender
from application.step_decisions import StepDecisions
from application.trait_sweeper import Sweeper
from domain.access import SOJOURN
from domain.journey.requests import AuthorizeRequest
from domain.sending.delivery import Accepted, Delivery, Keyed, Outbound
from domain.sending.gate_answers import Granted
from runtime.documents import DocumentProcesses
from tests.engine.computed_harness import event
from tests.engine.fixed_providers import FixedProviders, link_tracker
from tests.engine.late_claims import AUDIT, TOO_LATE
from tests.engine.positions import UNRECORDED
from tests.engine.segment_harness import SegmentHarness, segment_harness
from tests.proofs import rounds

PEOPLE, SWEEPERS, CALLERS = rounds(200, 10_000), 3, 12
BATCH = 200
# A message is asked for while about as many others, before and after its person, become inactive.
APART = 30
# The sweepers wait for calls that are due since more exits: on a busy machine the messages would all come too late.
MAX_LATE = 5
SEED = 20_261_130

ACTIVE = 'computed:\n  active_14d: {any: "*", within: 1h}\n'
# The exit by time: of a computed trait that changes, and of a segment that the person leaves.
EXITS = {
    "changed": '{changed: profile.computed.active_14d, where: "!event.properties.after"}',
    "leaves": "{leaves: active}",
}
CAMPAIGN = """
key: keep-going
name: Keep going
entry: {event: Cart Abandoned}
exit: [EXIT]
steps: [{id: note, send: {channel: webhook, template: note, category: transactional}}]
"""
NOTE = "---\nchannel: webhook\nurl: https://crm.example.com/hook\n---\nuser: '{{ profile.user_id }}'\n"


@dataclass
class Provider:
    """Accepts everything, and keeps the ids."""

    name: str = "webhook"
    repeats: Keyed = field(default_factory=Keyed)
    accepted: list[UUID] = field(default_factory=list)

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        self.accepted.append(UUID(message.message_id))
        return Accepted(None)


@dataclass
class Race:
    """Journeys in the order of their exits, and how many of those are committed."""

    harness: SegmentHarness
    journeys: list[UUID]
    provider: Provider = field(default_factory=Provider)
    exits: int = 0
    # How many exits each call waits for, in order, and how many calls were made.
    due: list[int] = field(default_factory=list)
    made: int = 0
    has_moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def sweep(self) -> None:
        """Sweep until all have ended."""
        sweeper = Sweeper(self.harness.database, self.harness.catalogue)
        while self.exits < len(self.journeys):
            async with self.has_moved:
                while self.made < bisect_right(self.due, self.exits - MAX_LATE):
                    await self.has_moved.wait()
            await sweeper.sweep()
            async with self.harness.database.transaction() as connection:
                cursor = await connection.execute("SELECT count(*) AS exits FROM journeys WHERE state = 'exited'")
                [row] = await cursor.fetchall()
            async with self.has_moved:
                self.exits = max(self.exits, row["exits"])
                self.has_moved.notify_all()

    async def call(self, waiting: Iterator[tuple[int, UUID]]) -> None:
        """Ask for the messages, each when so many have ended, and send them."""
        database, catalogue = self.harness.database, self.harness.catalogue
        gate = StepDecisions(database, catalogue, "UTC")
        sender = Sender(
            database,
            catalogue,
            FixedProviders({"webhook": self.provider}),
            lambda *_: "https://example.com/u",
            link_tracker(database),
            "UTC",
        )
        for exits, journey_id in waiting:
            async with self.has_moved:
                while self.exits < exits:
                    await self.has_moved.wait()
            now = datetime.now(UTC)
            request = AuthorizeRequest(journey_id, "note", 1, 1, now, now, None, UNRECORDED)
            if isinstance(await gate.authorize(request), Granted):
                await sender.send(request.message_id, at=now, ends_with=None, next_positions=UNRECORDED)
            async with self.has_moved:
                self.made += 1
                self.has_moved.notify_all()


async def enter(harness: SegmentHarness) -> list[UUID]:
    """Have people enter two hours ago: the time to end has come, and the sweeper has not."""
    began = datetime.now(UTC) - timedelta(hours=2)
    users = [f"u{number:05}" for number in range(PEOPLE)]
    for first in range(0, PEOPLE, BATCH):
        carts = [
            event("Cart Abandoned", user, at=began + timedelta(milliseconds=first + number))
            for number, user in enumerate(users[first : first + BATCH])
        ]
        await harness.ingest(*carts, at=began + timedelta(milliseconds=first + BATCH))
    async with harness.database.transaction() as connection:
        cursor = await connection.execute(
            "SELECT journeys.id FROM journeys JOIN profiles ON profiles.id = profile_id ORDER BY user_id"
        )
        return [row["id"] async for row in cursor]


@pytest.mark.prove
@pytest.mark.takes_long
@pytest.mark.parametrize("exit", EXITS)
async def test_nothing_is_claimed_after_an_exit_by_time(
    exit: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    monkeypatch.setattr("application.trait_sweeper.PAGE", 5)
    async with segment_harness(database_url, pool_size=SWEEPERS + CALLERS) as harness:
        await harness.apply(ACTIVE)
        await harness.put(active="profile.computed.active_14d")
        campaigns = Campaigns(harness.database, DocumentProcesses())
        source = CAMPAIGN.replace("EXIT", EXITS[exit])
        published = await campaigns.publish(source, "campaign.yaml", {"note.liquid": NOTE}, by=SOJOURN)
        await campaigns.start(published.key, by=SOJOURN)
        async with harness.database.transaction() as connection:
            await connection.execute(AUDIT)
        race = Race(harness, await enter(harness))
        assert len(race.journeys) == PEOPLE
        calls = sorted(
            (min(PEOPLE, max(0, place + rolls.randint(-APART, APART))), journey_id)
            for place, journey_id in enumerate(race.journeys)
        )
        race.due = [exits for exits, _ in calls]
        waiting = iter(calls)
        sweeping = [race.sweep() for _ in range(SWEEPERS)]
        await asyncio.gather(*sweeping, *(race.call(waiting) for _ in range(CALLERS)))
        async with harness.database.transaction() as connection:
            too_late = await (await connection.execute(TOO_LATE)).fetchall()
            cursor = await connection.execute("SELECT count(*) AS number FROM audit WHERE kind = 'journeys'")
            [exits] = await cursor.fetchall()
            cursor = await connection.execute("SELECT id, state FROM messages")
            states = {row["id"]: row["state"] async for row in cursor}
    assert too_late == []
    assert exits["number"] == PEOPLE
    # Each message that was claimed was handed over once; the others never.
    assert sorted(race.provider.accepted) == sorted(id for id, state in states.items() if state == "sent")
    assert set(states.values()) <= {"sent", "cancelled"}
    print(f"{len(race.provider.accepted)} of {PEOPLE} sent, {len(states)} granted")  # noqa: T201
    assert PEOPLE / 10 < len(race.provider.accepted) < PEOPLE * 9 / 10
