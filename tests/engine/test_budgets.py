"""Budgets hold over campaigns as caps do, and what a message did not cost is there for another."""

from datetime import UTC, datetime
from typing import Any

import pytest

from application.ingest import Ingest
from tests.engine.test_member_sends import join, member
from tests.engine.test_texts import DOCUMENT, Carrier, carrier
from tests.harness import Harness

# The fixture, which tests ask for by its name.
__all__ = ["carrier"]

CAMPAIGN = """
key: promo
name: Promo
entry: {event: Price Dropped}
steps:
  - {id: promo, send: {channel: email, template: note, ON_CAPPED}}
"""
TO_MEMBERS = """
key: invite
name: Invite
entry: {event: Account Created, account: true}
steps:
  - {id: tell, send: {channel: email, template: note, to: {role: admin}}}
"""
TODAY = datetime.now(UTC).date().isoformat()
BUDGET = "rules: []\nbudgets: [{name: spend, scope: SCOPE, amount: 0.03, currency: EUR}]\n"


async def price(harness: Harness) -> None:
    """A mail costs a cent."""
    relay = f"{{kind: smtp, channel: email, host: 127.0.0.1, port: {harness.inbox.smtp_port}, security: none"
    source = f"providers: {{relay: {relay}, cost: {{amount: 0.01, currency: EUR}}}}}}"
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": source})


async def begin(harness: Harness, scope: str, users: int, on_capped: str = "on_capped: skip") -> None:
    await price(harness)
    await harness.put_caps(BUDGET.replace("SCOPE", scope))
    await harness.run_campaign(CAMPAIGN.replace("ON_CAPPED", on_capped))
    for number in range(users):
        await harness.identify(f"u{number}", email=f"u{number}@example.com")
    for number in range(users):
        await harness.track(f"u{number}", "Price Dropped")


async def outcomes(harness: Harness, decided: int) -> dict[str, int]:
    await harness.until("SELECT 1 FROM decisions WHERE kind = 'send' HAVING count(*) >= %s", decided)
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM messages WHERE state IN ('reserved', 'sending'))")
    rows: list[dict[str, Any]] = await harness.query(
        "SELECT concat_ws(' ', outcome, reason) AS what, count(*) AS number FROM decisions"
        " WHERE kind = 'send' GROUP BY 1"
    )
    return {row["what"]: row["number"] for row in rows}


@pytest.mark.parametrize("scope", ["month", "campaign"])
async def test_a_budget_of_many_people_holds(harness: Harness, scope: str) -> None:
    await begin(harness, scope, 8)
    assert await outcomes(harness, 8) == {"granted": 3, "refused over_budget": 5}
    [cost] = await harness.query("SELECT sum(cost) AS micros, min(currency) AS currency FROM messages")
    assert (cost["micros"], cost["currency"]) == (30_000, "EUR")
    funnel = await harness.admin("GET", "/v1/campaigns/promo/funnel")
    [step] = funnel["versions"][0]["steps"]
    assert step["messages"]["costs"] == [
        {"channel": "email", "provider": "relay", "messages": 3, "amount": "0.03", "currency": "EUR"}
    ]
    told = [item["summary"] for number in range(8) for item in await harness.timeline(f"u{number}")]
    assert f"promo: refused: over_budget: 0.01 EUR is more than spend has left of 0.03 EUR a {scope}" in told
    assert "promo: email note sent, for 0.01 EUR" in told


async def test_a_budget_of_a_person_is_theirs(harness: Harness) -> None:
    await begin(harness, "person", 2)
    for number in range(2, 5):
        await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journeys WHERE state = 'active')")
        await harness.track("u0", "Price Dropped")
        await harness.until("SELECT 1 FROM decisions WHERE kind = 'send' HAVING count(*) >= %s", number + 1)
    assert await outcomes(harness, 5) == {"granted": 4, "refused over_budget": 1}
    # One-time codes are exempt from budgets as from caps.
    await harness.query(
        "UPDATE messages SET category = 'one-time-code' WHERE id = (SELECT messages.id FROM messages JOIN profiles"
        " ON profiles.id = profile_id WHERE user_id = 'u0' LIMIT 1) RETURNING 1"
    )
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journeys WHERE state = 'active')")
    await harness.track("u0", "Price Dropped")
    assert await outcomes(harness, 6) == {"granted": 5, "refused over_budget": 1}


