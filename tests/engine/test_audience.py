"""Bulk entry: who of those known already is let in, and by which rules."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from application.audience_sample import AudienceSample
from application.campaigns import Campaigns
from application.catalogue import Catalogue
from application.ingest import Ingest
from application.operations import enrol
from application.plans import Document, Plans
from domain.access import SOJOURN
from runtime.documents import DocumentProcesses
from store import audience
from store.database import Database
from tests.engine.audience import LASTING, NEWS, TRIAL, database, enter, many, people, start, users
from tests.engine.ingesting import event, statements
from tests.harness import MAIL, Harness

__all__ = ["database"]  # fixtures


async def test_an_audience_walks_its_journeys(harness: Harness) -> None:
    await harness.identify("ada", plan="trial", email="ada@example.com")
    await harness.identify("bob", plan="team", email="bob@example.com")
    await harness.identify("cyd", email="cyd@example.com")
    await harness.identify("dan", plan="trial", email="dan@example.com", consent={"email": False})
    await harness.run_campaign(NEWS)
    await harness.until("SELECT 1 FROM operations WHERE state = 'done'")
    for user in ("ada", "dan"):
        assert (await harness.ended(user))["outcome"] == "completed"
    [operation] = (await harness.admin("GET", "/v1/campaigns/news/operations"))["operations"]
    assert (operation["kind"], operation["total"], operation["done"]) == ("enrol", 4, 4)
    lacking = {"not_evaluated": 1, "missing:profile.traits.plan": 1}
    assert operation["counts"] == {"entered": 2, "not_in_audience": 1, **lacking}
    assert [mail.recipients for mail in harness.inbox.messages] == [("ada@example.com",)]
    told = [item["summary"] for item in await harness.timeline("ada")]
    assert told[:3] == ["identify", "entered news with its audience", "mail: granted, by smtp"]
    told = [item["summary"] for item in await harness.timeline("dan")]
    assert told[2].startswith("mail: refused: no_consent")
    assert [item["kind"] for item in await harness.timeline("bob")] == ["event"]


async def test_whom_an_audience_cannot_judge_is_counted_by_what_is_missing(database: Database, ingest: Ingest) -> None:
    """By the operation and by the plan: a condition that lets nobody in shows why."""
    await people(ingest, {**many(3), "v1": {"plan": "team"}, "w1": {}, "w2": {"tier": 1}, "x1": {**TRIAL, "tier": 5}})
    where = 'profile.traits.plan == "trial" && profile.traits.tier > 3'
    source = LASTING.replace('profile.traits.plan == "trial"', f"'{where}'")
    plans = Plans(database, DocumentProcesses(), "UTC")
    planned = await plans.plan("news", Document(source, "news.yaml", {"note.liquid": MAIL}, "keep"))
    missing = {"profile.traits.plan": 1, "profile.traits.tier": 3}
    assert planned.audience == AudienceSample(7, 1, 2, 4, missing)
    await start(database, source)
    [operation] = await enter(database)
    lacking = {f"missing:{path}": number for path, number in missing.items()}
    assert operation.counts == {"entered": 1, "not_in_audience": 2, "not_evaluated": 4, **lacking}


async def test_the_zone_of_the_deployment_is_that_of_campaigns_and_people_without_one(
    database: Database, ingest: Ingest
) -> None:
    # Never the same day.
    east, west = "Pacific/Kiritimati", "Etc/GMT+12"
    traits = {"born": f"2000-{datetime.now(ZoneInfo(east)):%m-%d}"}
    await people(ingest, {"u1": traits, "u2": {**traits, "timezone": west}})
    source = LASTING.replace('profile.traits.plan == "trial"', "anniversary(profile.traits.born)")
    document = Document(source, "news.yaml", {"note.liquid": MAIL}, "keep")
    for zone, number in ((east, 1), (west, 0)):
        planned = await Plans(database, DocumentProcesses(), zone).plan("news", document)
        assert planned.audience == AudienceSample(2, number, 2 - number, 0, {})
    await start(database, source)
    await enter(database, timezone=east)
    assert await users(database) == ["u1"]
    entry = "{event: Visited, where: anniversary(profile.traits.born)}"
    await start(database, f"key: day\nname: Day\nentry: {entry}\nsteps: [{{id: rest, delay: 1d}}]\n")
    for zone in (west, east):
        visits = [event("track", user, name="Visited", at=datetime.now(UTC)) for user in ("u1", "u2")]
        await Ingest(database, Catalogue(zone))(visits, received_at=datetime.now(UTC))
        assert await users(database, "day") == ([] if zone == west else ["u1"])


async def test_an_entry_says_what_was_missing(harness: Harness) -> None:
    asks = "{event: Joined, where: profile.traits.plan == 'trial' && event.properties.cart.total > 5}"
    await harness.run_campaign(NEWS.replace('{audience: {where: profile.traits.plan == "trial", rate: 10000}}', asks))
    await harness.identify("ada", plan="trial")
    await harness.track("ada", "Joined", cart={})
    [refused] = [item for item in await harness.timeline("ada") if item["kind"] == "entry"]
    assert refused["data"]["missing"] == "event.properties.cart.total"
    assert refused["summary"].endswith("(there is no event.properties.cart.total)")


async def test_everybody_is_looked_at_once_in_whatever_pages(
    database: Database, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrol, "PAGE", 7)
    monkeypatch.setattr(enrol, "MAX_ENTERING", 3)
    await people(ingest, {**many(20), **{f"v{number:02}": {"plan": "team"} for number in range(20)}})
    await start(database)
    [operation] = await enter(database)
    assert (operation.total, operation.done) == (40, 40)
    assert operation.counts == {"entered": 20, "not_in_audience": 20}
    assert await users(database) == sorted(many(20))


async def test_an_audience_of_nobody(database: Database, ingest: Ingest) -> None:
    await start(database)
    [operation] = await enter(database)
    assert (operation.state, operation.total, operation.done, operation.counts) == ("done", 0, 0, {})


async def test_a_page_takes_a_fixed_number_of_statements(
    database: Database, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for size in (1, 150):
        await people(ingest, many(size))
        await start(database, LASTING.replace("key: news", f"key: news-{size}"))
        with statements(monkeypatch) as sent:
            await enter(database, f"news-{size}")
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 35


async def test_who_becomes_known_later_is_not_of_the_audience_run(
    database: Database, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where their ids come after those that are looked at."""
    await people(ingest, many(1))
    await start(database)
    await people(ingest, {"later": TRIAL})
    await enter(database)
    assert await users(database) == ["u0000"]


