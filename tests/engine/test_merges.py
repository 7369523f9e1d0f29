"""Two users who are one person are merged by an operator, and separated again."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.merges import Merges
from domain.access import Actor
from domain.errors import ConflictError, NotFoundError
from domain.people.identity import PersonRef
from store.database import Database
from store.tables import metadata
from tests.engine.ingesting import Query, event
from tests.harness import PATIENCE, Harness, looks
from tests.proofs import rounds

BY = Actor("k1", "support")
# Merges are dated by the database, so what comes since must be later.
AT = datetime.now(UTC)
SEED = 20_261_130
ROUNDS = rounds(4, 100)
# What a merge moves. The history and the audit log keep that there was one.
NAMED = "SELECT user_id, traits FROM profiles WHERE user_id IS NOT NULL"
TABLES = ("profiles", "identities", "events", "journeys", "messages", "decisions", "conversions", "profile_merges")

CARTS = """
key: cart
name: Cart
entry: {event: Cart Abandoned, key: event.properties.cart_id}
goal: {event: Order Completed, within: 7d}
steps:
  - {id: mail, send: {channel: email, template: note, category: transactional}}
  - {id: rest, delay: 30d}
"""


def test_an_undo_knows_every_table_of_people() -> None:
    """A new table with a `profile_id` needs its rule in store/separation.py, or in the use case; then its name here."""
    own = {"profile_changes", "segment_changes", "holds", "ad_audience_members", "device_addresses"}
    own |= {"inbox", "survey_answers"}
    returned = {*TABLES, *own} - {"profiles"}
    # Counted and learned anew from the events of each person.
    recounted = {"profile_states", "profile_activity", "devices", "account_members", "segment_members"}
    # An erasure of the merged person, or of a session, goes on under the one who stays, and ends with them.
    kept = {"erasures", "session_reports"}
    # A merge and its undo judge those who are marked to be judged.
    judged = {"marked_people", "ad_audience_marks"}
    assert {
        table.name for table in metadata.sorted_tables if "profile_id" in table.columns
    } == returned | recounted | kept | judged


@pytest.fixture
async def merges(database_url: str) -> AsyncIterator[Merges]:
    async with Database(database_url, pool_size=20) as database:
        yield Merges(database, Catalogue())


async def rows(query: Query, *tables: str) -> dict[str, list[str]]:
    """Every row as PostgreSQL writes it."""
    return {
        table: [row["text"] for row in await query(f"SELECT t::text AS text FROM {table} AS t ORDER BY 1")]  # noqa: S608
        for table in tables or TABLES
    }


async def owners(query: Query) -> dict[str, str]:
    """The user of each event, by its name."""
    found = await query(
        "SELECT COALESCE(name, type) AS name, profiles.user_id FROM events JOIN profiles ON profiles.id = profile_id"
    )
    return {row["name"]: row["user_id"] for row in found}


async def traits(query: Query) -> dict[str, dict[str, Any]]:
    return {row["user_id"]: row["traits"] for row in await query(NAMED)}


def topics(**given: bool) -> dict[str, Any]:
    return {"topics": {topic: {"email": is_given} for topic, is_given in given.items()}}


async def two_users(ingest: Ingest) -> None:
    batch = [
        event("identify", "a", anonymous="a1", plan="free", city="Bonn", consent={"email": False, **topics(news=True)}),
        event(
            "identify",
            "b",
            anonymous="b1",
            at=AT + timedelta(hours=1),
            plan="pro",
            consent={"email": True, **topics(news=False, offers=True)},
        ),
        event("track", "a", name="of a"),
        event("track", None, anonymous="a1", name="of a1"),
        event("track", "b", name="of b"),
        event("track", None, anonymous="b1", name="of b1"),
    ]
    await ingest(batch, received_at=AT + timedelta(hours=1))


async def test_every_old_id_reaches_the_person_and_the_later_word_holds(
    query: Query, ingest: Ingest, merges: Merges
) -> None:
    await two_users(ingest)
    result = await merges.merge("b", "a", by=BY)
    assert (result.target, result.merge.source, result.ended_journeys, result.left_out) == ("b", "a", [], [])
    calls = [event("track", "a", name="as a"), event("track", None, anonymous="a1", name="as a1")]
    later = AT + timedelta(hours=2)
    await ingest([*calls, event("identify", "a", at=later, city="Rome")], received_at=later)
    assert set((await owners(query)).values()) == {"b"}
    assert await traits(query) == {"b": {"plan": "pro", "city": "Rome"}}
    [person] = await query("SELECT consent, preferences FROM profiles")
    assert person["consent"] == {"email": True}
    assert person["preferences"] == {"news.email": False, "news.email.confirmed": False, "offers.email": True}
    for id in ("a", "b", "a1", "b1"):
        assert [one.source for one in (await merges.list(PersonRef(id), limit=9, before=None)).merges] == ["a"]
    [merged] = (await merges.list(PersonRef("a"), limit=9, before=None)).merges
    assert (merged.by, merged.is_reversible) == ("support", True)
    [logged] = await query("SELECT actor, action, target, data FROM audit_log")
    assert logged == {"actor": "k1", "action": "user.merge", "target": "b", "data": {"from": "a"}}


async def test_a_merge_by_an_event_leaves_a_row_that_redirects_and_cannot_be_undone(
    query: Query, ingest: Ingest, merges: Merges
) -> None:
    await ingest([event("page", "u"), event("page", None, anonymous="d")], received_at=AT)
    link = event("identify", "u", anonymous="d")
    await ingest([link], received_at=AT)
    [merged] = (await merges.list(PersonRef("d"), limit=9, before=None)).merges
    assert (merged.source, merged.by, merged.is_reversible) == (None, str(link.id), False)
    assert await query("SELECT snapshot FROM profile_merges") == [{"snapshot": None}]


async def test_merge_then_undo_leaves_every_row_as_before(query: Query, ingest: Ingest, merges: Merges) -> None:
    await two_users(ingest)
    before = await rows(query)
    await merges.merge("b", "a", by=BY)
    assert await rows(query) != before
    undone = await merges.undo("b", "a", by=BY)
    assert (undone.source, undone.target, undone.not_resumed) == ("a", "b", [])
    assert await rows(query) == before
    # It can be done again, by the same ids.
    await merges.merge("b", "a", by=BY)
    await merges.undo("b", "a", by=BY)
    assert await rows(query) == before


async def test_what_came_since_goes_by_the_ids_that_it_carries(query: Query, ingest: Ingest, merges: Merges) -> None:
    await two_users(ingest)
    await merges.merge("b", "a", by=BY)
    later = AT + timedelta(hours=2)
    batch = [
        event("identify", "a", at=later, plan="team", tier="gold", consent=topics(surveys=True)),
        event("identify", "b", at=later, city="Rome"),
        event("track", "a", anonymous="a2", name="new device of a"),
        event("track", None, anonymous="a2", name="of a2"),
        event("track", "b", anonymous="b2", name="new device of b"),
        event("track", None, anonymous="b2", name="of b2"),
        event("track", "b", anonymous="a1", name="b on the device of a"),
    ]
    await ingest(batch, received_at=later)
    # It had a profile of its own, with a trait.
    await ingest([event("identify", None, anonymous="a3", at=later, size="M")], received_at=later)
    await ingest([event("track", "a", anonymous="a3", name="known device of a")], received_at=later)
    await merges.undo("b", "a", by=BY)
    found = await owners(query)
    assert found == {
        **dict.fromkeys(("of a", "of a1", "of a2", "new device of a", "known device of a"), "a"),
        **dict.fromkeys(("of b", "of b1", "of b2", "new device of b", "b on the device of a"), "b"),
        "identify": found["identify"],
    }
    assert await traits(query) == {
        "a": {"plan": "team", "city": "Bonn", "tier": "gold", "size": "M"},
        "b": {"plan": "pro", "city": "Rome"},
    }
    preferences = {
        row["user_id"]: row["preferences"] for row in await query("SELECT user_id, preferences FROM profiles")
    }
    assert preferences == {
        "a": {"news.email": True, "surveys.email": True},
        "b": {"news.email": False, "news.email.confirmed": False, "offers.email": True},
    }
    ids = await query(
        "SELECT profiles.user_id, array_agg(value ORDER BY value) AS ids FROM identities "
        "JOIN profiles ON profiles.id = profile_id GROUP BY 1 ORDER BY 1"
    )
    assert ids == [{"user_id": "a", "ids": ["a", "a1", "a2", "a3"]}, {"user_id": "b", "ids": ["b", "b1", "b2"]}]
    # Each is a person by themselves: what comes now finds its own.
    await ingest([event("track", "a", name="now a"), event("track", "b", name="now b")], received_at=later)
    assert {name: user for name, user in (await owners(query)).items() if name.startswith("now")} == {
        "now a": "a",
        "now b": "b",
    }


async def test_merges_in_turn_are_undone_the_last_first(query: Query, ingest: Ingest, merges: Merges) -> None:
    await two_users(ingest)
    await ingest([event("identify", "c", plan="team"), event("track", "c", name="of c")], received_at=AT)
    apart = await rows(query)
    await merges.merge("b", "a", by=BY)
    first = await rows(query)
    await merges.merge("c", "b", by=BY)
    assert set((await owners(query)).values()) == {"c"}
    await ingest([event("track", "a", name="as a")], received_at=AT)
    assert (await owners(query))["as a"] == "c"
    await query("DELETE FROM events WHERE name = 'as a'")
    with pytest.raises(ConflictError, match="undo the merge of b first") as refused:
        await merges.undo("c", "a", by=BY)
    assert refused.value.data == {"undo_first": "b"}
    with pytest.raises(ConflictError, match="one person already"):
        await merges.merge("a", "c", by=BY)
    await merges.undo("c", "b", by=BY)
    assert await rows(query) == first
    await merges.undo("b", "a", by=BY)
    assert await rows(query) == apart
    # Two into one are undone in any order.
    await merges.merge("c", "a", by=BY)
    await merges.merge("c", "b", by=BY)
    await merges.undo("c", "a", by=BY)
    await merges.undo("c", "b", by=BY)
    again = await rows(query, "identities", "events", "profile_merges")
    assert again == {table: apart[table] for table in again}
    assert await traits(query) == {
        "a": {"plan": "free", "city": "Bonn"},
        "b": {"plan": "pro"},
        "c": {"plan": "team"},
    }


async def test_what_is_unknown_or_was_not_merged_is_refused(ingest: Ingest, merges: Merges) -> None:
    await two_users(ingest)
    for user, source in (("nobody", "a"), ("b", "nobody"), ("b", "a1")):
        with pytest.raises(NotFoundError, match="nothing was ever reported"):
            await merges.merge(user, source, by=BY)
    with pytest.raises(ConflictError, match="one person already"):
        await merges.merge("a", "a", by=BY)
    for user in ("a", "b"):
        with pytest.raises(NotFoundError):
            await merges.undo(user, "a", by=BY)


async def test_a_merge_touches_only_the_months_in_which_the_source_was_known(
    query: Query, ingest: Ingest, merges: Merges, database_url: str
) -> None:
    """An earlier month is locked by another, so that whoever touches it waits in vain."""
    await query(
        "CREATE TABLE events_2020_01 PARTITION OF events FOR VALUES FROM ('2020-01-01T00:00Z') TO ('2020-02-01T00:00Z')"
    )
    await two_users(ingest)
    await ingest([event("page", None, anonymous="d")], received_at=AT)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("LOCK TABLE events_2020_01 IN ACCESS EXCLUSIVE MODE")
        await ingest([event("identify", "a", anonymous="d", name="of d")], received_at=AT)
        await merges.merge("b", "a", by=BY)
        await merges.undo("b", "a", by=BY)
    assert (await owners(query))["of a"] == "a"


@pytest.mark.prove
async def test_merges_undos_and_events_at_once_leave_each_row_with_the_person_of_its_ids(
    query: Query, database_url: str
) -> None:
    """Both directions at once, and events by every id meanwhile, some of them from new devices."""
    rolls = random.Random(SEED)
    print(f"seed {SEED}, {ROUNDS} rounds")  # noqa: T201
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database(database_url, pool_size=8)) for _ in range(2)]
        ingests = [Ingest(database, Catalogue()) for database in databases]
        merging = [Merges(database, Catalogue()) for database in databases]

        async def report(number: int) -> None:
            user = rolls.choice("ab")
            device = rolls.choice([None, f"{user}1", f"{user}-{number}"])
            known = rolls.random() < 0.7
            await rolls.choice(ingests)(
                [event("track", user if known else None, anonymous=device or f"{user}1", name=f"of {user}")],
                received_at=AT,
            )

        async def act(merge: bool, target: str, source: str) -> bool:
            try:
                service = rolls.choice(merging)
                await (service.merge if merge else service.undo)(target, source, by=BY)
            except (ConflictError, NotFoundError):
                return False
            return True

        await ingests[0]([event("identify", user, anonymous=f"{user}1", plan=user) for user in "ab"], received_at=AT)
        for number in range(ROUNDS):
            done = await asyncio.gather(
                act(True, "a", "b"), act(True, "b", "a"), *(report(4 * number + each) for each in range(4))
            )
            assert sorted(map(bool, done[:2])) == [False, True]
            assert len(await query("SELECT id FROM profiles WHERE user_id IS NOT NULL")) == 1
            target, source = ("a", "b") if done[0] else ("b", "a")
            wrong = await query(
                "SELECT 1 FROM events LEFT JOIN profiles ON profiles.id = profile_id WHERE profiles.id IS NULL"
            )
            assert wrong == []
            undone, *_ = await asyncio.gather(
                act(False, target, source), *(report(4 * number + each) for each in range(2))
            )
            assert undone
            strange = await query(
                """
                SELECT events.name, profiles.user_id FROM events LEFT JOIN profiles ON profiles.id = profile_id
                WHERE events.user_id IS DISTINCT FROM profiles.user_id
                  AND (events.user_id IS NOT NULL OR profiles.user_id IS NOT NULL AND name <> 'of ' || profiles.user_id)
                """
            )
            assert strange == []
    assert await traits(query) == {"a": {"plan": "a"}, "b": {"plan": "b"}}


async def test_a_merge_that_is_killed_midway_has_not_begun(
    query: Query, ingest: Ingest, merges: Merges, database_url: str
) -> None:
    await two_users(ingest)
    before = await rows(query)
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("SELECT FROM profile_changes FOR UPDATE")
        merging = asyncio.create_task(merges.merge("b", "a", by=BY))
        # Its identities have moved by now; it waits for the history.
        waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        async for is_last in looks(PATIENCE):
            if found := await query(waiting):
                break
            assert not is_last
        await query("SELECT pg_terminate_backend(%s)", found[0]["pid"])
        with pytest.raises(psycopg.OperationalError):
            await merging
    assert await rows(query) == before


async def test_journeys_and_their_messages_go_with_the_person_and_come_back(harness: Harness) -> None:
    """One cart is in both: the target's journey goes on, the other ends and is not resumed by the undo."""
    await harness.run_campaign(CARTS)
    for user, carts in (("a", ("shared", "of a")), ("b", ("shared", "of b"))):
        await harness.identify(user, email=f"{user}@example.com")
        for cart in carts:
            await harness.track(user, "Cart Abandoned", {"cart_id": cart})
    await harness.messages.until(4, state="sent")
    for row in await harness.journeys.all():
        await harness.rests(harness.temporal.get_workflow_handle(row["workflow_id"]), "rest")
    tables = ("messages", "decisions", "conversions", "identities", "events")
    before = await rows(harness.query, *tables)
    merged = await harness.admin("POST", "/v1/users/b/merges", {"from": "a"})
    [ended] = merged["ended_journeys"]
    journeys = {(row["user_id"], row["entry_key"], row["outcome"]) for row in await harness.journeys.all()}
    assert journeys == {("b", "shared", "merged"), ("b", "shared", None), ("b", "of a", None), ("b", "of b", None)}
    assert {row["user_id"] for row in await harness.messages.all()} == {"b"}
    assert (await harness.admin("GET", "/v1/users/a/merges"))["merges"] == [merged["merge"]]
    # The order concerns the cart of a, by the old id.
    await harness.until("SELECT 1 FROM outbox HAVING count(*) = 0")
    undone = await harness.admin("DELETE", "/v1/users/b/merges/a")
    assert undone == {"source": "a", "target": "b", "not_resumed": [ended]}
    assert await rows(harness.query, *tables) == before
    journeys = {(row["user_id"], row["entry_key"], row["outcome"]) for row in await harness.journeys.all()}
    assert journeys == {("a", "shared", "merged"), ("b", "shared", None), ("a", "of a", None), ("b", "of b", None)}
    # What goes on belongs to each again.
    await harness.track("a", "Order Completed", {"cart_id": "of a"})
    [goal] = await harness.query("SELECT user_id FROM conversions JOIN profiles ON profiles.id = profile_id")
    assert goal == {"user_id": "a"}


