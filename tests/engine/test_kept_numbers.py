"""The numbers of members are kept, and the members of an ended segment go in pages, unseen."""

import asyncio

import pytest

from application.segment_documents import SegmentDocuments
from domain.access import SOJOURN
from runtime.maintenance import work_on_pages
from store import segments
from tests.engine.computed_harness import CHECKS, event
from tests.engine.ingesting import statements
from tests.engine.lifecycle_harness import lifecycle_harness
from tests.engine.segment_harness import segment_harness

USERS = [f"u{number}" for number in range(7)]


async def test_members_of_an_ended_segment_are_unseen_at_once_and_deleted_in_pages(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(everyone="true", known="profile.user_id != null")
        await harness.ingest(*(event("Viewed", user) for user in USERS))
        with statements(monkeypatch) as sent:
            await SegmentDocuments(harness.database, CHECKS, "UTC").delete("everyone", by=SOJOURN)
        # The registry is locked meanwhile.
        assert not [one for one in sent if "segment_members" in one]
        assert await harness.members() == {"known": USERS}
        # The same key is another segment.
        await harness.put(everyone="false")
        await harness.operate()
        assert await harness.members() == {"known": USERS}
        assert await harness.count("segment_members") == 2 * len(USERS)
        async with harness.database.transaction() as connection:
            assert await segments.forget_retired(connection, limit=3)
        assert await harness.count("segment_members") == 2 * len(USERS) - 3
        await asyncio.gather(*(work_on_pages(harness.database) for _ in range(3)))
        assert await harness.count("segment_members") == len(USERS)
        assert await harness.count("segment_counts") == 1
        assert await harness.members() == {"known": USERS}


async def test_the_life_cycle_is_shown_by_kept_numbers(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with lifecycle_harness(database_url) as harness:
        await harness.apply_lifecycle(
            'stages: [{key: reach, when: "true"}, {key: known, when: profile.traits.known}]\n'
        )
        await harness.ingest(*(event("Viewed", user) for user in USERS))
        moved = [event(None, user, type="identify", known=True) for user in USERS[:3]]
        # As many at once as there are: none waits for another one's number.
        await asyncio.gather(*(harness.ingest(one) for one in moved))
        with statements(monkeypatch) as sent:
            view = await harness.show_lifecycle()
        assert {rule["key"]: rule["people"] for rule in view.rules} == {"reach": 4, "known": 3}
        assert not [one for one in sent if "segment_members" in one]
        await work_on_pages(harness.database)
        view = await harness.show_lifecycle()
        assert {rule["key"]: rule["people"] for rule in view.rules} == {"reach": 4, "known": 3}
        assert await harness.count("segment_counts") == 2
