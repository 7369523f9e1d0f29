"""Messages of the ledger in lists: by every filter, page by page, and counted alike."""

from datetime import timedelta
from typing import Any

import pytest

from store import message_lists
from store.daily_counts import MessageFilter
from store.database import Connection
from tests.engine.campaigns import REACTION
from tests.folding import fold_all
from tests.harness import Harness, now

USERS = ("u1", "u2", "u3")


async def listed(harness: Harness, query: str = "") -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await harness.admin("GET", f"/v1/messages?{query}"))["messages"]
    return messages


async def users(harness: Harness, query: str = "") -> list[str]:
    return [message["user_id"] for message in await listed(harness, query)]


@pytest.fixture
async def sent(harness: Harness) -> Harness:
    """Three people with a message of a campaign, the third without an address, and a single message to the first."""
    await harness.run_campaign(REACTION)
    for user in USERS:
        if user != "u3":
            await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Signed Up")
        await harness.rests(await harness.journey(user), "clicked")
    return harness


async def test_messages_are_found_by_each_of_their_properties(sent: Harness) -> None:
    [last, first] = await listed(sent)
    assert (first["user_id"], first["campaign"], first["step"], first["state"]) == ("u1", "reaction", "hello", "sent")
    assert (first["channel"], first["template"], first["reason"]) == ("email", "note", None)
    assert last["at"] > first["at"]
    provider = first["provider"]
    for query in ("campaign=reaction", "step=hello", "state=sent", "channel=email", f"provider={provider}"):
        assert await users(sent, query) == ["u2", "u1"], query
        other = f"{query.partition('=')[0]}={'failed' if query.startswith('state') else 'none'}"
        assert await users(sent, other) == [], other
    assert await users(sent, "state=failed&state=sent&state=cancelled") == ["u2", "u1"]
    assert await users(sent, "user=u1") == ["u1"]
    assert await users(sent, "user=u1&campaign=reaction&state=sent&channel=email") == ["u1"]
    assert await users(sent, "user=u3") == []
    assert await users(sent, f"user=u1&provider={provider}") == ["u1"]
    assert await users(sent, "provider=") == []
    before = (now() - timedelta(days=1)).date()
    assert await users(sent, f"from={before}&to={before}") == []
    answer = await sent.act("GET", "/v1/messages?user=none")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await sent.act("GET", "/v1/messages?state=lost")).status_code == 400


async def test_pages_hold_each_message_once(sent: Harness) -> None:
    await spread(sent, 40)
    for query in ("", "state=failed", "step=hello", "user=u1"):
        whole = [message["id"] for message in await listed(sent, f"{query}&limit=100")]
        paged: list[str] = []
        after = ""
        while True:
            page = await sent.admin("GET", f"/v1/messages?{query}&limit=7{after}")
            paged += [message["id"] for message in page["messages"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert paged == whole
        assert len(set(whole)) == len(whole) >= 20, query


async def test_counts_and_lists_have_the_same_messages(sent: Harness) -> None:
    await spread(sent, 30)
    for filters in ("", "campaign=reaction", "step=hello", "state=failed", "channel=email&state=sent"):
        found = await sent.admin("GET", f"/v1/message-counts?by=step&{filters}")
        assert found["first_day"] == str((now() - timedelta(days=6)).date())
        counted = sum(number for group in found["groups"] for number in group["states"].values())
        assert counted == len(await listed(sent, f"{filters}&limit=100")) > 0, filters


async def test_a_rare_message_among_many_is_found_by_the_index(sent: Harness) -> None:
    """A page reads what it shows: not the many messages that its filter leaves out."""
    await spread(sent, 3_000)
    await sent.query(
        "UPDATE messages SET state = 'unknown' WHERE id = (SELECT id FROM messages ORDER BY at LIMIT 1) RETURNING 1"
    )
    today = now().date()
    which = MessageFilter(first=today - timedelta(days=6), last=today, states=["unknown"])
    async with sent.database.transaction() as connection:
        await connection.execute("ANALYZE messages")
    await fold_all(sent.database)
    async with sent.database.transaction() as connection:
        before = await count_read(connection)
        [found] = await message_lists.page(connection, which, limit=50, after=None)
        assert found.state == "unknown"
        assert await count_read(connection) - before < 100


async def count_read(connection: Connection) -> int:
    """How many rows of the messages this session has read."""
    cursor = await connection.execute(
        "SELECT seq_tup_read + idx_tup_fetch AS number FROM pg_stat_xact_user_tables WHERE relname = 'messages'"
    )
    [row] = await cursor.fetchall()
    number: int = row["number"]
    return number


async def spread(harness: Harness, number: int) -> None:
    """Add messages to those there, over the last days, every third of them failed."""
    await harness.query(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template, state,
                              at, reserved_at, expires_at, provider)
        SELECT uuidv7(), journey_id, profile_id, campaign_key, step, visit + each, channel, category, template,
               CASE WHEN each %% 3 = 0 THEN 'failed' ELSE 'sent' END, at - each %% 5 * interval '1 day',
               reserved_at - each %% 5 * interval '1 day', expires_at, provider
        FROM messages CROSS JOIN generate_series(1, %s) AS each RETURNING 1
        """,
        number,
    )
