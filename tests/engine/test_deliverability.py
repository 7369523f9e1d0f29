"""Complaints and hard bounces are counted as rates, which pause a provider."""

import asyncio
import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import asdict, replace
from psycopg.types.json import Jsonb

from application.deliverability import DeliverySweeper
from application.reports import Reports
from domain.sending.deliverability import MIN_MAILED_COMPLAINTS
from domain.sending.ledger_marks import LedgerMarks
from store import message_marks
from store.delivery_counts import OUTCOMES
from tests.engine.delivered import PROVIDER, about, handed_over, report
from tests.engine.ingesting import AT
from tests.engine.pausing import NEWS, have_delivered, open_reports, pause, paused, reports, resume, sign_up
from tests.engine.test_provider_routes import put_providers, sent_by
from tests.harness import Harness
from tests.proofs import rounds

__all__ = ["reports"]  # fixtures

SEED = 20_261_201


async def test_a_pause_does_not_come_back_from_the_same_numbers(harness: Harness, reports: Reports) -> None:
    await pause(harness, reports)
    await resume(harness)
    more = await handed_over(harness, 1_004)
    # There are no deliveries yet.
    await report(reports, about(more[:5], "complained"))
    sweeper = DeliverySweeper(harness.database)
    await sweeper.sweep()
    assert await paused(harness) == []
    await report(reports, about(more[:999]))
    await report(reports, about(more[5:6], "complained"))
    assert await paused(harness) == []
    await report(reports, about(more[999:]))
    await harness.until("SELECT 1 FROM provider_pauses WHERE resumed_at IS NULL")
    [row] = await harness.query("SELECT * FROM provider_pauses WHERE resumed_at IS NULL")
    # Each of those that are complained of was sent, whether its delivery is reported or not.
    assert (row["cause"], row["number"]) == ("complaints", 6)


async def test_hard_bounces_pause_and_a_repeated_report_counts_once(harness: Harness, reports: Reports) -> None:
    ids = await handed_over(harness, 1_000)
    await report(reports, about(ids[:980]))
    bounced = about(ids[980:], "bounced", "hard")
    for _ in range(3):
        await report(reports, bounced)
    await report(reports, about(ids[980:], "bounced", "hard"))
    assert await paused(harness) == []
    await report(reports, about(await handed_over(harness, 1), "bounced", "hard"))
    assert await paused(harness) == [PROVIDER]


async def sent_before(harness: Harness, number: int, ago: timedelta) -> list[UUID]:
    """So many messages that a provider took some time ago."""
    rows = await harness.query(
        "UPDATE messages SET state = 'sent', settled_at = now() - %s WHERE id = ANY(%s) RETURNING id",
        ago,
        await handed_over(harness, number),
    )
    return [row["id"] for row in rows]


async def test_late_complaints_are_judged_with_the_deliveries_of_their_messages(
    harness: Harness, reports: Reports
) -> None:
    large = await sent_before(harness, 6_000, timedelta(hours=30))
    await report(reports, about(large))
    # Of a small mailing since, and of the large one before: 6 of 6,000 are allowed, and 6 of 1,000 would not be.
    await report(reports, about(await handed_over(harness, 1_000)))
    await report(reports, about(large[:6], "complained"))
    assert await paused(harness) == []
    # Reported on the second day, too: of one large mailing too many have complained.
    await report(reports, about(large[6:14], "complained"))
    [pause] = (await harness.admin("GET", "/v1/deliverability"))["pauses"]
    assert (pause["number"], pause["messages"]) == (14, 7_000)


async def test_messages_of_before_a_resumption_are_not_judged_again(harness: Harness, reports: Reports) -> None:
    old = await handed_over(harness, 1_000)
    await report(reports, about(old))
    await report(reports, about(old[:5], "complained"))
    await resume(harness)
    await report(reports, about(await handed_over(harness, 1_000)))
    await report(reports, about(old[5:50], "complained"))
    assert await paused(harness) == []


