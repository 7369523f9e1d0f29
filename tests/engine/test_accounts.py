"""Accounts have traits and members by `group` calls; conditions and templates see them."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.merges import Merges
from domain.access import Actor
from domain.people.accounts import ADDED_USER, REMOVED_USER
from domain.tracking.event import Event
from store.database import Database
from tests.engine.ingesting import Query, event, statements
from tests.harness import PATIENCE, Harness

BY = Actor("k1", "support")
AT = datetime.now(UTC)
SEED = 20_261_130
MEMBERS = """
SELECT account_id, user_id, role, is_member FROM account_members JOIN profiles ON profiles.id = profile_id ORDER BY 1, 2
"""


@pytest.fixture
async def merges(database_url: str) -> AsyncIterator[Merges]:
    async with Database(database_url, pool_size=20) as database:
        yield Merges(database, Catalogue())


def group(user: str | None, account: str, minutes: float = 0, *, anonymous: str | None = None, **traits: Any) -> Event:
    one = event("group", user, anonymous=anonymous, at=AT + timedelta(minutes=minutes), **traits)
    return replace(one, group_id=account)


def of_account(name: str, user: str, account: str, minutes: float = 0, **properties: Any) -> Event:
    one = event("track", user, name=name, at=AT + timedelta(minutes=minutes), **properties)
    return replace(one, context={"groupId": account})


async def members(query: Query) -> list[tuple[str, str, str | None]]:
    found = await query(MEMBERS)
    return [(row["account_id"], row["user_id"], row["role"]) for row in found if row["is_member"]]


async def account_traits(query: Query) -> dict[str, Any]:
    return {row["id"]: row["traits"] for row in await query("SELECT id, traits FROM accounts")}


async def test_the_latest_statement_holds_in_any_order(query: Query, ingest: Ingest) -> None:
    calls = [
        group("u1", "acme", 0, plan="free", role="admin"),
        group("u2", "acme", 1, plan="team", seats=3),
        of_account(ADDED_USER, "u3", "acme", 2, role="viewer"),
        of_account(REMOVED_USER, "u1", "acme", 3),
        group("u2", "acme", 4, role="owner", seats=None),
        group("u2", "other", 5),
    ]
    rolls = random.Random(SEED)
    rolls.shuffle(calls)
    for call in calls:
        await ingest([call], received_at=AT + timedelta(minutes=9))
    assert await members(query) == [("acme", "u2", "owner"), ("acme", "u3", "viewer"), ("other", "u2", None)]
    assert await account_traits(query) == {"acme": {"plan": "team", "seats": None}, "other": {}}
    # Who has left and comes back has no role until one is stated.
    await ingest([group("u1", "acme", 6)], received_at=AT + timedelta(minutes=9))
    assert ("acme", "u1", None) in await members(query)
    history = await query("SELECT changes FROM profile_changes WHERE part = 'accounts' AND changes ? 'other'")
    assert [row["changes"] for row in history] == [{"other": {"before": None, "after": {"role": None}}}]


async def test_batches_race_for_the_same_accounts_and_nothing_is_lost(query: Query, ingest: Ingest) -> None:
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    calls = []
    for number in range(160):
        said: dict[str, Any] = {"last": number, f"t{number % 7}": number}
        calls.append(group(f"u{rolls.randrange(6)}", f"g{rolls.randrange(4)}", number, **said))
    expected: dict[str, dict[str, Any]] = {}
    for call in calls:
        expected.setdefault(str(call.group_id), {}).update(call.properties)
    batches = [calls[first::16] for first in range(16)]
    for batch in batches:
        rolls.shuffle(batch)
    await asyncio.gather(*(ingest(batch, received_at=AT + timedelta(days=1)) for batch in batches))
    assert await account_traits(query) == expected
    assert len(await members(query)) == len({(call.user_id, call.group_id) for call in calls})


async def test_merges_move_memberships_and_their_undo_restores_them(
    query: Query, ingest: Ingest, merges: Merges
) -> None:
    batch = [
        group("a", "acme", 0, role="admin"),
        group("b", "acme", 1, role="viewer"),
        group("a", "of-a", 0),
        of_account(ADDED_USER, "b", "of-b", 0, role="owner"),
        group(None, "of-device", 0, anonymous="d"),
    ]
    await ingest(batch, received_at=AT + timedelta(minutes=1))
    tables = ("accounts", "account_members")
    before = [await query(f"SELECT t::text FROM {table} AS t ORDER BY 1") for table in tables]  # noqa: S608
    await merges.merge("b", "a", by=BY)
    merged = [("acme", "b", "viewer"), ("of-a", "b", None), ("of-b", "b", "owner"), ("of-device", None, None)]
    assert await members(query) == merged
    await merges.undo("b", "a", by=BY)
    assert [await query(f"SELECT t::text FROM {table} AS t ORDER BY 1") for table in tables] == before  # noqa: S608
    # What each says since goes to them, and an anonymous member becomes the user's.
    await merges.merge("b", "a", by=BY)
    later = AT + timedelta(hours=1)
    await ingest([of_account(REMOVED_USER, "a", "acme", 60), group("b", "new", 60)], received_at=later)
    await ingest([event("identify", "a", anonymous="d", at=later)], received_at=later)
    await merges.undo("b", "a", by=BY)
    assert await members(query) == [
        *(("acme", "b", "viewer"), ("new", "b", None)),
        *(("of-a", "a", None), ("of-b", "b", "owner"), ("of-device", "a", None)),
    ]


async def test_conditions_see_the_account_of_the_event_else_the_latest(harness: Harness, ingest: Ingest) -> None:
    for key, entry in {
        "named": "{event: Go, where: account.traits.plan == 'team'}",
        "role": "{event: Go, where: account.role == 'admin'}",
        "changed": "{changed: account.traits.plan, where: event.properties.after == 'pro' && account.id == 'acme'}",
        "audience": "{event: Go, where: 'account.id == null'}",
    }.items():
        await harness.run_campaign(
            f"key: {key}\nname: N\nentry: {entry}\nexit: [{{event: Never}}]\nsteps: [{{id: rest, delay: 1d}}]\n"
        )
    first = [group("u1", "acme", 0, plan="free", role="admin"), group("u1", "beta", 1, plan="team")]
    await ingest(first, received_at=AT + timedelta(minutes=1))
    await ingest([event("track", "u1", name="Go", at=AT)], received_at=AT)
    await ingest([of_account("Go", "u1", "acme")], received_at=AT)
    await ingest([event("track", "u2", name="Go", at=AT)], received_at=AT)
    await ingest([group("u1", "acme", 2, plan="pro")], received_at=AT + timedelta(minutes=2))
    entries = await harness.query(
        "SELECT campaign_key, user_id, entry -> 'context' AS context "
        "FROM journeys JOIN profiles ON profiles.id = profile_id"
    )
    found = {(row["campaign_key"], row["user_id"], row["context"].get("groupId")) for row in entries}
    assert found == {
        *(("named", "u1", None), ("role", "u1", "acme")),
        *(("changed", "u1", None), ("audience", "u2", None)),
    }
    derived = await harness.query("SELECT name, group_id, properties FROM events WHERE type = 'changed'")
    assert ("account.traits.plan", "acme", {"before": "free", "after": "pro"}) in [
        (one["name"], one["group_id"], one["properties"]) for one in derived
    ]


async def test_steps_and_messages_see_the_account(harness: Harness) -> None:
    template = """---
