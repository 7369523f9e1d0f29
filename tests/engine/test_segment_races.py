"""Segments while everything happens at once: events, sweeps, new definitions and refusals, by skewed processes.

Afterwards the states, the table, the kept numbers and the journeys agree, and judging everyone again changes nothing.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from application.deployment_documents import DeploymentDocuments
from application.recipients import Recipients
from application.segment_judge import open_judge
from domain.access import SOJOURN
from domain.deployment_documents import LIFECYCLE, PLACES
from domain.errors import SojournError, UnavailableError
from domain.people.identity import PersonRef
from domain.people.segments.judged_person import NO_FACTS
from domain.tracking.event import Event
from store import campaigns, profiles
from store.database import Database
from tests.engine.computed_harness import CHECKS, event
from tests.engine.segment_harness import SegmentHarness, segment_harness
from tests.proofs import rounds

SEED = 20261201
TRAITS = """computed:
  recent: {any: A, within: 3s}
  often: {count: A, within: 5s}
  last: {last: B}
  total: {count: B}
"""
AREA = "areas: [{key: north, point: [50, 10], radius: 100000}]"
STAGES = """stages:
  - {key: reach, when: "true"}
  - {key: hot, when: profile.computed.recent}
  - {key: closed, by: hand}
"""
# The first reads nothing of the others, and they read no later one.
CONDITIONS = [
    "profile.computed.recent",
    "profile.computed.often >= 2",
    'within(profile.computed.last, "4s")',
    'profile.traits.plan == "pro"',
    'account.traits.plan == "team"',
    "profile.consent.email",
    'in_area(profile, "north")',
    'known_for("5s")',
    "profile.computed.total >= 3 && !profile.computed.recent",
    'profile.stage == "hot"',
]
READING = ['"s0" in profile.segments && profile.traits.plan != "free"', '!("s0" in profile.segments)']
CAMPAIGN = """
key: KEY
name: KEY
entry: {joins: SEGMENT, reentry: always}
exit: [{leaves: SEGMENT}]
steps: [{id: rest, delay: 30d}]
"""
FOLLOWED = {"c0": "s0", "c1": "s1", "c2": "s2", "hot": "stage.hot"}
SKEWS = (0.0, 1.5, -1.5, 0.3)
USERS = [f"u{number}" for number in range(20)]


class Race:
    """Processes with clocks of their own, in one database."""

    def __init__(self, harnesses: list[SegmentHarness]) -> None:
        self.first = harnesses[0]
        self.harnesses = harnesses
        self.drawn = random.Random(SEED)
        self.is_over = asyncio.Event()
        self.refused: Counter[str] = Counter()

    async def set_up(self) -> None:
        await self.first.apply(TRAITS)
        documents = DeploymentDocuments(self.first.database, CHECKS)
        await documents.put(PLACES, AREA, "places.yaml", by=SOJOURN)
        await documents.put(LIFECYCLE, STAGES, "lifecycle.yaml", by=SOJOURN)
        await self.first.put("trigger", s0=CONDITIONS[0], s1=CONDITIONS[3], s2=READING[0])
        await self.first.operate()
        for key, segment in FOLLOWED.items():
            await self.first.run_campaign(CAMPAIGN.replace("KEY", key).replace("SEGMENT", segment))
        for harness, seconds in zip(self.harnesses, SKEWS, strict=True):
            harness.let_pass(timedelta(seconds=seconds + 2))

    async def run(self, batches: int) -> None:
        """Report events by all processes, while the rest goes on until they are through."""
        others = [self._repeat(harness.sweep) for harness in self.harnesses[1:]]
        others += [self._repeat(harness.operate) for harness in self.harnesses[::2]]
        others += [self._repeat(self._define), self._repeat(self._suppress)]
        tasks = [asyncio.create_task(other) for other in others]
        await asyncio.gather(*(self._report(harness, batches) for harness in self.harnesses))
        self.is_over.set()
        await asyncio.gather(*tasks)

    async def settle(self) -> None:
        """Let a minute pass everywhere, and do what is due."""
        latest = max(harness.database.clock.now() for harness in self.harnesses) + timedelta(minutes=1)
        for harness in self.harnesses:
            harness.let_pass(latest - harness.database.clock.now())
        for _ in range(3):
            for harness in self.harnesses:
                await harness.operate()
                await harness.sweep()

    async def _repeat(self, work: Callable[[], Awaitable[object]]) -> None:
        while not self.is_over.is_set():
            try:
                await work()
            except SojournError as error:
                self.refused[error.code] += 1
            await asyncio.sleep(0)

    async def _report(self, harness: SegmentHarness, batches: int) -> None:
        for _ in range(batches):
            harness.let_pass(timedelta(seconds=self.drawn.uniform(0, 0.6)))
            now = harness.database.clock.now()
            events = [self._event(now) for _ in range(self.drawn.randint(1, 6))]
            # A client repeats what is refused for a while.
            while not await self._is_taken(harness, events):
                pass

    async def _is_taken(self, harness: SegmentHarness, events: list[Event]) -> bool:
        try:
            await harness.ingest(*events)
        except UnavailableError as error:
            self.refused[error.code] += 1
            return False
        return True

    def _event(self, now: datetime) -> Event:
        drawn = self.drawn
        user, at = drawn.choice(USERS), now - timedelta(seconds=drawn.choice([0, 0, 0, 1, 2, 6]))
        match drawn.choices(["A", "B", "identify", "group", "location"], [8, 3, 4, 2, 3])[0]:
            case "identify":
                plan, email = drawn.choice(["pro", "free", "team"]), drawn.choice(["a@example.com", "b@example.com"])
                return event(None, user, type="identify", at=at, plan=plan, email=email)
            case "group":
                joins = event(None, user, type="group", at=at, plan=drawn.choice(["team", "solo"]))
                return replace(joins, group_id=drawn.choice("gh"))
            case "location":
                location = {"latitude": drawn.choice([50, 20]), "longitude": 10}
                return replace(event("A", user, at=at), context={"location": location})
            case name:
                return event(name, user, at=at)

    async def _define(self) -> None:
        number = self.drawn.randrange(5)
        # The first one is read by others, and must not read them.
        where = self.drawn.choice(CONDITIONS if number == 0 else [*CONDITIONS, *READING])
        await self.first.put("trigger", **{f"s{number}": where})

    async def _suppress(self) -> None:
        harness = self.harnesses[3]
        person = PersonRef(self.drawn.choice(USERS))
        await Recipients(harness.database, harness.catalogue).suppress(person, "email", "asked", by=SOJOURN)


async def judged_anew(harness: SegmentHarness) -> list[tuple[str | None, list[str]]]:
    """The people whom another judgement would move, with the segments."""
    async with harness.database.transaction() as connection:
        revision = await campaigns.lock_registry_shared(connection)
        deployed = await harness.catalogue.segments_at(connection, revision)
        traits = await harness.catalogue.computed_at(connection, revision)
        assert not deployed.building
        ids = await profiles.ids_after(connection, None, 1_000)
        people = await (await profiles.lock(connection, ids)).get()
        now = harness.database.clock.now()
        judge = await open_judge(connection, traits, deployed, (), people, now)
        found = []
        for id, person in judge.people.items():
            row = judge.rows[id]
            facts = judge.facts.get(id, NO_FACTS)
            moved = deployed.judge(person, facts, row.state, row.segments, now, deployed.all).changes
            if moved:
                found.append((person.user_id, [one.key for one in moved]))
        return found


async def active_journeys(database: Database) -> list[tuple[str, str]]:
    async with database.transaction() as connection:
        cursor = await connection.execute(
            """
            SELECT campaign_key, user_id FROM journeys JOIN profiles ON profiles.id = profile_id
            WHERE state = 'active' ORDER BY campaign_key, user_id
            """
        )
        return [(row["campaign_key"], row["user_id"]) async for row in cursor]


@pytest.mark.prove
@pytest.mark.usefixtures("patient_locks")
async def test_members_and_journeys_agree_after_everything_at_once(database_url: str) -> None:
    print("seed", SEED)  # noqa: T201
    async with AsyncExitStack() as opened:
        harnesses = [await opened.enter_async_context(segment_harness(database_url, pool_size=8)) for _ in SKEWS]
        race = Race(harnesses)
        await race.set_up()
        await race.run(rounds(6, 150))
        await race.settle()
        members = await race.first.members()
        assert await judged_anew(race.first) == []
        expected = [
            (campaign, user) for campaign, segment in sorted(FOLLOWED.items()) for user in members.get(segment, [])
        ]
        assert await active_journeys(race.first.database) == expected
        changes = await race.first.changes()
    assert {cause for *_, cause in changes} >= {"event", "time", "definition"}
    print(f"{len(changes):,} joins and leaves, {len(expected)} journeys, refused {dict(race.refused)}")  # noqa: T201