async def test_one_recipient_of_many_messages_makes_no_rate(harness: Harness, reports: Reports) -> None:
    ids = await handed_over(harness, 1_000)
    await report(reports, about(ids))
    await harness.query(
        "UPDATE messages SET address = 'one@gmail.com' WHERE id = ANY(%s) RETURNING id", [*ids[:10], *ids[20:50]]
    )
    await report(reports, about(ids[:5], "complained"))
    await report(reports, [*about(ids[5:10], "complained"), *about(ids[20:50], "bounced", "hard")])
    assert await paused(harness) == []
    [row] = (await harness.admin("GET", "/v1/deliverability"))["numbers"]
    assert (row["complained"], row["hard_bounced"]) == (1, 1)
    await report(reports, about(ids[10:14], "complained"))
    assert await paused(harness) == [PROVIDER]


async def test_complaints_by_mail_pause_once_many_recipients_have_sent_one(harness: Harness, reports: Reports) -> None:
    ids = await handed_over(harness, 1_000)
    await report(reports, about(ids))
    mailed = [replace(one, by_mail=True) for one in about(ids[:MIN_MAILED_COMPLAINTS], "complained")]
    await report(reports, mailed[1:])
    assert await paused(harness) == []
    await report(reports, mailed[:1])
    assert await paused(harness) == [PROVIDER]


async def test_a_soft_bounce_that_becomes_hard_is_counted_as_hard(harness: Harness, reports: Reports) -> None:
    ids = await handed_over(harness, 3)
    await report(reports, about(ids, "bounced", "soft"))
    later = [replace(one, at=one.at + timedelta(hours=1)) for one in about(ids[:2], "bounced", "hard")]
    await report(reports, later)
    # A soft one that arrives last, and happened before.
    await report(reports, [replace(one, at=AT - timedelta(hours=1)) for one in about(ids[:1], "bounced", "soft")])
    rows = await harness.query("SELECT id, bounce FROM messages WHERE id = ANY(%s)", ids)
    assert {row["id"]: row["bounce"] for row in rows} == {ids[0]: "hard", ids[1]: "hard", ids[2]: "soft"}
    [row] = (await harness.admin("GET", "/v1/deliverability"))["numbers"]
    assert (row["hard_bounced"], row["soft_bounced"]) == (2, 1)


async def test_addresses_that_a_server_refuses_count_as_hard_bounces(harness: Harness, reports: Reports) -> None:
    await report(reports, about(await handed_over(harness, 979)))
    gone = await handed_over(harness, 20)
    await report(reports, about(gone, "bounced", "hard"))
    assert await paused(harness) == []
    harness.inbox.refuse.add("u1@example.com")
    await harness.run_campaign(NEWS)
    await sign_up(harness, "u1")
    await harness.messages.until(step="news", state="failed")
    # The attempt has judged the rate before it settled.
    assert await paused(harness) == [PROVIDER]
    numbers = (await harness.admin("GET", "/v1/deliverability"))["numbers"]
    assert [row["refused"] for row in numbers if row["domain"] == "other"] == [1]


async def test_the_last_of_complaints_that_come_at_once_finds_them_all(
    harness: Harness, reports: Reports, database_url: str
) -> None:
    async with open_reports(database_url) as others:
        for _ in range(rounds(4, 60)):
            await have_delivered(harness)
            told = [about([id], "complained") for id in await handed_over(harness, 5)]
            await asyncio.gather(*(report(random.choice([reports, others]), one) for one in told))
            assert await paused(harness) == [PROVIDER]
            await resume(harness)


async def test_a_provider_is_paused_by_the_rates_of_the_document(harness: Harness, reports: Reports) -> None:
    relay = "{kind: smtp, channel: email, host: 127.0.0.1, security: none, pause: {complaints: 1%}}"
    await put_providers(harness, f"providers:\n  {PROVIDER}: {relay}\n")
    ids = await handed_over(harness, 1_000)
    await report(reports, about(ids))
    await report(reports, about(ids[:10], "complained"))
    assert await paused(harness) == []
    await report(reports, about(ids[10:11], "complained"))
    [shown] = (await harness.admin("GET", "/v1/deliverability"))["pauses"]
    assert (shown["cause"], shown["number"], shown["limit"]) == ("complaints", 11, 0.01)