async def test_a_message_that_fails_gives_its_cost_back(harness: Harness) -> None:
    await begin(harness, "day", 3)
    assert await outcomes(harness, 3) == {"granted": 3}
    await harness.query("UPDATE messages SET state = 'failed' WHERE state = 'sent' RETURNING 1")
    # As the outcome of an attempt is written: it was under way before.
    await harness.track("u0", "Price Dropped")
    assert (await outcomes(harness, 4)).get("refused over_budget") == 1
    row = await harness.messages.all()
    await harness.query("UPDATE messages SET state = 'unknown' WHERE id = %s RETURNING 1", row[0]["id"])
    await harness.query("UPDATE messages SET state = 'failed' WHERE id = %s RETURNING 1", row[0]["id"])
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journeys WHERE state = 'active')")
    await harness.track("u0", "Price Dropped")
    assert (await outcomes(harness, 5))["granted"] == 4


async def test_a_message_that_is_taken_back_gives_its_cost_back(harness: Harness) -> None:
    await begin(harness, "day", 3)
    assert await outcomes(harness, 3) == {"granted": 3}
    # As a recall ends a sent message.
    await harness.query(
        "UPDATE messages SET state = 'cancelled', reason = 'taken_back'"
        " WHERE id = (SELECT id FROM messages LIMIT 1) RETURNING 1"
    )
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journeys WHERE state = 'active')")
    await harness.track("u0", "Price Dropped")
    assert await outcomes(harness, 4) == {"granted": 4}


async def write_to_all_after(harness: Harness, user: str) -> None:
    """Write to one person, which uses their own budget up, and then to all members of their account."""
    await harness.run_campaign(CAMPAIGN.replace("ON_CAPPED", "on_capped: skip"))
    await harness.track(user, "Price Dropped")
    assert await outcomes(harness, 1) == {"granted": 1}
    await harness.run_campaign(TO_MEMBERS)
    await harness.track("u0", "Account Created")


async def test_a_member_without_a_budget_left_costs_no_other_member_the_message(
    harness: Harness, ingest: Ingest
) -> None:
    await price(harness)
    await harness.put_caps(BUDGET.replace("SCOPE", "person").replace("0.03", "0.01"))
    await join(ingest, *(member(f"u{number}") for number in range(5)))
    await write_to_all_after(harness, "u2")
    assert await outcomes(harness, 6) == {"granted": 5, "refused over_budget": 1}
    [refused] = await harness.query(
        "SELECT user_id FROM decisions JOIN profiles ON profiles.id = profile_id WHERE outcome = 'refused'"
    )
    assert refused["user_id"] == "u2"


async def warm_up(harness: Harness, daily: int = 9) -> None:
    """The relay, whose mails have a price, has so many places a day."""
    relay = f"kind: smtp, channel: email, host: 127.0.0.1, port: {harness.inbox.smtp_port}, security: none"
    route = (
        f"{{channel: email, use: [relay], warm_up: {{provider: relay, from: '{TODAY}', daily: [{daily}, {daily}]}}}}"
    )
    source = f"providers: {{relay: {{{relay}, cost: {{amount: 0.01, currency: EUR}}}}}}\nroutes: [{route}]\n"
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": source})


async def places(harness: Harness) -> int:
    """The places of the relay that are taken."""
    [row] = await harness.query(
        "SELECT (SELECT sum(used) FROM leases WHERE name = 'warm-up:relay')::int"
        " - (SELECT COALESCE(sum(amount), 0) FROM lease_returns WHERE name = 'warm-up:relay')::int AS taken"
    )
    return int(row["taken"])


