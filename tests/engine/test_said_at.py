"""Whatever the order in which things arrive, of each trait and consent what was said last holds."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest
from domain.people.profile_state import ProfileState, Source, fold
from domain.people.statements import statements_of
from domain.tracking.event import Event
from store.database import Database
from tests.engine.ingesting import AT, Query, event
from tests.harness import Harness

SEED = 20_261_129
# Everything has happened by then, so that the order of arrival is not what decides.
ARRIVED = AT + timedelta(days=1)
PEOPLE, WORDS, ORDERS = 6, 14, 8

PROFILES = "SELECT user_id, traits, consent FROM profiles ORDER BY user_id"


def words(rolls: random.Random, person: int) -> list[Event]:
    """Identifies of one person, under their user id or an anonymous one, at few instants so that some are at once."""
    said = []
    for _ in range(WORDS):
        traits: dict[str, Any] = {
            name: rolls.choice([None, 1, 2, "x", ["y"]]) for name in rolls.sample("abcd", rolls.randrange(1, 4))
        }
        if rolls.random() < 0.5:
            traits["consent"] = {"email": rolls.random() < 0.5}
        user, anonymous = rolls.choice([(f"u{person}", None), (None, f"a{person}"), (f"u{person}", f"a{person}")])
        at = AT + timedelta(minutes=rolls.randrange(6))
        said.append(event("identify", user, anonymous=anonymous, at=at, **traits))
    return said


def split(rolls: random.Random, said: Sequence[Event]) -> list[list[Event]]:
    """The same in any order, in batches of any size."""
    left, batches = rolls.sample(said, len(said)), []
    while left:
        size = rolls.randrange(1, 9)
        batches.append(left[:size])
        left = left[size:]
    return batches


def expected(said: Sequence[Event], person: int) -> dict[str, Any]:
    """What the pure rule makes of it, with everybody known by one user id from the beginning."""
    source = Source("event", "", AT)
    mine = [one for one in said if f"u{person}" == one.user_id or f"a{person}" == one.anonymous_id]
    state = fold(ProfileState(), [word for one in mine for word in statements_of(one, source, ARRIVED)]).state
    return {"user_id": f"u{person}", "traits": state.traits.values, "consent": state.consent.values}


async def test_any_order_any_batches_and_any_merges_end_in_the_same_profile(query: Query, ingest: Ingest) -> None:
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    said = [word for person in range(PEOPLE) for word in words(rolls, person)]
    links = [event("identify", f"u{person}", anonymous=f"a{person}", at=AT) for person in range(PEOPLE)]
    profiles = [expected([*said, *links], person) for person in range(PEOPLE)]
    for _ in range(ORDERS):
        for batch in split(rolls, [*said, *links]):
            await ingest(batch, received_at=ARRIVED)
        assert await query(PROFILES) == profiles
        await query("TRUNCATE profiles, identities, message_ids, events CASCADE")


async def test_what_arrives_at_once_over_two_processes_ends_as_the_rule_says(query: Query, database_url: str) -> None:
    rolls = random.Random(SEED)
    said = [word for person in range(PEOPLE) for word in words(rolls, person)]
    links = [event("identify", f"u{person}", anonymous=f"a{person}", at=AT) for person in range(PEOPLE)]
    async with Database(database_url, pool_size=4) as one, Database(database_url, pool_size=4) as other:
        processes = [Ingest(one, Catalogue()), Ingest(other, Catalogue())]
        batches = split(rolls, [*said, *links])
        await asyncio.gather(
            *(processes[number % 2](batch, received_at=ARRIVED) for number, batch in enumerate(batches))
        )
    assert await query(PROFILES) == [expected([*said, *links], person) for person in range(PEOPLE)]


async def test_consent_of_yesterday_that_comes_late_does_not_undo_an_opt_out(query: Query, ingest: Ingest) -> None:
    await ingest([event("identify", "u1", consent={"email": False})], received_at=AT)
    yesterday = AT - timedelta(hours=20)
    await ingest([event("identify", "u1", at=yesterday, consent={"email": True})], received_at=AT)
    assert await query("SELECT consent FROM profiles") == [{"consent": {"email": False}}]


async def test_an_import_of_the_past_fills_only_what_is_not_known_later(query: Query, ingest: Ingest) -> None:
    await ingest([event("identify", "u1", plan="pro", city=None)], received_at=AT)
    imported = event("identify", "u1", at=AT - timedelta(days=900), plan="free", city="Bonn", first_name="Ada")
    await ingest([imported], received_at=AT + timedelta(hours=1))
    assert await query("SELECT traits FROM profiles") == [
        {"traits": {"plan": "pro", "city": None, "first_name": "Ada"}}
    ]


async def test_a_clock_that_is_ahead_does_not_hold_its_word_for_ever(query: Query, ingest: Ingest) -> None:
    await ingest([event("identify", "u1", at=AT + timedelta(days=9), plan="free")], received_at=AT)
    await ingest([event("identify", "u1", at=AT + timedelta(hours=1), plan="pro")], received_at=AT + timedelta(hours=1))
    assert await query("SELECT traits FROM profiles") == [{"traits": {"plan": "pro"}}]


async def test_conditions_of_the_same_batch_see_the_profile_as_its_row_is(harness: Harness, ingest: Ingest) -> None:
    await harness.run_campaign(
        "{key: pro, name: Pro, entry: {event: Seen, where: profile.traits.plan == 'pro'}, "
        "steps: [{id: rest, delay: 1d}]}"
    )
    await ingest([event("identify", "u1", plan="pro"), event("identify", "u2", plan="free")], received_at=AT)
    late = AT - timedelta(hours=1)
    batch = [
        event("identify", "u1", at=late, plan="free"),
        event("identify", "u2", at=late, plan="pro"),
        event("track", "u1", name="Seen"),
        event("track", "u2", name="Seen"),
    ]
    await ingest(batch, received_at=AT)
    entered = await harness.query("SELECT user_id FROM journeys JOIN profiles ON profiles.id = profile_id")
    assert entered == [{"user_id": "u1"}]


async def test_calls_of_one_batch_without_times_hold_in_their_order(harness: Harness) -> None:
    for number in range(3):
        calls = [
            {"type": "identify", "messageId": f"{id}{number}", "userId": "u1", "traits": {"plan": plan}}
            for id, plan in (("d", "a"), ("b", "b"), ("c", "c"), ("a", "d"))
        ]
        await harness.post("batch", {"batch": calls})
        assert await harness.query("SELECT traits FROM profiles") == [{"traits": {"plan": "d"}}]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_merge_takes_of_each_trait_and_consent_what_was_said_last(
    query: Query, ingest: Ingest, order: Sequence[int]
) -> None:
    later, earlier = AT, AT - timedelta(hours=1)
    known = event("identify", "u1", at=earlier, plan="free", city="Bonn", consent={"email": False, "push": True})
    anonymous = event(
        "identify", None, anonymous="a1", at=later, plan="pro", city=None, consent={"email": True, "push": False}
    )
    for place in order:
        await ingest([(known, anonymous)[place]], received_at=AT)
    await ingest([event("identify", "u1", anonymous="a1")], received_at=AT)
    assert await query("SELECT traits, consent FROM profiles") == [
        {"traits": {"plan": "pro", "city": None}, "consent": {"email": True, "push": False}}
    ]


async def test_stamps_are_kept_with_the_values_and_once_for_what_was_said_at_once(query: Query, ingest: Ingest) -> None:
    word = event("identify", "u1", a=1, b=2, consent={"email": True})
    await ingest([word], received_at=ARRIVED)
    [row] = await query("SELECT said FROM profiles")
    micros = int(AT.timestamp() * 1_000_000)
    said = [micros, [word.message_id, "event:default"]]
    assert msgspec.to_builtins(row["said"]) == {
        "traits": [[*said, "a", "b"]],
        "consent": [[*said, "email"]],
        "suppressed": [],
        "preferences": [],
        "claims": [],
        "context": [],
        "stage": [],
    }