async def test_who_changes_while_the_page_is_looked_at_is_judged_as_they_are(
    database: Database, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people(ingest, many(3))
    await start(database)
    looked_up = audience.page

    async def and_then_pays(*arguments: Any) -> Any:
        found = await looked_up(*arguments)
        await people(ingest, {"u0001": {"plan": "team"}})
        return found

    monkeypatch.setattr(audience, "page", and_then_pays)
    [operation] = await enter(database)
    assert operation.counts == {"entered": 2, "not_in_audience": 1}
    assert await users(database) == ["u0000", "u0002"]


async def test_the_rules_of_entry_hold(database: Database, ingest: Ingest) -> None:
    """Who is in already, or was, or whose exit event came after the run, is refused, and told why."""
    both = LASTING.replace("{audience:", "{event: Joined, reentry: never, audience:") + "exit: [{event: Left}]\n"
    await people(ingest, many(5))
    campaigns = Campaigns(database, DocumentProcesses())
    await start(database, both.replace('"trial"', '"gone"'))
    await enter(database)
    now = datetime.now(UTC)
    await ingest([event("track", user, name="Joined", at=now) for user in ("u0000", "u0001")], received_at=now)
    await ingest([event("track", "u0001", name="Left", at=now)], received_at=now)
    await campaigns.stop("news", by=SOJOURN)
    await start(database, both)
    after = datetime.now(UTC) + timedelta(seconds=5)
    await ingest([event("track", "u0002", name="Left", at=after)], received_at=after)
    [operation, _] = await enter(database)
    assert operation.counts == {"entered": 2, "already_in": 1, "reentry_never": 1, "exit_event_came_first": 1}
    async with database.transaction() as connection:
        cursor = await connection.execute(
            """
            SELECT user_id, reason, data ->> 'by' AS by FROM decisions JOIN profiles ON profiles.id = profile_id
            WHERE kind = 'entry' AND data ->> 'by' = 'audience' AND outcome = 'refused' ORDER BY user_id
            """
        )
        refused = [(row["user_id"], row["reason"]) async for row in cursor]
    assert refused == [("u0000", "already_in"), ("u0001", "reentry_never"), ("u0002", "exit_event_came_first")]


async def test_exits_end_the_journeys_of_an_audience(database: Database, ingest: Ingest) -> None:
    """In a campaign with a key, too: who entered without one is meant by every exit event."""
    keyed = LASTING.replace("{audience:", "{event: Joined, key: event.properties.team, audience:")
    await people(ingest, many(2))
    await start(database, keyed + "exit: [{event: Left}]\n")
    await enter(database)
    now = datetime.now(UTC)
    await ingest([event("track", "u0000", name="Left", at=now, team="t1")], received_at=now)
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT state FROM journeys ORDER BY state")
        assert [row["state"] async for row in cursor] == ["active", "exited"]


async def test_who_is_found_by_one_version_does_not_enter_by_another(
    database: Database, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people(ingest, many(2))
    await start(database)
    looked_up = audience.page

    async def and_then_another_starts(*arguments: Any) -> Any:
        found = await looked_up(*arguments)
        await start(database, LASTING.replace("trial", "team"))
        return found

    monkeypatch.setattr(audience, "page", and_then_another_starts)
    [operation] = await enter(database)
    assert operation.counts == {"not_in_audience": 2}
