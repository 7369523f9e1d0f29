"""The pitfalls of a simulation of the past, each with a backtest that would fall into it.

Look-aheads, and people who were merged, are in test_past_people.py.
"""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from application.ingest import Ingest
from domain.rehearsal.report_text import write_report
from store.database import Database
from tests.engine.backtesting import CART, DAY, does, given, knows, of, run
from tests.engine.ingesting import AT, event
from tests.harness import Harness

HOUR = timedelta(hours=1)
MESSAGE = "0198c0de-0000-7000-8000-000000000001"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=2) as database:
        yield database


async def test_reactions_to_real_messages_are_left_out(ingest: Ingest, database: Database) -> None:
    """The simulated messages are others, so nothing follows from them."""
    source = CART.replace("exit: [{event: Order Completed}]", "exit: [{event: Email Opened}]")
    await knows(ingest, "ada")
    await does(ingest, "ada", "Cart Abandoned", AT + DAY, value=80)
    await does(ingest, "ada", "Email Opened", AT + DAY + HOUR / 2, message_id=MESSAGE)
    found = await run(database, given(source))
    assert (of(found).sent, of(found).ends) == (1, {"completed": 1})
    assert found.report.head.skipped == {"reactions": 1}
    assert "- Left out: 1 reactions to real messages." in write_report(found.report)


async def test_late_events_are_judged_by_their_own_time(ingest: Ingest, database: Database) -> None:
    """They end journeys when they arrive; a goal is reached only after the entry."""
    await knows(ingest, "ada", "bob", "eve")
    minute = timedelta(minutes=1)
    for user, happens, arrives in (("ada", 30, 59), ("bob", -30, 59), ("eve", 30, 90)):
        await does(ingest, user, "Cart Abandoned", AT + DAY, value=80)
        order = event("track", user, name="Order Completed", at=AT + DAY + happens * minute)
        await ingest([order], received_at=AT + DAY + arrives * minute)
    found = await run(database, given(CART))
    assert (of(found).ends, of(found).sent, of(found).goals) == ({"completed": 1, "exited": 2}, 1, 2)


async def test_goals_are_called_reached_anyway_and_nothing_is_promised(ingest: Ingest, database: Database) -> None:
    """The head says for whom, how far to trust it and what is assumed; neither a lift nor money is named."""
    await knows(ingest, "ada", "bob")
    for user in ("ada", "bob"):
        await does(ingest, user, "Cart Abandoned", AT + DAY, value=80)
    await does(ingest, "ada", "Order Completed", AT + 2 * DAY, value=80)
    found = await run(database, given(CART))
    text = write_report(found.report)
    assert of(found).goals == 1
    assert "| Goals reached anyway |" in text
    head, _, rest = text.partition("\n## ")
    assert "- Simulated: `a.yaml`, from 2026-11-01 12:00 to 2026-11-15 12:00 (UTC), for 2 people." in head
    assert "- Assumed: People do the same as they did: an effect of the messages on them is not known." in head
    assert not [word for word in ("lift", "uplift", "revenue", "EUR", "USD", "€", "$") if word in head + rest]


async def test_erased_people_are_counted_as_missing(harness: Harness) -> None:
    begun = await harness.database.now()
    await harness.track("ada", "Cart Abandoned", {"value": 80})
    await harness.track("bob", "Cart Abandoned", {"value": 80})
    await harness.admin("DELETE", "/v1/users/ada")
    await harness.until("SELECT 1 FROM operations WHERE kind = 'erase' AND finished_at IS NOT NULL")
    found = await run(harness.database, given(CART), since=begun)
    assert (found.report.head.missing.erased, found.report.head.people, of(found).entered) == (1, 1, 1)
