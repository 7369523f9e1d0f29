"""Frequency caps on the real ledger: calendars, gaps, exemptions, what is read, and random interleavings recounted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from application.catalogue import Catalogue
from application.step_decisions import StepDecisions
from domain.journey.requests import AuthorizeRequest
from domain.sending.caps_document import parse_caps
from domain.sending.gate_answers import Answer, Deferred, Granted, Refused
from store.database import Database
from tests.engine import caps_campaigns
from tests.engine.campaigns import PROMOTION
from tests.engine.caps_worker import Clock, Load, patiently
from tests.engine.ledger_audit import keep_audit, recount_all
from tests.engine.positions import UNRECORDED
from tests.harness import Harness
from tests.proofs import rounds

TICK = timedelta(microseconds=1)
STEPS = rounds(400, 4_000)
# The last minute of a Sunday, and of a week, in London; Monday in Tokyo since nine hours.
SUNDAY = datetime(2026, 11, 1, 23, 59, tzinfo=UTC)

# Nobody walks these: the tests ask the gate themselves.
STILL = """
key: KEY
name: KEY
entry: {event: Begun}
TOP
steps:
  - {id: rest, delay: 300d}
  - {id: note, send: {channel: email, template: note, expires: 366d, MORE}}
"""


@pytest.fixture
async def gate(database_url: str) -> AsyncIterator[StepDecisions]:
    async with Database(database_url, pool_size=40) as database:
        yield StepDecisions(database, Catalogue(), "Europe/London")


async def begin(harness: Harness, user: str, key: str, more: str, top: str = "") -> UUID:
    """A journey of a user in a campaign that is as `top` says, and its message as `more` does."""
    await harness.run_campaign(STILL.replace("KEY", key).replace("MORE", more).replace("TOP", top))
    await harness.identify(user, email=f"{user}@example.com")
    await harness.track(user, "Begun")
    [row] = await harness.query(
        "SELECT journeys.id FROM journeys JOIN profiles ON profiles.id = profile_id"
        " WHERE user_id = %s AND campaign_key = %s",
        user,
        key,
    )
    journey_id: UUID = row["id"]
    return journey_id


async def are_sent(harness: Harness) -> None:
    """What was granted goes at once."""
    await harness.query("UPDATE messages SET state = 'sent' RETURNING id")


async def ask(gate: StepDecisions, journey_id: UUID, visit: int, at: datetime, number: int = 1) -> Answer:
    return await gate.authorize(AuthorizeRequest(journey_id, "note", visit, number, at, at, None, UNRECORDED))


async def test_a_week_ends_at_the_recipients_midnight(harness: Harness, gate: StepDecisions) -> None:
    await harness.put_caps("rules: [{name: weekly, limit: 1, per: calendar_week}]")
    journey = await begin(harness, "u1", "weekly", "on_capped: wait")
    assert isinstance(await ask(gate, journey, 1, SUNDAY), Granted)
    await are_sent(harness)
    midnight = datetime(2026, 11, 2, tzinfo=UTC)
    assert await ask(gate, journey, 2, SUNDAY) == Deferred(midnight, "capped")
    assert [item["summary"] for item in await harness.timeline("u1")][-1] == (
        "note: deferred to 2026-11-02 00:00 UTC: capped: 1 of 1 in the calendar week, Europe/London (weekly), "
        "room taken by weekly (1)"
    )
    assert isinstance(await ask(gate, journey, 3, midnight - TICK), Deferred)
    assert isinstance(await ask(gate, journey, 2, midnight, number=2), Granted)
    assert await harness.admin("GET", "/v1/caps/pressure?from=2026-10-31&to=2026-11-03") == {
        "first_day": "2026-10-31",
        "last_day": "2026-11-03",
        "rules": [
            {
                "rule": "weekly",
                "days": [
                    {"day": "2026-11-01", "granted": 1, "deferred": 2, "refused": 0},
                    {"day": "2026-11-02", "granted": 1, "deferred": 0, "refused": 0},
                ],
                "campaigns": [{"campaign": "weekly", "deferred": 2, "refused": 0}],
                "taken": [{"campaign": "weekly", "by": "weekly", "times": 2}],
            }
        ],
    }


async def test_whoever_moves_is_judged_by_the_calendar_of_the_new_home(harness: Harness, gate: StepDecisions) -> None:
    await harness.put_caps("rules: [{name: weekly, limit: 1, per: calendar_week}]")
    journey = await begin(harness, "u1", "weekly", "on_capped: wait")
    assert isinstance(await ask(gate, journey, 1, SUNDAY), Granted)
    await are_sent(harness)
    await harness.identify("u1", timezone="America/New_York")
    midnight = datetime(2026, 11, 2, 5, tzinfo=UTC)
    assert await ask(gate, journey, 2, SUNDAY) == Deferred(midnight, "capped")
    # In Tokyo what was sent on London's Sunday is of this week.
    await harness.identify("u1", timezone="Asia/Tokyo")
    assert await ask(gate, journey, 2, midnight, number=2) == Deferred(datetime(2026, 11, 8, 15, tzinfo=UTC), "capped")
    await harness.identify("u1", timezone="America/New_York")
    assert isinstance(await ask(gate, journey, 2, midnight, number=3), Granted)


@pytest.mark.parametrize(
    ("rule", "until"),
    [
        ("limit: 1, per: calendar_month", datetime(2026, 12, 1, tzinfo=UTC)),
        ("limit: 1, per: 366d", datetime(2027, 11, 2, tzinfo=UTC)),
        ("limit: 9, per: 1m, min_gap: 40d", datetime(2026, 12, 11, tzinfo=UTC)),
    ],
)
async def test_the_ledger_is_read_as_far_back_as_a_rule_reaches(
    harness: Harness, gate: StepDecisions, rule: str, until: datetime
) -> None:
    first = datetime(2026, 11, 1, tzinfo=UTC)
    await harness.put_caps(f"rules: [{{name: long, {rule}}}, {{name: short, limit: 100, per: 1m}}]")
    journey = await begin(harness, "u1", "long", "on_capped: skip")
    assert isinstance(await ask(gate, journey, 1, first), Granted)
    await are_sent(harness)
    assert await ask(gate, journey, 2, until - TICK) == Refused("capped")
    assert isinstance(await ask(gate, journey, 3, until), Granted)


async def test_urgent_and_transactional_messages_pass_and_count_where_a_rule_says_so(
    harness: Harness, gate: StepDecisions
) -> None:
    await harness.put_caps("rules: [{name: two, limit: 2, per: 1d}, {name: gap, min_gap: 4h, counts: [high]}]")
    plain = await begin(harness, "u1", "plain", "on_capped: skip")
    urgent = await begin(harness, "u1", "urgent", "priority: high")
    receipt = await begin(harness, "u1", "receipt", "category: transactional")
    for visit in range(3):
        assert isinstance(await ask(gate, receipt, visit, SUNDAY), Granted)
    assert isinstance(await ask(gate, plain, 1, SUNDAY), Granted)
    for visit in range(3):
        assert isinstance(await ask(gate, urgent, visit, SUNDAY + timedelta(hours=visit)), Granted)
    await are_sent(harness)
    # Four hours after the last urgent one; of the two a day it is the second.
    due = SUNDAY + timedelta(hours=6)
    assert await ask(gate, plain, 2, due - TICK) == Refused("capped")
    assert [item["summary"] for item in await harness.timeline("u1")][-1].startswith(
        "note: refused: capped: within 4h of another (gap), frees at 2026-11-02 05:59 UTC"
    )
    assert isinstance(await ask(gate, plain, 3, due), Granted)
    assert await ask(gate, plain, 4, due + timedelta(hours=4)) == Refused("capped")


async def test_a_cap_is_waited_for_until_the_window_is_open_too(harness: Harness, gate: StepDecisions) -> None:
    await harness.put_caps("rules: [{name: daily, limit: 1, per: calendar_day}]")
    journey = await begin(harness, "u1", "quiet", "on_capped: wait", 'send_window: {from: "09:00", to: "24:00"}')
    assert isinstance(await ask(gate, journey, 1, SUNDAY), Granted)
    await are_sent(harness)
    morning = datetime(2026, 11, 2, 9, tzinfo=UTC)
    assert await ask(gate, journey, 2, SUNDAY) == Deferred(morning, "capped")
    assert [item["summary"] for item in await harness.timeline("u1")][-1].endswith(
        "frees at 2026-11-02 00:00 UTC, in quiet hours until 2026-11-02 09:00 UTC, room taken by quiet (1)"
    )
    assert isinstance(await ask(gate, journey, 2, morning, number=2), Granted)


async def test_a_message_still_to_be_sent_counts_until_it_can_have_been_sent(
    harness: Harness, gate: StepDecisions
) -> None:
    """Also for a journey whose clock is ahead: on its own the message may go until it expires, and count from there."""
    await harness.put_caps("rules: [{name: gap, min_gap: 1h}]")
    journey = await begin(harness, "u1", "gap", "on_capped: wait")
    reserved = await ask(gate, journey, 1, SUNDAY)
    assert isinstance(reserved, Granted)
    message = await harness.messages.one()
    last = message["expires_at"]
    assert await ask(gate, journey, 2, last - timedelta(days=9)) == Deferred(
        last - timedelta(days=9) + timedelta(hours=1), "capped"
    )
    later = AuthorizeRequest(journey, "note", 3, 1, last, last + timedelta(minutes=59), None, UNRECORDED)
    assert await gate.authorize(later) == Deferred(last + timedelta(hours=1), "capped")
    due = AuthorizeRequest(journey, "note", 4, 1, last, last + timedelta(hours=1), None, UNRECORDED)
    assert isinstance(await gate.authorize(due), Granted)


async def test_nothing_is_granted_after_the_schedule_that_ends_for_those_inside(
    harness: Harness, gate: StepDecisions
) -> None:
    ends_at = datetime(2100, 1, 1, tzinfo=UTC)
    schedule = f"schedule: {{ends_at: {ends_at:%Y-%m-%dT%H:%M:%SZ}, at_end: exit}}"
    journey = await begin(harness, "u1", "ending", "on_capped: wait", schedule)
    assert isinstance(await ask(gate, journey, 1, ends_at - TICK), Granted)
    message = await harness.messages.one()
    assert message["expires_at"] == ends_at
    assert await ask(gate, journey, 2, ends_at) == Refused("schedule_ended")
    assert [item["summary"] for item in await harness.timeline("u1")][-1].startswith(
        "note: refused: the schedule ended at 2100-01-01 00:00 UTC"
    )


RULES = """# All of the kinds.
rules:
  - {name: daily, limit: 2, per: 1d}
  - {name: weekly, limit: 3, per: calendar_week, channels: [email], categories: [marketing], counts: [high]}
  - {name: gap, min_gap: 90m}
