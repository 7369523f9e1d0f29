"""Pauses of a provider: by complaints about a thousand messages, and resumed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.reports import Reports
from store.database import Database
from tests.engine.delivered import PROVIDER, about, handed_over, report
from tests.harness import Harness

NEWS = """
key: news
name: News
entry: {event: Signed Up, reentry: always}
steps: [{id: news, send: {channel: email, template: note}}]
"""


@pytest.fixture
async def reports(database_url: str) -> AsyncIterator[Reports]:
    async with open_reports(database_url) as made:
        yield made


@asynccontextmanager
async def open_reports(database_url: str) -> AsyncIterator[Reports]:
    """As an API process of its own has them."""
    async with Database(database_url, pool_size=10) as database:
        catalogue = Catalogue()
        yield Reports(database, catalogue, Ingest(database, catalogue))


async def pause(harness: Harness, reports: Reports, provider: str = PROVIDER) -> None:
    """Let a provider deliver a thousand messages, and five recipients complain."""
    ids = await handed_over(harness, 1_000, provider)
    await report(reports, about(ids), provider)
    await report(reports, about(ids[:5], "complained"), provider)


async def have_delivered(harness: Harness) -> None:
    """Count a thousand deliveries since the last pause, as their reports do."""
    await harness.query(
        """
        INSERT INTO delivery_count_changes (
          provider, domain, since, sent, delivered, hard_bounced, soft_bounced, complained, opened, clicked)
        SELECT %s, 'gmail.com', greatest(clock_timestamp(), max(resumed_at)), 1000, 1000, 0, 0, 0, 0, 0
        FROM provider_pauses RETURNING id
        """,
        PROVIDER,
    )


async def resume(harness: Harness, provider: str = PROVIDER) -> Any:
    return await harness.admin("POST", f"/v1/deliverability/{provider}/resume")


async def paused(harness: Harness) -> list[str]:
    found = await harness.admin("GET", "/v1/deliverability")
    return [one["provider"] for one in found["pauses"] if one["resumed_at"] is None]


async def sign_up(harness: Harness, *users: str) -> None:
    for user in users:
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Signed Up")