async def test_messages_under_way_are_sent_once_whatever_is_merged_meanwhile(harness: Harness) -> None:
    """Merges and undos race the gate and the claims of both users' messages."""
    await harness.run_campaign(CARTS)
    for user in "ab":
        await harness.identify(user, email=f"{user}@example.com")
    carts = [(user, f"{user}{number}") for number in range(6) for user in "ab"]
    sent = "SELECT 1 FROM messages HAVING count(*) FILTER (WHERE state = 'sent') = 12"
    for user, cart in carts:
        await harness.track(user, "Cart Abandoned", {"cart_id": cart})
        target, source = ("a", "b") if cart[1:] < "3" else ("b", "a")
        await harness.admin("POST", f"/v1/users/{target}/merges", {"from": source})
        await harness.admin("DELETE", f"/v1/users/{target}/merges/{source}")
    await harness.until(sent)
    messages = await harness.messages.all()
    assert {(row["state"], row["attempts"]) for row in messages} == {("sent", 1)}
    [apart] = await harness.query(
        """
        SELECT count(*) FROM journeys JOIN messages ON messages.journey_id = journeys.id
        JOIN decisions ON decisions.journey_id = journeys.id JOIN profiles ON profiles.id = journeys.profile_id
        WHERE messages.profile_id <> profiles.id OR decisions.profile_id <> profiles.id
           OR left(entry_key, 1) <> profiles.user_id
        """
    )
    assert apart["count"] == 0