async def test_the_numbers_are_those_of_the_ledger_whatever_is_added_up_meanwhile(
    harness: Harness, reports: Reports, database_url: str
) -> None:
    rolls = random.Random(SEED)
    print(f"seed {SEED}")  # noqa: T201
    ids = [*await handed_over(harness, 60), *await handed_over(harness, 40, domain="example.com")]
    kinds: list[tuple[Any, ...]] = [
        ("delivered",),
        ("opened",),
        ("clicked",),
        ("complained",),
        ("bounced", "hard"),
        ("bounced", "soft"),
        ("bounced", "content"),
        ("accepted",),
    ]
    told = [one for kind in kinds for one in about(rolls.sample(ids, 30), *kind)]
    told += about(rolls.sample(ids, 20), "opened", is_machine=True)
    told += rolls.choices(told, k=60)
    rolls.shuffle(told)
    sweeper = DeliverySweeper(harness.database)

    async def add_up() -> None:
        for _ in range(10):
            await sweeper.sweep()

    async with open_reports(database_url) as others:
        await asyncio.gather(
            report(reports, told[::2]), report(others, told[1::2]), add_up(), DeliverySweeper(harness.database).sweep()
        )
    counted = {
        (one["domain"], name): one[name]
        for one in (await harness.admin("GET", "/v1/deliverability"))["numbers"]
        for name in OUTCOMES
    }
    rows = await harness.query(
        """
        SELECT CASE WHEN address LIKE '%%@gmail.com' THEN 'gmail.com' ELSE 'other' END AS domain,
               count(*) FILTER (WHERE state = 'sent') AS sent, count(delivered_at) AS delivered,
               count(bounced_at) AS bounced,
               count(complained_at) AS complained, count(opened_at) AS opened, count(clicked_at) AS clicked
        FROM messages WHERE provider = %s GROUP BY 1
        """,
        PROVIDER,
    )
    recount = {(row["domain"], name): row[name] for row in rows for name in OUTCOMES if name in row}
    assert recount.items() <= counted.items()
    for row in rows:
        bounced = counted[row["domain"], "hard_bounced"] + counted[row["domain"], "soft_bounced"]
        assert bounced == row["bounced"]


async def test_an_attempt_counts_what_it_sends_once(harness: Harness) -> None:
    await harness.run_campaign(NEWS)
    await sign_up(harness, "u1", "u2")
    await sent_by(harness, 2)
    await harness.until("SELECT 1 FROM delivery_counts")
    found = await harness.admin("GET", "/v1/deliverability?days=7")
    [row] = found["numbers"]
    assert (row["provider"], row["domain"], row["sent"], row["rates"]["delivered"]) == (PROVIDER, "other", 2, 0)


@pytest.mark.parametrize(
    ("marks", "is_first"),
    [
        ({"delivered_at": AT}, False),
        ({"bounced_at": AT, "bounce": "soft"}, False),
        ({"bounced_at": AT, "bounce": "hard"}, True),
        ({"complained_at": AT}, True),
    ],
    ids=["delivered", "soft-bounce", "hard-bounce", "complaint"],
)
async def test_other_messages_of_a_person_are_read_for_hard_bounces_and_complaints_alone(
    harness: Harness, marks: dict[str, Any], is_first: bool
) -> None:
    """Deliveries are the most, and a person may have many messages."""
    ids = await handed_over(harness, 3)
    items = Jsonb([asdict(LedgerMarks(id=id, is_accepted=True, **marks)) for id in ids])
    async with harness.database.transaction() as connection:
        statement = f"EXPLAIN (ANALYZE, TIMING off, COSTS off) {message_marks._MARK}"
        cursor = await connection.execute(statement, {"marks": items, "ending": []})
        plan = [row["QUERY PLAN"] async for row in cursor]
    reads = [line for line in plan if " on messages other" in line]
    assert len(reads) == 2
    assert any("never executed" not in line for line in reads) == is_first