channel: email
subject: "{{ account.traits.name }} ({{ account.id }}): {{ account.role | default: 'member' }}"
from: Example Shop <hello@example.com>
text: t
---
<p>x</p>
"""
    steps = """
  - id: which
    branch:
      - when: account.traits.plan == 'team'
        do: [{id: mail, send: {channel: email, template: account, category: transactional}}]
"""
    campaign = f"key: acc\nname: N\nentry: {{event: Go}}\nexit: [{{event: Never}}]\nsteps:{steps}"
    await harness.run_campaign(campaign, templates={"account.liquid": template})
    await harness.identify("u1", email="u1@example.com")
    await harness.post("group", {"userId": "u1", "groupId": "acme", "traits": {"name": "Acme", "plan": "team"}})
    await harness.post("group", {"userId": "u1", "groupId": "beta", "traits": {"name": "Beta"}})
    await harness.run_campaign(
        "key: audience\nname: N\nentry: {audience: {where: account.traits.name == 'Beta'}}\n"
        "exit: [{event: Never}]\nsteps: [{id: rest, delay: 1d}]\n"
    )
    await harness.until("SELECT 1 FROM journeys WHERE campaign_key = 'audience'")
    await harness.track("u1", "Go", context={"groupId": "acme"})
    [sent] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    assert sent.message["Subject"] == "Acme (acme): member"


async def test_only_batches_with_group_calls_pay(
    harness: Harness, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def count(events: list[Event]) -> int:
        with statements(monkeypatch) as sent:
            await ingest(events, received_at=AT + timedelta(minutes=1))
        return len(sent)

    def tracked(number: int) -> list[Event]:
        return [event("track", f"u{one}", name="Seen") for one in range(number)]

    await ingest(tracked(100), received_at=AT)
    assert await count(tracked(100)) == 5
    await count([group("u1", "g1", plan="free")])
    one = await count([group("u2", "g1", 1, plan="team")])
    assert one == await count([group(f"u{number}", f"g{number % 9}", 2, plan="pro") for number in range(100)])
