"""Complaints and hard bounces pause the marketing of their provider, until an operator resumes it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import asdict, replace
from psycopg.types.json import Jsonb

from application.catalogue import Catalogue
from application.deliverability import DeliverySweeper
from application.ingest import Ingest
from application.reports import Reports
from application.step_decisions import StepDecisions
from domain.journey.requests import AuthorizeRequest
from domain.sending.deliverability import MIN_MAILED_COMPLAINTS
from domain.sending.gate_answers import Granted, Held
from domain.sending.ledger_marks import LedgerMarks
from store import message_marks
from store.database import Database
from store.delivery_counts import OUTCOMES
from tests.engine.caps_worker import patiently
from tests.engine.delivered import PROVIDER, about, handed_over, report
from tests.engine.ingesting import AT
from tests.engine.positions import UNRECORDED
from tests.engine.retry_campaigns import fail, mend, retry
from tests.engine.send_harness import EMAIL, URGENT, SendHarness, send_harness
from tests.engine.single_messages import publish, send
from tests.engine.test_provider_routes import mail_server, put_providers, sent_by, smtp
from tests.harness import Harness
from tests.proofs import rounds
from tests.races import Lead

__all__ = ["send_harness"]  # fixtures

SEED = 20_261_201
ROUNDS = rounds(25, 500)
NEWS = """
key: news
name: News
entry: {event: Signed Up, reentry: always}
steps: [{id: news, send: {channel: email, template: note}}]
"""
RECEIPT = (
    NEWS.replace("news", "receipt")
    .replace("News", "Receipt")
    .replace("template: note", "template: note, category: transactional")
)
LATER = NEWS.replace("steps: [", "steps: [{id: rest, delay: 300d}, ").replace("key: news", "key: later")


@pytest.fixture
async def reports(database_url: str) -> AsyncIterator[Reports]:
    async with open_reports(database_url) as made:
        yield made


@asynccontextmanager
async def open_reports(database_url: str) -> AsyncIterator[Reports]:
    """As an API process of its own has them."""
    async with Database(database_url, pool_size=10) as database:
        catalogue = Catalogue()
        yield Reports(database, catalogue, Ingest(database, catalogue))


async def pause(harness: Harness, reports: Reports, provider: str = PROVIDER) -> None:
    """Let a provider deliver a thousand messages, and five recipients complain."""
    ids = await handed_over(harness, 1_000, provider)
    await report(reports, about(ids), provider)
    await report(reports, about(ids[:5], "complained"), provider)


async def have_delivered(harness: Harness) -> None:
    """Count a thousand deliveries since the last pause, as their reports do."""
    await harness.query(
        """
        INSERT INTO delivery_count_changes (
          provider, domain, since, sent, delivered, hard_bounced, soft_bounced, complained, opened, clicked)
        SELECT %s, 'gmail.com', greatest(clock_timestamp(), max(resumed_at)), 1000, 1000, 0, 0, 0, 0, 0
        FROM provider_pauses RETURNING id
        """,
        PROVIDER,
    )


async def resume(harness: Harness, provider: str = PROVIDER) -> Any:
    return await harness.admin("POST", f"/v1/deliverability/{provider}/resume")


async def paused(harness: Harness) -> list[str]:
    found = await harness.admin("GET", "/v1/deliverability")
    return [one["provider"] for one in found["pauses"] if one["resumed_at"] is None]


async def sign_up(harness: Harness, *users: str) -> None:
    for user in users:
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Signed Up")


async def test_complaints_hold_marketing_with_the_reason_until_an_operator_resumes(
    harness: Harness, reports: Reports
) -> None:
    await pause(harness, reports)
    await harness.run_campaign(NEWS)
    await harness.run_campaign(RECEIPT)
    await sign_up(harness, "u1")
    [held] = await harness.decisions.until(campaign_key="news", outcome="held")
    assert held["reason"] == "provider_paused"
    known = {"provider": PROVIDER, "cause": "complaints", "number": 5, "messages": 1_000, "rate": 0.005, "limit": 0.001}
    assert known.items() <= held["data"].items()
    await harness.messages.until(step="receipt", state="sent")
    lines = [item["summary"] for item in await harness.timeline("u1")]
    [line] = [one for one in lines if one.startswith("news: held")]
    assert line.startswith("news: held: marketing by smtp is paused since ")
    assert line.endswith(": 5 complaints in 1,000 messages (0.50%, at most 0.1%)")
    assert "receipt: granted, by smtp" in lines
    assert await paused(harness) == [PROVIDER]
    [shown] = (await harness.admin("GET", "/v1/deliverability"))["pauses"]
    assert (shown["number"], shown["rate"], shown["resumed_by"]) == (5, 0.005, None)
    ended = await resume(harness)
    assert ended["pause"]["resumed_by"] == "SOJOURN_ADMIN_KEY"
    await harness.messages.until(step="news", state="sent")
    assert await paused(harness) == []
    # Once more changes nothing.
    assert await resume(harness) == ended
    entries = (await harness.admin("GET", f"/v1/audit-log?target={PROVIDER}"))["entries"]
    assert [entry["action"] for entry in entries] == ["deliverability.resume"]
    assert (await harness.act("POST", "/v1/deliverability/smpt/resume")).status_code == 404


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


@pytest.mark.prove
@pytest.mark.takes_long
async def test_no_marketing_is_granted_after_the_report_that_pauses_was_acknowledged(
    harness: Harness, reports: Reports, database_url: str
) -> None:
    rolls = random.Random(SEED)
    print(f"seed {SEED}")  # noqa: T201
    await harness.run_campaign(LATER)
    acknowledged: dict[int, datetime] = {}
    granted, lead = 0, Lead()
    async with Database(database_url, pool_size=10) as database:
        gate = StepDecisions(database, Catalogue(), "UTC")
        await sign_up(harness, "u1")
        [row] = await harness.journeys.all(campaign_key="later")
        journey: UUID = row["id"]
        for number in range(1, ROUNDS + 1):
            await have_delivered(harness)
            ids = await handed_over(harness, 5)
            await report(reports, about(ids[:4], "complained"))

            async def complain(number: int = number, id: UUID = ids[4], wait: float = lead.of_first) -> None:
                await asyncio.sleep(wait + rolls.uniform(0, 0.002))
                await report(reports, about([id], "complained"))
                [now] = await harness.query("SELECT clock_timestamp() AS at")
                acknowledged[number] = now["at"]

            async def ask(visit: int, pause: float = 0.0) -> Granted | Held:
                await asyncio.sleep(pause)
                request = AuthorizeRequest(journey, "news", visit, 1, AT, AT, None, UNRECORDED)
                answer = await patiently(lambda: gate.authorize(request))
                assert isinstance(answer, Granted | Held)
                return answer

            _, raced = await asyncio.gather(complain(), ask(2 * number, lead.of_second))
            granted += isinstance(raced, Granted)
            lead.adapt(second_won=isinstance(raced, Granted))
            assert isinstance(await ask(2 * number + 1), Held)
            await resume(harness)
    print(f"granted before the report: {granted} of {ROUNDS}")  # noqa: T201
    rows = await harness.query("SELECT visit, reserved_at FROM messages WHERE step = 'news'")
    assert len(rows) == granted
    assert 0 < granted < ROUNDS
    assert [row for row in rows if row["reserved_at"] > acknowledged[row["visit"] // 2]] == []


@pytest.mark.parametrize(("send_harness", "state"), [(EMAIL, "postponed"), (URGENT, "sent")], indirect=["send_harness"])
async def test_a_granted_message_goes_back_to_the_gate(send_harness: SendHarness, reports: Reports, state: str) -> None:
    await pause(send_harness.harness, reports)
    assert (await send_harness.attempt()).state == state
    if state == "postponed":
        assert send_harness.provider.got == []
        assert await send_harness.state() == ("cancelled", "provider_paused")
        await resume(send_harness.harness)
        assert isinstance(await send_harness.ask(2, AT), Granted)
        assert (await send_harness.attempt()).state == "sent"


async def test_no_other_provider_takes_over_until_the_document_says_so(harness: Harness, reports: Reports) -> None:
    async with mail_server() as first, mail_server() as second:
        both = f"providers:\n  first: {smtp(first)}\n  second: {smtp(second)}\n"
        await put_providers(harness, f"{both}routes: [{{channel: email, use: [first, second]}}]\n")
        await pause(harness, reports, "first")
        await harness.run_campaign(NEWS)
        await sign_up(harness, "u1", "u2")
        await harness.decisions.until(2, outcome="held", reason="provider_paused")
        assert await harness.messages.all(step="news") == []
        shown = (await harness.admin("GET", "/v1/providers"))["rules"]
        assert [rule["name"] for rule in shown if "pause" in rule] == ["first"]
        await put_providers(harness, f"{both}routes: [{{channel: email, use: [second]}}]\n")
        await harness.messages.until(2, step="news", state="sent")
        assert {row["provider"] for row in await harness.messages.all(step="news")} == {"second"}
        # The pause itself stays.
        assert await paused(harness) == ["first"]


async def test_the_retry_of_a_failed_message_goes_on_at_the_resumption(harness: Harness, reports: Reports) -> None:
    await fail(harness, "u1")
    await mend(harness)
    await pause(harness, reports)
    await retry(harness, campaign="promotion")
    await harness.decisions.until(reason="provider_paused", campaign_key="promotion")
    await resume(harness)
    await harness.messages.until(state="sent", campaign_key="promotion")
    assert len(await harness.decisions.all(reason="provider_paused", campaign_key="promotion")) == 1


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


async def test_a_single_message_of_marketing_waits_as_well(harness: Harness, reports: Reports) -> None:
    await publish(harness)
    await harness.identify("u-1", email="ada@example.com")
    await pause(harness, reports)
    held = await send(harness, category="marketing")
    assert (held["state"], held["reason"]) == ("held", "provider_paused")
    assert (await send(harness))["state"] == "reserved"
    await resume(harness)
    await harness.messages.until(id=UUID(held["id"]), state="sent")


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