"""


async def test_the_rules_are_shown_as_they_were_written_and_kept_in_versions(harness: Harness) -> None:
    path, file = "/v1/frequency-caps", "caps.yaml"
    first = await harness.admin("PUT", path, {"file": file, "source": RULES})
    assert first == await harness.admin("GET", path)
    assert first == {
        "version": 1,
        "source": RULES,
        "rules": [
            {"name": "daily", "limit": 2, "per": "1d"},
            {
                "name": "weekly",
                "limit": 3,
                "per": "calendar_week",
                "channels": ["email"],
                "categories": ["marketing"],
                "counts": ["high"],
            },
            {"name": "gap", "min_gap": "1h30m"},
        ],
    }
    same = await asyncio.gather(*(harness.admin("PUT", path, {"file": file, "source": RULES}) for _ in range(5)))
    assert [answer["version"] for answer in same] == [1] * 5
    others = [RULES.replace("limit: 2", f"limit: {limit}") for limit in (4, 5, 6)]
    put = await asyncio.gather(*(harness.admin("PUT", path, {"file": file, "source": other}) for other in others))
    assert sorted(answer["version"] for answer in put) == [2, 3, 4]
    assert [answer["source"] for answer in put] == others
    assert (await harness.admin("PUT", path, {"file": file, "source": RULES}))["version"] == 5


async def test_no_message_is_granted_by_rules_that_were_replaced(harness: Harness, gate: StepDecisions) -> None:
    """Forty people who have had a message, and are asked for while a rule is put under which they get no other."""
    await harness.run_campaign(PROMOTION.replace("steps:", "steps:\n  - {id: rest, delay: 300d}"))
    for number in range(40):
        await harness.identify(f"u{number}", email=f"u{number}@example.com")
        await harness.track(f"u{number}", "Price Dropped")
    journeys = [row["id"] for row in await harness.query("SELECT id FROM journeys")]

    async def grant(id: UUID, visit: int) -> Answer:
        question = AuthorizeRequest(id, "promo", visit, 1, SUNDAY, SUNDAY, None, UNRECORDED)
        return await patiently(lambda: gate.authorize(question))

    await asyncio.gather(*(grant(id, 0) for id in journeys))
    for visit in range(1, 6):
        await harness.put_caps("rules: []")
        asking = [asyncio.create_task(grant(id, visit)) for id in journeys]
        await asyncio.sleep(0.02)
        await harness.put_caps(f"rules: [{{name: once, limit: 1, per: {visit}d}}]")
        [acknowledged] = await harness.query("SELECT clock_timestamp() AS at")
        await asyncio.gather(*asking)
        late = await harness.query("SELECT id FROM messages WHERE reserved_at > %s", acknowledged["at"])
        assert late == []


@pytest.mark.prove
@pytest.mark.parametrize("seed", ["a", "b", "c"][: rounds(1, 3)])
async def test_a_recount_of_random_interleavings_finds_nothing_wrong(database_url: str, seed: str) -> None:
    """Grants, failures, retries, claims, postponements and moves of a few people; then every decision is recounted."""
    print(f"seed {seed}")  # noqa: T201
    async with Database(database_url, pool_size=12) as database:
        await keep_audit(database)
        await caps_campaigns.prepare(database, users=3)
        journeys = await caps_campaigns.journeys_of(database)
        loads = [Load(database, journeys, seed=seed, index=index) for index in range(4)]
        clock = Clock()
        await asyncio.gather(*(load.run(clock, lambda: clock.steps() >= STEPS, tasks=2) for load in loads))
        findings = await recount_all(database, parse_caps(caps_campaigns.RULES, "caps.yaml"))
    assert not findings.wrong, "\n".join(findings.wrong[:5])
    assert [load.different for load in loads] == [[]] * 4
    assert findings.counts["granted"] > 10
    assert findings.counts["refused: capped"] > 20
