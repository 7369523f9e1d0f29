"""Journeys of accounts: one at a time for each, moved by any member, handed over by those who leave."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from application.catalogue import Catalogue
from application.ingest import Ingest
from domain.tracking.event import Event
from store.database import Database
from tests.engine.ingesting import event
from tests.harness import Harness

AT = datetime.now(UTC)
CAMPAIGN = """
key: acc
name: Accounts
entry: {group: "*", account: true, where: event.properties.plan == "trial"}
exit: [{event: Invited}]
steps: [{id: rest, delay: 30d}]
"""


@pytest.fixture
async def many(database_url: str) -> AsyncIterator[Ingest]:
    async with Database(database_url, pool_size=20) as database:
        yield Ingest(database, Catalogue())


def group(user: str | None, account: str, minutes: float = 0, *, anonymous: str | None = None, **traits: Any) -> Event:
    one = event("group", user, anonymous=anonymous, at=AT + timedelta(minutes=minutes), **traits)
    return replace(one, group_id=account)


async def test_calls_of_many_members_at_once_start_one_journey_of_each_account(harness: Harness, many: Ingest) -> None:
    await harness.run_campaign(CAMPAIGN)
    calls = [group(f"u{number}", f"g{number % 2}", plan="trial") for number in range(40)]
    await asyncio.gather(*(many([call], received_at=AT) for call in calls))
    journeys = await harness.journeys.all()
    assert sorted(row["account_id"] for row in journeys) == ["g0", "g1"]
    reasons = [row["reason"] for row in await harness.query("SELECT reason FROM decisions WHERE kind = 'entry'")]
    assert reasons.count("already_in") == 38
    # An event that names no account is of the latest; its member ends the journey, whoever started it.
    await many([event("track", "u38", name="Invited", at=AT)], received_at=AT)
    assert {row["account_id"]: row["state"] for row in await harness.journeys.all()} == {"g0": "exited", "g1": "active"}
    # An account may enter again, by another member.
    await many([group("u2", "g0", plan="trial")], received_at=AT)
    assert sorted(row["state"] for row in await harness.journeys.all()) == ["active", "active", "exited"]
