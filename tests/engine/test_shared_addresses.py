"""An address that several people have: what one of them refuses moves the others as well."""

import asyncio

import pytest

from application.marked_people import MarkedPeople
from application.recipients import Recipients
from domain.access import SOJOURN
from domain.people.identity import PersonRef
from domain.tracking.event import Event
from tests.engine.computed_harness import event
from tests.engine.segment_harness import SegmentHarness, segment_harness

REACHABLE = "profile.consent.email == true"
LETTERS = """
key: letters
name: Letters
entry: {joins: reachable, reentry: always}
exit: [{leaves: reachable}]
steps: [{id: rest, delay: 30d}]
"""


def named(user: str, email: str = "family@example.com") -> Event:
    return event(None, user, type="identify", email=email, consent={"email": True})


def recipients(harness: SegmentHarness) -> Recipients:
    return Recipients(harness.database, harness.catalogue)


async def put(harness: SegmentHarness, *people: Event) -> None:
    await harness.put(reachable=REACHABLE)
    await harness.run_campaign(LETTERS)
    await harness.ingest(*people)


async def test_others_leave_with_a_refusal_and_come_back_with_its_end(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await put(harness, named("u1"), named("u2", "Family@example.com"), named("u3", "else@example.com"))
        await recipients(harness).suppress(PersonRef("u1"), "email", "asked", by=SOJOURN)
        await harness.sweep()
        assert await harness.members() == {"reachable": ["u3"]}
        assert await harness.journeys() == {"u1": "exited", "u2": "exited", "u3": "active"}
        assert (await harness.changes())[-1] == ("u2", "reachable", False, "address")
        await recipients(harness).lift(PersonRef("u2"), "email", by=SOJOURN)
        await harness.sweep()
        # The first one's own refusal stays.
        assert await harness.members() == {"reachable": ["u2", "u3"]}
        assert await harness.count("marked_people") == 0


async def test_a_mark_waits_for_a_person_who_is_locked_and_outlives_no_one(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await put(harness, *(named(f"u{number}") for number in range(1, 4)))
        await recipients(harness).suppress(PersonRef("u1"), "email", "asked", by=SOJOURN)
        sweeper = MarkedPeople(harness.database, harness.catalogue)
        async with harness.database.transaction() as connection:
            await connection.execute("SELECT FROM profiles WHERE user_id = 'u2' FOR UPDATE")
            assert (await asyncio.create_task(sweeper.sweep())).number == 1
        assert await harness.members() == {"reachable": ["u2"]}
        async with harness.database.transaction() as connection:
            # As a merge or an erasure that came before.
            await connection.execute("INSERT INTO marked_people (profile_id) VALUES (uuidv7())")
        await harness.sweep()
        assert await harness.members() == {}
        assert await harness.count("marked_people") == 0


@pytest.mark.parametrize("refuser", ["u1", "u4"])
async def test_a_repeated_refusal_marks_no_one(refuser: str, database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await put(harness, named("u1"), named("u4", "single@example.com"), named("u2"))
        for _ in range(2):
            await recipients(harness).suppress(PersonRef(refuser), "email", "asked", by=SOJOURN)
        assert await harness.count("marked_people") == (1 if refuser == "u1" else 0)
