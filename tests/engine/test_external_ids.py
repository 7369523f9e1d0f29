"""An id of another system links devices and users, and never two users."""

import asyncio
from typing import Any

from msgspec.structs import replace

from application.ingest import Ingest
from domain.people.identity import MAX_EXTERNAL_IDS
from domain.tracking.event import Event
from tests.engine.ingesting import AT, Query, event
from tests.proofs import rounds

ROUNDS = rounds(6, 60)
PEOPLE = """
SELECT user_id, array_agg(kind || ' ' || value ORDER BY kind, value) AS ids
FROM profiles JOIN identities ON profile_id = profiles.id GROUP BY profiles.id ORDER BY 1, 2
"""


def known_as(one: Event, *external: tuple[str, str]) -> Event:
    return replace(one, external_ids=external)


async def test_a_device_comes_to_the_user_and_another_user_does_not(query: Query, ingest: Ingest) -> None:
    first = known_as(event("identify", "u1", plan="pro"), ("crm", "c1"))
    device = known_as(event("track", None, anonymous="a1", name="Seen"), ("crm", "c1"))
    other = known_as(event("identify", "u2", anonymous="a2"), ("crm", "c1"))
    await ingest([first, event("track", None, anonymous="a1", name="Before")], received_at=AT)
    await ingest([device], received_at=AT)
    result = await ingest([other], received_at=AT)
    [left_out] = result.left_out
    assert (left_out.part, left_out.event_id) == ("context.externalIds.crm", other.id)
    assert "merge them by POST" in left_out.error
    assert await query(PEOPLE) == [
        {"user_id": "u1", "ids": ["anonymous a1", "crm c1", "user u1"]},
        {"user_id": "u2", "ids": ["anonymous a2", "user u2"]},
    ]
    seen = await query("SELECT name, profiles.user_id FROM events JOIN profiles ON profiles.id = profile_id")
    assert {(row["name"], row["user_id"]) for row in seen if row["name"]} == {("Before", "u1"), ("Seen", "u1")}
    [recorded] = await query("SELECT part, user_id FROM rejects")
    assert recorded == {"part": "context.externalIds.crm", "user_id": "u2"}


async def test_the_bound_holds_for_calls_by_different_ids_at_once(query: Query, ingest: Ingest) -> None:
    await ingest([event("identify", "u1", anonymous="a1")], received_at=AT)
    calls: list[Event] = [
        known_as(event("track", user, anonymous=device, name="Seen"), ("crm", f"{user or device}{number}"))
        for number in range(MAX_EXTERNAL_IDS)
        for user, device in (("u1", None), (None, "a1"))
    ]
    results = await asyncio.gather(*(ingest(calls[at : at + 10], received_at=AT) for at in range(0, len(calls), 10)))
    assert sum(len(result.left_out) for result in results) == MAX_EXTERNAL_IDS
    [row] = await query("SELECT count(*) FROM identities WHERE kind = 'crm'")
    assert row["count"] == MAX_EXTERNAL_IDS


async def test_a_merge_by_one_id_and_a_call_by_the_other_at_once_leave_one_person(query: Query, ingest: Ingest) -> None:
    """The call comes from a new device, which must not be left with the profile that is merged."""
    for number in range(ROUNDS):
        await ingest(
            [
                event("identify", f"u{number}"),
                known_as(event("track", None, anonymous=f"a{number}", name="Seen"), ("crm", f"c{number}")),
            ],
            received_at=AT,
        )

        async def report(*batch: Any) -> None:
            await ingest(list(batch), received_at=AT)

        await asyncio.gather(
            report(event("identify", f"u{number}", anonymous=f"a{number}")),
            *(
                report(known_as(event("track", None, anonymous=f"b{number}-{each}", name="New"), ("crm", f"c{number}")))
                for each in range(3)
            ),
        )
    people = await query(PEOPLE)
    assert len(people) == ROUNDS
    assert {len(person["ids"]) for person in people} == {6}
    assert (
        await query(
            "SELECT 1 FROM events LEFT JOIN profiles ON profiles.id = profile_id WHERE profiles.user_id IS NULL"
        )
        == []
    )
