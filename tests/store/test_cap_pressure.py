"""The pressure of caps is that of the decisions and the messages, folded or not."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID

import pytest
from msgspec import to_builtins
from psycopg.types.json import Jsonb

from application.cap_pressure import CapPressures, PressureOfDay
from application.count_sweeper import CountSweeper
from domain.campaign.plan import MessagePriority
from domain.journey.decision import Decision
from domain.sending.caps import CapRule, CountedMessage
from store import decisions
from store.database import Connection, Database
from tests.domain.sending.recount import takes_room

START = date(2026, 11, 1)
DAYS = 5
PERSON, JOURNEY = UUID(int=1), UUID(int=2)
COUNTING = ("reserved", "sending", "sent", "unknown")
RULES = {
    "daily": CapRule("daily", limit=1, window=86_400),
    "texts": CapRule("texts", limit=1, window=86_400, channels=("sms",), counts=("transactional",)),
    "news": CapRule("news", limit=1, window=86_400, categories=("news",), counts=("high",)),
}


class Sent(NamedTuple):
    at: datetime
    channel: str
    category: str
    priority: MessagePriority
    state: str


def draw_instant(chance: random.Random) -> datetime:
    return datetime.combine(START, time(), UTC) + timedelta(seconds=chance.randrange(DAYS * 86_400))


def draw_message(chance: random.Random) -> Sent:
    return Sent(
        draw_instant(chance),
        chance.choice(("email", "sms", "in_app")),
        chance.choice(("marketing", "news", "transactional")),
        chance.choice(("normal", "high")),
        chance.choice((*COUNTING, "failed", "cancelled")),
    )


def draw_decision(chance: random.Random) -> Decision:
    """A decision that caps may have made; one of before names no campaigns."""
    rule = chance.choice(("daily", "texts", "deleted", None))
    takers = chance.sample(("a", "b", "c"), chance.randint(1, 3))
    taken = {"taken": {taker: chance.randint(1, 3) for taker in takers}} if chance.random() < 0.8 else {}
    return Decision(
        id=UUID(int=chance.getrandbits(128)),
        profile_id=PERSON,
        campaign_key=chance.choice(("a", "b")),
        kind="send",
        outcome=chance.choice(("refused", "deferred")),
        at=draw_instant(chance),
        step="mail",
        reason="no_consent" if rule is None else "capped",
        data={} if rule is None else {"rule": rule, **taken},
    )


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=2) as opened:
        async with opened.transaction() as connection:
            await connection.execute("INSERT INTO profiles (id, user_id) VALUES (%s, 'u1')", (PERSON,))
            await connection.execute(
                """
                INSERT INTO campaigns (key, name, state, running_version, latest_version)
                VALUES ('a', 'A', 'running', 1, 1)
                """
            )
            await connection.execute(
                """
                INSERT INTO campaign_versions (campaign_key, version, name, file, source, templates, plan, rules)
                VALUES ('a', 1, 'A', 'a.yaml', '', '{}', '{}', '{}')
                """
            )
            await connection.execute(
                """
                INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, entry_key, workflow_id, entry,
                                      entered_at)
                VALUES (%s, 'a', 1, %s, '', 'w', '{}', now())
                """,
                (JOURNEY, PERSON),
            )
            await connection.execute(
                "INSERT INTO documents (kind, version, source, rules) VALUES ('frequency-caps', 1, '', %s)",
                (Jsonb(to_builtins(list(RULES.values()))),),
            )
        yield opened


async def send(connection: Connection, messages: Iterable[Sent]) -> None:
    for message in messages:
        await connection.execute(
            """
            INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, priority,
                                  template, at, expires_at, state)
            VALUES (gen_random_uuid(), %s, %s, 'a', 'mail', 1, %s, %s, %s, 'note', %s, now(), %s)
            """,
            (JOURNEY, PERSON, message.channel, message.category, message.priority, message.at, message.state),
        )


async def test_it_is_that_of_the_rows(database: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    made = [draw_decision(chance) for _ in range(200)]
    sent = [draw_message(chance) for _ in range(200)]
    for place in range(0, 200, 100):
        async with database.transaction() as connection:
            await decisions.insert(connection, made[place : place + 100])
            await send(connection, sent[place : place + 100])
        # Some are folded, and some not.
        await CountSweeper(database).sweep()
    first, last = START + timedelta(days=1), START + timedelta(days=3)
    found = {pressure.rule: pressure for pressure in await CapPressures(database)(first, last)}
    assert list(found) == ["daily", "deleted", "news", "texts"]
    for name, pressure in found.items():
        held_back = [one for one in made if one.data.get("rule") == name and first <= one.at.date() <= last]
        by_day = Counter((one.at.date(), one.outcome) for one in held_back)
        by_campaign = Counter((one.campaign_key, one.outcome) for one in held_back)
        taken = Counter((one.campaign_key, by) for one in held_back for by in one.data.get("taken", ()))
        granted = count_by_hand(name, (one for one in sent if first <= one.at.date() <= last))
        assert pressure.days == [
            PressureOfDay(
                day, None if granted is None else granted[day], by_day[day, "deferred"], by_day[day, "refused"]
            )
            for day in sorted({*(granted or ()), *(day for day, _ in by_day)})
        ]
        assert [(one.campaign, one.deferred, one.refused) for one in pressure.campaigns] == [
            (campaign, by_campaign[campaign, "deferred"], by_campaign[campaign, "refused"])
            for campaign in sorted({campaign for campaign, _ in by_campaign})
        ]
        assert {(one.campaign, one.by): one.times for one in pressure.taken} == taken
        times = [one.times for one in pressure.taken]
        assert times == sorted(times, reverse=True)


def count_by_hand(name: str, sent: Iterable[Sent]) -> Counter[date] | None:
    """The granted messages of each day; None where the rule is no more."""
    if name not in RULES:
        return None
    return Counter(
        one.at.date()
        for one in sent
        if one.state in COUNTING
        and one.channel != "in_app"
        and takes_room(RULES[name], CountedMessage(one.at, one.channel, one.category, one.priority))
    )


async def test_a_message_that_is_granted_anew_counts_as_what_it_is(database: Database) -> None:
    """After it was postponed, as by a pause, also where its step was changed meanwhile."""
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    async with database.transaction() as connection:
        await send(connection, [Sent(noon, "email", "marketing", "normal", "reserved")])
    pressure = CapPressures(database)
    [daily] = await pressure(START, START)
    assert (daily.rule, [day.granted for day in daily.days]) == ("daily", [1])
    for change in (
        "state = 'cancelled'",
        "state = 'reserved', channel = 'sms', category = 'transactional'",
        "state = 'sent'",
    ):
        await CountSweeper(database).sweep()
        async with database.transaction() as connection:
            await connection.execute(f"UPDATE messages SET {change}")  # noqa: S608
        granted = {rule.rule: [day.granted for day in rule.days] for rule in await pressure(START, START)}
        assert granted == ({} if "cancelled" in change else {"texts": [1]})
