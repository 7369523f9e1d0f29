"""Journeys of accounts: one at a time for each, moved by any member, handed over by those who leave."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from application.campaigns import Campaigns
from application.catalogue import Catalogue
from application.erasure import Erasures
from application.ingest import Ingest
from application.merges import Merges
from application.operations.announce import CHANGES, AnnounceHandler
from application.operations.runner import OperationRunner
from domain.access import SOJOURN, Actor
from domain.people.accounts import REMOVED_USER
from domain.people.identity import PersonRef
from domain.tracking.event import Event
from runtime.documents import DocumentProcesses
from store.database import Database
from tests.engine.ingesting import Query, event
from tests.harness import Harness

AT = datetime.now(UTC)
SEED = 20_261_130
BY = Actor("k1", "support")
OWNERS = """
SELECT account_id, user_id, journeys.state, outcome, entry ->> 'user_id' AS began_by,
       entry -> 'properties' AS properties
FROM journeys JOIN profiles ON profiles.id = profile_id ORDER BY account_id
"""
CAMPAIGN = """
key: acc
name: Accounts
entry: {group: "*", account: true, where: event.properties.plan == "trial"}
exit: [{event: Invited}]
steps: [{id: rest, delay: 30d}]
"""

HEARS_USE = """
key: use
name: Use
entry: {changed: account.traits.used}
steps: [{id: rest, delay: 30d}]
"""


@pytest.fixture
async def many(database_url: str) -> AsyncIterator[Ingest]:
    async with Database(database_url, pool_size=20) as database:
        yield Ingest(database, Catalogue())


def group(user: str | None, account: str, minutes: float = 0, *, anonymous: str | None = None, **traits: Any) -> Event:
    one = event("group", user, anonymous=anonymous, at=AT + timedelta(minutes=minutes), **traits)
    return replace(one, group_id=account)


def removed(user: str, account: str, minutes: float = 1) -> Event:
    one = event("track", user, name=REMOVED_USER, at=AT + timedelta(minutes=minutes))
    return replace(one, context={"groupId": account})


async def owners(harness: Harness) -> dict[str, tuple[str | None, str]]:
    """The user of the journey of each account, and its state or outcome."""
    found = await harness.query(OWNERS)
    return {row["account_id"]: (row["user_id"], row["outcome"] or row["state"]) for row in found}


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


async def test_who_leaves_hands_the_journey_over_to_the_oldest_member(harness: Harness, many: Ingest) -> None:
    await harness.run_campaign(CAMPAIGN)
    later = AT + timedelta(minutes=9)
    for user in ("u1", "u2", "u3"):
        await many([group(user, "acme", plan="trial")], received_at=AT)
    await many([group("u4", "beta", plan="trial")], received_at=AT)
    assert await owners(harness) == {"acme": ("u1", "active"), "beta": ("u4", "active")}
    # Who leaves one account keeps the journeys of others, and those who have no journey hand none over.
    await many([removed("u1", "acme"), removed("u3", "acme")], received_at=later)
    assert await owners(harness) == {"acme": ("u2", "active"), "beta": ("u4", "active")}
    await many([removed("u2", "acme", 2)], received_at=later)
    assert await owners(harness) == {"acme": ("u2", "account_empty"), "beta": ("u4", "active")}
    # A new member of the account that was empty starts again.
    await many([group("u5", "acme", 3, plan="trial")], received_at=later)
    assert sorted(row["state"] for row in await harness.journeys.all(account_id="acme")) == ["active", "exited"]


async def test_an_exit_by_who_leaves_comes_before_the_handing_over(harness: Harness, many: Ingest) -> None:
    await harness.run_campaign(CAMPAIGN)
    await many([group("u1", "acme", plan="trial")], received_at=AT)
    invited = replace(event("track", "u1", name="Invited", at=AT), context={"groupId": "acme"})
    await many([invited, removed("u1", "acme")], received_at=AT + timedelta(minutes=2))
    assert await owners(harness) == {"acme": ("u1", "exited")}


async def test_merges_move_journeys_of_accounts_and_their_undo_returns_them(
    harness: Harness, many: Ingest, database_url: str
) -> None:
    await harness.run_campaign(CAMPAIGN)
    calls = [group("a", "acme", plan="trial"), group("b", "acme"), group("b", "beta", plan="trial"), group("c", "beta")]
    await many(calls, received_at=AT)
    # What a says is in the journey of beta as well, which b has handed over to it.
    await many([group("a", "beta", 1), removed("b", "beta", 2)], received_at=AT + timedelta(minutes=3))
    tables = ("journeys", "account_members", "decisions", "messages", "conversions")
    before = [await harness.query(f"SELECT t::text FROM {table} AS t ORDER BY 1") for table in tables]  # noqa: S608
    assert await owners(harness) == {"acme": ("a", "active"), "beta": ("a", "active")}
    async with Database(database_url, pool_size=2) as database:
        merges = Merges(database, Catalogue())
        await merges.merge("b", "a", by=BY)
        # The statement of b that it left beta is the later one.
        assert await owners(harness) == {"acme": ("b", "active"), "beta": ("c", "active")}
        await merges.undo("b", "a", by=BY)
    assert await owners(harness) == {"acme": ("a", "active"), "beta": ("c", "active")}
    after = [await harness.query(f"SELECT t::text FROM {table} AS t ORDER BY 1") for table in tables]  # noqa: S608
    assert after[1:] == before[1:]


@pytest.mark.parametrize(("source", "target"), [("a", "b"), ("b", "a")])
async def test_a_merge_that_empties_an_account_and_its_undo_name_the_journey_that_ended(
    harness: Harness, many: Ingest, database_url: str, source: str, target: str
) -> None:
    await harness.run_campaign(CAMPAIGN)
    await many([group("a", "acme", plan="trial"), group("b", "beta")], received_at=AT)
    await many([removed("b", "acme")], received_at=AT + timedelta(minutes=2))
    journey = await harness.journeys.one()
    async with Database(database_url, pool_size=2) as database:
        merges = Merges(database, Catalogue())
        merged = await merges.merge(target, source, by=BY)
        assert await owners(harness) == {"acme": (target, "account_empty")}
        undone = await merges.undo(target, source, by=BY)
    assert (merged.ended_journeys, undone.not_resumed) == ([journey["id"]], [journey["id"]])
    # It is that of its person again, and a member starts another one.
    assert await owners(harness) == {"acme": ("a", "account_empty")}
    await many([group("a", "acme", 3, plan="trial")], received_at=AT + timedelta(minutes=4))
    assert sorted(row["state"] for row in await harness.journeys.all()) == ["active", "exited"]


async def test_erased_people_leave_their_journeys_of_accounts_to_others(
    harness: Harness, many: Ingest, database_url: str
) -> None:
    await harness.run_campaign(CAMPAIGN)
    keyed = CAMPAIGN.replace("key: acc", "key: keyed").replace("account: true", "account: true, key: event.user_id")
    await harness.run_campaign(keyed)
    await many(
        [group("u1", "acme", plan="trial"), group("u2", "acme"), group("u1", "own", plan="trial")], received_at=AT
    )
    await many([group("u3", "left", plan="trial"), group("u2", "left")], received_at=AT)
    await many([removed("u3", "left")], received_at=AT + timedelta(minutes=2))
    async with Database(database_url, pool_size=2) as database:
        for user in ("u1", "u3"):
            await Erasures(database).request(PersonRef(user), by=BY)
    found = {
        (row["campaign_key"], row["account_id"]): row
        for row in await harness.query(OWNERS.replace("account_id,", "account_id, campaign_key,", 1))
    }
    ended = {place: (row["user_id"], row["outcome"] or row["state"]) for place, row in found.items()}
    assert ended == {
        **{("acc", "acme"): ("u2", "active"), ("acc", "left"): ("u2", "active"), ("acc", "own"): (None, "erased")},
        # Their keys may be what the person said.
        **{
            ("keyed", "acme"): ("u2", "erased"),
            ("keyed", "left"): ("u2", "erased"),
            ("keyed", "own"): (None, "erased"),
        },
    }
    assert {row["began_by"] for row in found.values()} == {None}
    assert all(row["properties"] == {} for row in found.values())
    assert not await harness.query("SELECT 1 FROM journeys WHERE journeys::text ~ 'u1|u3'")
    for campaign in ("acc", "keyed"):
        await harness.until(
            "SELECT 1 WHERE NOT EXISTS (SELECT FROM journeys WHERE campaign_key = %s AND account_id = 'own')", campaign
        )


async def test_members_race_with_exits_and_leaving_and_nothing_is_lost(harness: Harness, many: Ingest) -> None:
    await harness.run_campaign(CAMPAIGN)
    users = [f"u{number}" for number in range(12)]
    await many([group(user, f"g{number % 3}") for number, user in enumerate(users)], received_at=AT)
    later = AT + timedelta(minutes=9)
    calls = [
        *([group(user, f"g{number % 3}", plan="trial")] for number, user in enumerate(users)),
        *([removed(user, f"g{number % 3}", 2)] for number, user in enumerate(users) if number >= 3),
        *([event("track", user, name="Invited", at=AT + timedelta(minutes=1))] for user in users),
    ]
    await asyncio.gather(*(many(call, received_at=later) for call in calls))
    active = await harness.journeys.all(state="active")
    assert len({row["account_id"] for row in active}) == len(active)
    strangers = await harness.query(
        "SELECT account_id FROM journeys WHERE state = 'active' AND NOT EXISTS (SELECT FROM account_members AS member "
        "WHERE member.account_id = journeys.account_id AND member.profile_id = journeys.profile_id AND is_member)"
    )
    assert strangers == []


async def test_each_member_hears_of_a_changed_account_once_and_the_account_once(harness: Harness, many: Ingest) -> None:
    rest = "exit: [{event: Never}]\nsteps: [{id: rest, delay: 30d}]\n"
    changed = "changed: account.traits.plan, where: event.properties.after == account.traits.plan"
    await harness.run_campaign(f"key: people\nname: N\nentry: {{{changed}}}\n{rest}")
    await harness.run_campaign(f"key: acc\nname: N\nentry: {{{changed}, account: true}}\n{rest}")
    await many([group(f"u{number}", "acme") for number in range(250)], received_at=AT)
    await many([group(None, "acme", anonymous="d")], received_at=AT)
    await many([group("u1", "acme", plan="team")], received_at=AT)
    heard = "SELECT count(*) FROM journeys WHERE campaign_key = 'people' HAVING count(*) = 251"
    await harness.until(heard)
    # A finished announcement is no part of the list of operations.
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT FROM operations)")
    [account] = await harness.journeys.all(campaign_key="acc")
    assert account["account_id"] == "acme"
    refused = await harness.query(
        "SELECT campaign_key, reason FROM decisions WHERE kind = 'entry' AND reason IS NOT NULL"
    )
    assert refused == []
    [counted] = await harness.query(
        "SELECT count(*), count(DISTINCT profile_id) AS people FROM events WHERE type = 'changed' AND group_id = 'acme'"
    )
    assert counted == {"count": 251, "people": 251}


async def test_an_account_that_changes_often_has_few_announcements_and_loses_no_change(
    query: Query, many: Ingest, database_url: str
) -> None:
    async with Database(database_url, pool_size=2) as database:
        campaigns = Campaigns(database, DocumentProcesses())
        await campaigns.publish(HEARS_USE, "campaign.yaml", {}, by=SOJOURN)
        await campaigns.start("use", by=SOJOURN)
    members = [group(f"u{number}", account) for number in range(3) for account in ("acme", "beta")]
    await many(members, received_at=AT)
    counts = [*range(CHANGES + 5)]
    for count in counts:
        calls = [group(f"u{count % 3}", account, count + 1, used=count) for account in ("acme", "beta")]
        await many(calls, received_at=AT + timedelta(hours=1))
    # The same value again is no change, and a change of an account with one member is announced to nobody.
    same = [group("u2", "acme", 90, used=counts[-1]), group("u3", "alone", 90, used=1)]
    await many(same, received_at=AT + timedelta(hours=2))
    requested = "SELECT parameters ->> 'account_id' AS account, jsonb_array_length(parameters -> 'changes') AS changes"
    assert await query(f"{requested} FROM operations ORDER BY 1, id") == [
        {"account": account, "changes": number} for account in ("acme", "beta") for number in (CHANGES, 5)
    ]
    async with Database(database_url, pool_size=2) as database:
        # While a page has the latest, a change is added to another one, and waits for nothing.
        async with database.transaction() as connection:
            await connection.execute("SELECT FROM operations FOR UPDATE")
            await many([group("u0", "acme", 91, used=-1)], received_at=AT + timedelta(hours=2))
        catalogue = Catalogue()
        runner = OperationRunner(database, {"announce": AnnounceHandler(catalogue)})
        # The request of an erased person's change names them nowhere.
        await Erasures(database).request(PersonRef("u1"), by=BY)
        [erased] = await query("SELECT profile_id FROM erasures")
        assert not await query(
            "SELECT FROM operations WHERE kind = 'announce' AND parameters::text ~ %s", str(erased["profile_id"])
        )
        await runner.work_on_deployment()
    assert await query("SELECT kind FROM operations") == [{"kind": "erase"}]
    heard = await query(
        "SELECT user_id, group_id, array_agg(used ORDER BY used) AS used "
        "FROM events CROSS JOIN LATERAL (SELECT (properties -> 'after')::int AS used) AS change "
        "WHERE type = 'changed' AND user_id IN ('u0', 'u2') GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert heard == [
        {"user_id": user, "group_id": account, "used": [-1, *counts] if account == "acme" else counts}
        for user in ("u0", "u2")
        for account in ("acme", "beta")
    ]


async def test_nothing_is_claimed_after_another_member_has_ended_the_journey(harness: Harness) -> None:
    await harness.run_campaign(
        "key: race\nname: Race\nentry: {event: Cart Abandoned, account: true}\nexit: [{event: Order Completed}]\n"
        "steps:\n  - {id: cool-off, delay: 1s}\n  - {id: nudge, send: {channel: email, template: note}}\n"
    )
    rolls = random.Random(SEED)
    acknowledged: dict[str, datetime] = {}

    async def shop(account: str, pause: float) -> None:
        user, other = f"u-{account}", f"v-{account}"
        await harness.identify(user, email=f"{user}@example.com")
        for member in (user, other):
            await harness.post("group", {"userId": member, "groupId": account})
        await harness.track(user, "Cart Abandoned")
        await asyncio.sleep(pause)
        await harness.track(other, "Order Completed")
        [now] = await harness.query("SELECT clock_timestamp() AS at")
        acknowledged[account] = now["at"]

    # Around the end of the delay: which of the two is first differs, and what must hold does not.
    await asyncio.gather(*(shop(f"a{number}", rolls.uniform(0.7, 1.8)) for number in range(16)))
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM messages WHERE state IN ('reserved', 'sending'))")
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journeys WHERE state = 'active')")
    claims = await harness.query(
        "SELECT account_id, claimed_at, journeys.state = 'exited' AND claimed_at > ended_recorded_at AS is_after "
        "FROM messages JOIN journeys ON journeys.id = journey_id WHERE claimed_at IS NOT NULL"
    )
    assert [one for one in claims if one["is_after"] or one["claimed_at"] > acknowledged[one["account_id"]]] == []
    exited = await harness.journeys.all(state="exited")
    assert {row["account_id"] for row in (*claims, *exited)} == acknowledged.keys()