async def test_a_page_gives_the_places_of_its_refused_messages_back(harness: Harness, ingest: Ingest) -> None:
    """Of six members one has no budget of their own left, and the day's has room for three mails more."""
    await warm_up(harness)
    own = "{name: own, scope: person, amount: 0.01, currency: EUR}"
    day = "{name: all, scope: day, amount: 0.04, currency: EUR}"
    await harness.put_caps(f"rules: []\nbudgets: [{own}, {day}]\n")
    await join(ingest, *(member(f"u{number}") for number in range(6)))
    await write_to_all_after(harness, "u2")
    assert await outcomes(harness, 7) == {"granted": 4, "refused over_budget": 3}
    assert await places(harness) == 4


async def test_a_place_that_a_budget_sets_free_is_granted_to_no_member_unnoticed(
    harness: Harness, ingest: Ingest
) -> None:
    """The first of five has no budget of their own left, and the day has three places for them."""
    await warm_up(harness, daily=4)
    await harness.put_caps("rules: []\nbudgets: [{name: own, scope: person, amount: 0.01, currency: EUR}]\n")
    await join(ingest, *(member(f"u{number}") for number in range(5)))
    first = await harness.query("SELECT user_id FROM profiles WHERE user_id LIKE 'u_' ORDER BY id LIMIT 1")
    await write_to_all_after(harness, first[0]["user_id"])
    assert await outcomes(harness, 6) == {"granted": 3, "refused over_budget": 1, "deferred warm_up": 2}
    assert len(await harness.messages.all()) == 3
    assert await places(harness) == 3


async def test_a_message_without_a_budget_left_takes_no_place_of_a_warm_up(harness: Harness) -> None:
    await begin(harness, "day", 0)
    await harness.run_campaign(CAMPAIGN.replace("ON_CAPPED", "on_capped: skip").replace("promo", "warming"))
    await warm_up(harness)
    for number in range(6):
        await harness.identify(f"u{number}", email=f"u{number}@example.com")
        await harness.track(f"u{number}", "Price Dropped")
    assert await outcomes(harness, 12) == {"granted": 3, "refused over_budget": 9}
    assert await places(harness) == 3


async def test_with_on_capped_wait_a_message_waits_for_the_next_day(harness: Harness) -> None:
    await begin(harness, "day", 4, "on_capped: wait")
    assert await outcomes(harness, 4) == {"granted": 3, "deferred over_budget": 1}


async def test_a_text_costs_its_segments_and_is_granted_if_the_most_of_them_have_room(carrier: Carrier) -> None:
    """Of six cents, three are held for each text; after three texts of four segments there are two left."""
    harness = carrier.harness
    priced = DOCUMENT + "    cost: {amount: 0.01, currency: EUR}\n"
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": priced})
    await harness.put_caps(BUDGET.replace("SCOPE", "day").replace("0.03", "0.06"))
    source = CAMPAIGN.replace("ON_CAPPED", "on_capped: skip").replace("channel: email", "channel: sms")
    text = "---\nchannel: sms\n---\n{{ entry.properties.text }}\n"
    await harness.run_campaign(source, {"note.liquid": text})
    granted = 0
    for number, segments in enumerate((1, 2, 1, 3)):
        said = "a" * 150 * segments
        await harness.identify(f"u{number}", phone=carrier.number, consent={"sms": True})
        await harness.track(f"u{number}", "Price Dropped", {"text": said})
        granted += number < 3
        assert (await outcomes(harness, number + 1))["granted"] == granted
    assert [len(body) for body in carrier.bodies] == [150, 300, 150]
    rows = await harness.query("SELECT cost, charges -> 0 -> 'micros' AS charged FROM messages ORDER BY at")
    assert [(row["cost"], row["charged"]) for row in rows] == [(n, n) for n in (10_000, 20_000, 10_000)]
    [spent] = await harness.query(
        """
        SELECT (SUM(leased) FILTER (WHERE slot = 0) - SUM(leased - used) FILTER (WHERE slot > 0)
                - (SELECT COALESCE(SUM(amount), 0) FROM lease_returns))::int AS micros FROM leases
        """
    )
    assert spent["micros"] == 40_000
    [refused] = [item["summary"] for item in await harness.timeline("u3") if item["kind"] == "send"]
    assert refused == "promo: refused: over_budget: 0.03 EUR is more than spend has left of 0.06 EUR a day"
