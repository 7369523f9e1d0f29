"""People as they were at an instant, found from what is recorded, are those that the database had then."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from application.ingest import Ingest
from domain.people.identity import Identity
from domain.rehearsal import past_people
from domain.rehearsal.past_people import find_people_at
from domain.tracking.event import Event
from store.database import Database
from store.history_reads import HistoryRange, list_people, read_histories
from tests.engine.ingesting import AT, Query, event
from tests.proofs import rounds

HOUR = timedelta(hours=1)
PERSON = """
SELECT profiles.id, user_id, traits, consent, suppressed, context, stage, preferences,
       (SELECT jsonb_agg(jsonb_build_array(kind, value) ORDER BY kind, value) FROM identities
        WHERE profile_id = profiles.id) AS identities
FROM profiles ORDER BY id
"""
World = dict[UUID, dict[str, Any]]


async def read_world(query: Query) -> World:
    return {row.pop("id"): {**row, "traits": without_deleted(row["traits"])} for row in await query(PERSON)}


def without_deleted(traits: dict[str, Any]) -> dict[str, Any]:
    """The traits that are set: a deleted one that never was leaves no history."""
    return {name: value for name, value in traits.items() if value is not None}


async def find_world(database_url: str, at: datetime) -> World:
    """The people of an instant by their history, as rows of the database."""
    wanted = HistoryRange(at, at + timedelta(days=30), at, at, None, ())
    async with Database(database_url, pool_size=2) as database, database.snapshot() as connection:
        ids = await list_people(connection, 1, None, None)
        histories = await read_histories(connection, ids, wanted)
    found: World = {}
    for history in histories:
        for person in find_people_at(history, at):
            profile = person.profile
            found[profile.id] = {
                "user_id": profile.user_id,
                "traits": without_deleted(profile.traits),
                "consent": profile.consent_given,
                "suppressed": profile.suppressed,
                "context": profile.context,
                "stage": profile.stated_stage,
                "preferences": profile.preferences,
                "identities": sorted([one.kind, one.value] for one in person.identities),
            }
    return found


def does_something(random: Random, at: datetime) -> Event:
    """A call of a few people and devices, drawn: some of these are one person later."""
    user = random.choice([None, None, "ada", "bob", "eve"])
    device = random.choice([None, "a1", "a2", "a3", "a4", "a5"])
    if user is None and device is None:
        device = "a6"
    late = random.choice([timedelta(), timedelta(minutes=30), timedelta(hours=5)])
    match random.randrange(4):
        case 0:
            return event("track", user, anonymous=device, name="Seen", at=at - late)
        case 1:
            plan = random.choice(["free", "pro", None])
            return event("identify", user, anonymous=device, at=at - late, plan=plan, visits=random.randrange(3))
        case 2:
            return event("identify", user, anonymous=device, at=at, consent={"email": random.random() < 0.5})
        case _:
            return event("identify", user, anonymous=device, at=at, city=random.choice(["Bonn", "Rome"]))


async def live(random: Random, ingest: Ingest, since: datetime, calls: int) -> datetime:
    """Let calls arrive one by one; when the last one has arrived."""
    at = since
    for _ in range(calls):
        at += timedelta(minutes=random.randrange(1, 90))
        await ingest([does_something(random, at)], received_at=at)
    return at + timedelta(seconds=1)


@pytest.mark.parametrize("seed", range(rounds(4, 60)))
async def test_the_past_is_found_as_it_was(query: Query, ingest: Ingest, database_url: str, seed: int) -> None:
    random = Random(seed)
    at = await live(random, ingest, AT, random.randrange(25))
    before = await read_world(query)
    await live(random, ingest, at, random.randrange(25))
    assert await find_world(database_url, at) == before


LOOK_AHEADS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "trait": lambda patch: patch.setattr(past_people, "PARTS", past_people.PARTS - {"traits"}),
    "consent": lambda patch: patch.setattr(past_people, "PARTS", past_people.PARTS - {"consent"}),
    "merge": lambda patch: patch.setattr(
        past_people,
        "_group",
        lambda known, _: [set(known)],
    ),
}


@pytest.mark.parametrize("planted", LOOK_AHEADS)
async def test_a_look_ahead_is_found(
    query: Query, ingest: Ingest, database_url: str, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    at = AT + 2 * HOUR
    await ingest([event("identify", "ada", plan="free", consent={"email": False})], received_at=AT)
    await ingest([event("identify", None, anonymous="a1", city="Bonn")], received_at=AT)
    before = await read_world(query)
    later = at + HOUR
    await ingest([event("identify", "ada", at=later, plan="pro", consent={"email": True})], received_at=later)
    await ingest([event("track", "ada", anonymous="a1", name="Signed In", at=later)], received_at=later)
    assert await find_world(database_url, at) == before
    LOOK_AHEADS[planted](monkeypatch)
    assert await find_world(database_url, at) != before


async def test_a_person_is_a_stranger_before_they_came(ingest: Ingest, database_url: str) -> None:
    await ingest([event("identify", "ada", plan="free")], received_at=AT)
    assert await find_world(database_url, AT - HOUR) == {}
    [person] = (await find_world(database_url, AT + HOUR)).values()
    assert person["identities"] == [[Identity("user", "ada").kind, "ada"]]
