"""Counts and their lists cover the same days, also where the clock of journeys runs ahead of today."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from domain.journey.decision import Decision
from store import decisions
from store.database import Database
from tests.api.fakes import ADMIN_KEY
from tests.api.live import client_of, open_live
from tests.api.shop import Shop

AHEAD = (-8, 0, 1, 20)


async def test_counts_without_days_and_their_lists_have_what_is_ahead(database_url: str) -> None:
    async with open_live(database_url) as app, client_of(app, ADMIN_KEY) as operator:
        shop = Shop(app, operator, database_url)
        await shop.open()

        async def get(path: str) -> Any:
            return (await operator.get(path)).raise_for_status().json()

        today = (await get("/v1/non-sends"))["last_day"]
        [journey] = await shop.query("SELECT id, profile_id FROM journeys")
        async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
            now = connection.clock.now()
            assert today == str(now.date())
            refusals = [
                Decision(
                    id=uuid4(),
                    profile_id=journey["profile_id"],
                    campaign_key="welcome",
                    kind="send",
                    outcome="refused",
                    at=now + timedelta(days=days),
                    journey_id=journey["id"],
                    step="hello",
                    reason="no_consent",
                )
                for days in AHEAD
            ]
            await decisions.insert(connection, refusals)
        since, last = str(now.date() - timedelta(days=6)), str(now.date() + timedelta(days=20))
        # As old as the last day that viewers share may be.
        app.state.services.last_days._snapshots._kept.clear()
        app.state.services.non_sends._snapshots._kept.clear()
        for query, number in (("", 3), (f"from={since}", 3), (f"from={since}&to={today}", 1), (f"to={today}", 1)):
            counted = await get(f"/v1/non-sends?{query}")
            assert counted["total"]["times"] == number, query
            assert len((await get(f"/v1/non-sends/people?{query}"))["people"]) == number, query
            assert (counted["first_day"], counted["last_day"]) == (since, today if "to" in query else last)
        # The link of these numbers names their first day alone.
        numbers = await get("/v1/campaign-numbers?days=7")
        [welcome] = [one for one in numbers["campaigns"] if one["key"] == "welcome"]
        assert (numbers["since"], welcome["refused"]) == (since, {"no_consent": 3})
