"""Reports of providers, applied in any order: the ledger, the addresses, and the events that journeys hear."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.reports import ReportResult, Reports
from application.step_decisions import StepDecisions
from domain.journey.requests import AuthorizeRequest
from domain.sending.address_reports import SOFT_BOUNCES
from domain.sending.gate_answers import Granted, Refused
from domain.sending.reports import Bounce, ProviderReport, ReportKind
from store.database import Database
from tests.engine.caps_worker import patiently
from tests.engine.ingesting import AT
from tests.engine.positions import UNRECORDED
from tests.harness import Harness
from tests.proofs import rounds
from tests.races import Lead

SEED = 20_261_201
ROUNDS = rounds(40, 1_000)
PROVIDER = "smtp"
LETTER = """
key: letter
name: Letter
entry: {event: Signed Up, reentry: always}
exit: [{event: Email Bounced}]
steps:
  - {id: rest, delay: 30d}
  - {id: hello, send: {channel: email, template: note, category: transactional}}
"""


@pytest.fixture
async def reports(database_url: str) -> AsyncIterator[Reports]:
    """As an API process of its own has it."""
    async with Database(database_url, pool_size=10) as database:
        catalogue = Catalogue()
        yield Reports(database, catalogue, Ingest(database, catalogue))


def said(
    message: UUID | None,
    kind: ReportKind,
    *,
    id: str | None = None,
    hours: float = 1,
    bounce: Bounce | None = None,
    **more: Any,
) -> ProviderReport:
    at = AT + timedelta(hours=hours)
    return ProviderReport(kind=kind, event_id=id or str(uuid4()), message_id=message, at=at, bounce=bounce, **more)


async def handed_over(harness: Harness, user: str = "u1", *states: str, address: str | None = None) -> list[UUID]:
    """Messages of this user in these states, as the provider has them."""
    address = address or f"{user}@example.com"
    await harness.identify(user, email=address)
    await harness.track(user, "Signed Up")
    rows = await harness.query(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template,
                              state, at, expires_at, attempts, provider, address)
        SELECT gen_random_uuid(), journeys.id, profile_id, campaign_key, 'hello', place, 'email', 'marketing', 'note',
               item.state, %s, %s, 1, %s, %s
        FROM journeys JOIN profiles ON profiles.id = profile_id,
             unnest(%s::text[]) WITH ORDINALITY AS item (state, place)
        WHERE user_id = %s AND journeys.id = (
          SELECT id FROM journeys AS own WHERE own.profile_id = profiles.id ORDER BY id DESC LIMIT 1)
        RETURNING id, visit
        """,
        AT,
        AT + timedelta(days=60),
        PROVIDER,
        address,
        list(states or ("sent",)),
        user,
    )
    return [row["id"] for row in sorted(rows, key=lambda row: int(row["visit"]))]


async def apply(reports: Reports, *told: ProviderReport, provider: str = PROVIDER) -> ReportResult:
    return await reports.apply(provider, told, received_at=AT + timedelta(days=20))


async def suppressed(harness: Harness) -> dict[str, str | None]:
    rows = await harness.query("SELECT value, refusals ->> 'suppression' AS why FROM addresses WHERE refusals <> '{}'")
    return {row["value"]: row["why"] for row in rows}


@pytest.mark.parametrize("state", ["sending", "unknown", "reserved"])
@pytest.mark.parametrize("kind", ["accepted", "delivered", "opened", "bounced"])
async def test_a_report_proves_that_a_message_was_sent(
    harness: Harness, reports: Reports, state: str, kind: ReportKind
) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness, "u1", state)
    assert await apply(reports, said(id, kind, provider_id="p-1")) == ReportResult(applied=1)
    [row] = await harness.messages.all()
    assert (row["state"], row["provider_id"], row["settled_at"] is not None) == ("sent", "p-1", True)


async def test_a_message_that_the_provider_dropped_is_not_proved(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness, "u1", "unknown")
    await apply(reports, said(id, "failed"))
    assert (await harness.messages.one())["state"] == "unknown"


async def test_a_lost_answer_becomes_sent_and_the_attempts_journey_goes_on(harness: Harness, reports: Reports) -> None:
    """The report comes between two attempts: the second one finds the outcome, and hands nothing over."""
    harness.inbox.greylist.add("u1@example.com")
    await harness.run_campaign(LETTER.replace("delay: 30d", "delay: 1s"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.until_put_off()
    [row] = await harness.messages.all()
    await apply(reports, said(row["id"], "accepted"))
    assert await handle.result() == "completed"
    assert (await harness.messages.one())["state"] == "sent"
    assert harness.inbox.messages == []


async def test_reports_in_any_order_come_to_the_same(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER.replace("Email Bounced", "Account Closed"))
    random.seed(SEED)
    print(f"seed {SEED}")  # noqa: T201
    kinds: list[tuple[ReportKind, dict[str, Any]]] = [
        ("delivered", {"hours": 1}),
        ("opened", {"hours": 2}),
        ("opened", {"hours": 0.5, "is_machine": True}),
        ("clicked", {"hours": 4, "link": "https://shop.example/b"}),
        ("clicked", {"hours": 3, "link": "https://shop.example/a"}),
        ("bounced", {"hours": 5, "bounce": "soft"}),
        ("complained", {"hours": 6}),
    ]
    seen = []
    for number, order in enumerate(random.sample(list(itertools.permutations(kinds)), 6)):
        [id] = await handed_over(harness, f"u{number}", "sending")
        told = [said(id, kind, id=f"{id} {place}", **more) for place, (kind, more) in enumerate(order)]
        cut = random.randrange(len(told))
        await apply(reports, *told[:cut])
        await apply(reports, *told)
        [row] = await harness.query("SELECT * FROM messages WHERE id = %s", id)
        seen.append({name: row[name] for name in row if name.endswith("_at") or name in ("bounce", "clicked_link")})
    expected = {
        name: AT + timedelta(hours=hours)
        for name, hours in (
            ("delivered_at", 1),
            ("opened_at", 2),
            ("clicked_at", 3),
            ("bounced_at", 5),
            ("complained_at", 6),
            ("machine_at", 0.5),
        )
    }
    for row in seen:
        assert row | expected | {"bounce": "soft", "clicked_link": "https://shop.example/a"} == row


async def test_a_repeated_report_changes_nothing(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    opened = said(id, "opened")
    assert await apply(reports, opened, opened) == ReportResult(applied=1, repeated=1)
    assert await apply(reports, opened) == ReportResult(repeated=1)
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Email Opened'")) == 1
    # Another provider's reports have ids of their own, and do not reach this one's messages.
    assert await apply(reports, opened, provider="postmark") == ReportResult(unknown=1)
    assert await apply(reports, said(uuid4(), "opened"), said(None, "bounced")) == ReportResult(unknown=2)


async def test_events_carry_what_they_are_about(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    await apply(
        reports,
        said(id, "delivered"),
        said(id, "clicked", link="https://shop.example/a"),
        said(id, "opened", is_machine=True),
        said(id, "opened", user_agent="Mozilla/5.0 (Windows NT 5.1) (via ggpht.com GoogleImageProxy)"),
        said(id, "clicked", link="https://shop.example/b", user_agent="python-requests/2.32"),
        said(id, "complained"),
        said(id, "deferred", detail="busy"),
    )
    events = await harness.query("SELECT name, properties, timestamp FROM events WHERE type = 'track' ORDER BY name")
    assert [row["name"] for row in events] == ["Email Link Clicked", "Email Marked as Spam", "Signed Up"]
    assert events[0]["properties"] == {
        "message_id": str(id),
        "channel": "email",
        "campaign": "letter",
        "step": "hello",
        "template": "note",
        "arms": {},
        "provider": PROVIDER,
        "link": "https://shop.example/a",
    }
    assert events[0]["timestamp"] == AT + timedelta(hours=1)
    lines = [item["summary"] for item in await harness.timeline("u1")]
    assert "Email Marked as Spam" in lines


async def test_a_delivery_is_an_event_where_a_rule_listens(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER.replace("Email Bounced", "Email Delivered"))
    [id] = await handed_over(harness)
    await apply(reports, said(id, "delivered", hours=24))
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Email Delivered'")) == 1
    assert (await harness.journeys.one())["state"] == "exited"


async def test_a_journey_branches_on_the_link(harness: Harness, reports: Reports) -> None:
    campaign = """
key: offer
name: Offer
entry: {event: Signed Up}
steps:
  - {id: hello, send: {channel: email, template: note}}
  - {id: rest, delay: 1d}
  - id: which
    branch:
      - when: journey.clicks.hello == "https://shop.example/a" && journey.messages.hello == "opened"
        do: [{exit: a}]
      - {when: 'journey.clicks.hello == "none"', do: [{exit: none}]}
"""
    await harness.run_campaign(campaign)
    for user, link in (("u1", "https://shop.example/a"), ("u2", None)):
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Signed Up")
        [row] = await harness.messages.until(user_id=user, state="sent")
        if link:
            await apply(reports, said(row["id"], "clicked", link=link))
        handle = await harness.journey(user)
        await harness.skip(handle, days=1)
        assert await handle.result() == ("a" if link else "none")


@pytest.mark.parametrize(
    ("kind", "bounce", "reason"),
    [("bounced", "hard", "bounced"), ("complained", None, "complained"), ("bounced", "content", None)],
)
async def test_an_address_is_suppressed_by_what_is_its_own_fault(
    harness: Harness, reports: Reports, kind: ReportKind, bounce: Bounce | None, reason: str | None
) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    # The person has another address by now, which is not concerned.
    await harness.identify("u1", email="new@example.com")
    await apply(reports, said(id, kind, bounce=bounce))
    assert await suppressed(harness) == ({"u1@example.com": reason} if reason else {})
    if reason:
        changes = [change["summary"] for item in await harness.timeline("u1") for change in item["changes"]]
        assert f"address: u1@example.com suppression ({reason})" in changes


async def test_soft_bounces_in_a_row_suppress_an_address(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER.replace("Email Bounced", "Account Closed"))
    ids = await handed_over(harness, "u1", *["sent"] * (2 * SOFT_BOUNCES + 2))

    def soft(number: int) -> ProviderReport:
        return said(ids[number], "bounced", bounce="soft", hours=number + 1)

    # Twice about one message is one bounce, and a delivery ends the row, in whichever order they are reported.
    await apply(reports, *(soft(number) for number in range(SOFT_BOUNCES - 1)), said(ids[0], "bounced", bounce="soft"))
    assert await suppressed(harness) == {}
    await apply(reports, said(ids[4], "delivered", hours=SOFT_BOUNCES - 0.5), soft(SOFT_BOUNCES))
    assert await suppressed(harness) == {}
    row = [soft(number) for number in range(SOFT_BOUNCES + 1, 2 * SOFT_BOUNCES)]
    await asyncio.gather(*(apply(reports, one) for one in row))
    assert await suppressed(harness) == {"u1@example.com": f"bounced {SOFT_BOUNCES} times in a row"}
    # An operator lifts it: as many again are needed.
    await harness.admin("DELETE", "/v1/users/u1/suppressions/email")
    await apply(reports, soft(2 * SOFT_BOUNCES))
    assert (await suppressed(harness))["u1@example.com"] is None


@pytest.mark.parametrize(("days", "is_delivered"), [(3, False), (8, True)])
async def test_a_message_that_has_not_bounced_for_a_week_ends_the_row(
    harness: Harness, reports: Reports, days: int, is_delivered: bool
) -> None:
    """A mail server may report bounces alone, each days later."""
    await harness.run_campaign(LETTER.replace("Email Bounced", "Account Closed"))
    ids = await handed_over(harness, "u1", *["sent"] * (SOFT_BOUNCES + 2))
    await apply(reports, *(said(id, "bounced", bounce="soft", hours=1) for id in ids[: SOFT_BOUNCES - 1]))
    [now] = await harness.query("SELECT now() AS at")
    sent_at = now["at"] - timedelta(days=days)
    await harness.query("UPDATE messages SET settled_at = %s WHERE id = %s RETURNING 1", sent_at, ids[-1])
    fifth = ProviderReport(kind="bounced", event_id="fifth", message_id=ids[-2], at=now["at"], bounce="soft")
    await reports.apply(PROVIDER, [fifth], received_at=now["at"])
    assert (await suppressed(harness) == {}) is is_delivered


async def test_the_id_of_another_report_unsubscribes_no_one(harness: Harness, reports: Reports) -> None:
    """A signature that covers an id alone could be reused with another content."""
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    await apply(reports, said(id, "opened", id="token"))
    assert await apply(reports, said(id, "unsubscribed", id="token")) == ReportResult(repeated=1)
    assert await harness.query("SELECT consent FROM profiles") == [{"consent": {}}]
    assert await harness.query("SELECT refusals FROM addresses WHERE refusals <> '{}'") == []


async def test_an_address_that_the_server_refuses_is_suppressed(harness: Harness) -> None:
    harness.inbox.refuse.add("u1@example.com")
    await harness.run_campaign(LETTER.replace("delay: 30d", "delay: 1s").replace("Email Bounced", "Email Failed"))
    await harness.identify("u1", email="U1@example.com")
    await harness.track("u1", "Signed Up")
    row = await harness.messages.until(state="failed")
    assert (row[0]["reason"], row[0]["bounce"], row[0]["bounced_at"]) == ("recipient_refused", "hard", None)
    assert await suppressed(harness) == {"u1@example.com": "refused"}
    assert (await harness.journeys.one())["state"] == "exited"
    [event] = await harness.query("SELECT properties FROM events WHERE name = 'Email Failed'")
    assert (event["properties"]["bounce"], event["properties"]["reason"]) == ("hard", "recipient_refused")
    # Another person with the address gets nothing any more.
    await harness.identify("u2", email="u1@example.com")
    await harness.track("u2", "Signed Up")
    [refused] = await harness.decisions.until(kind="send", outcome="refused")
    assert (refused["user_id"], refused["reason"]) == ("u2", "suppressed")


async def test_an_unsubscription_at_the_provider_is_that_of_a_link(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    once = said(id, "unsubscribed")
    for _ in range(2):
        await apply(reports, once)
    [profile] = await harness.query("SELECT consent FROM profiles")
    assert profile["consent"] == {"email": False}
    [address] = await harness.query("SELECT refusals FROM addresses")
    assert address["refusals"] == {"opt_out": f"unsubscribed at {PROVIDER}"}
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Unsubscribed'")) == 1


async def test_reports_about_the_erased_change_nothing(harness: Harness, reports: Reports) -> None:
    await harness.run_campaign(LETTER)
    [id] = await handed_over(harness)
    erased = await harness.admin("DELETE", "/v1/users/u1")
    await harness.until("SELECT 1 FROM operations WHERE id = %s AND finished_at IS NOT NULL", erased["id"])
    assert await apply(reports, said(id, "bounced", bounce="hard")) == ReportResult(unknown=1)
    assert await suppressed(harness) == {}


@pytest.mark.prove
@pytest.mark.takes_long
async def test_nothing_is_granted_after_a_bounce_was_acknowledged(
    harness: Harness, reports: Reports, database_url: str
) -> None:
    rolls = random.Random(SEED)
    print(f"seed {SEED}")  # noqa: T201
    await harness.run_campaign(LETTER.replace("Email Bounced", "Account Closed"))
    acknowledged: dict[UUID, datetime] = {}
    granted, lead = 0, Lead()
    async with Database(database_url, pool_size=10) as database:
        gate = StepDecisions(database, Catalogue(), "UTC")
        for number in range(ROUNDS):
            [message] = await handed_over(harness, f"u{number}")
            # The next message is the person's own, or that of another who has the address.
            if rolls.random() < 0.5:
                await handed_over(harness, f"other{number}", address=f"U{number}@example.com")
            [row] = await harness.query("SELECT journey_id FROM messages ORDER BY journey_id DESC LIMIT 1")
            journey: UUID = row["journey_id"]

            async def bounce(message: UUID = message, journey: UUID = journey, wait: float = lead.of_first) -> None:
                await asyncio.sleep(wait + rolls.uniform(0, 0.002))
                await apply(reports, said(message, rolls.choice(["bounced", "complained"]), bounce="hard"))
                [now] = await harness.query("SELECT clock_timestamp() AS at")
                acknowledged[journey] = now["at"]

            async def ask(visit: int, pause: float = 0.0, journey: UUID = journey) -> Granted | Refused:
                await asyncio.sleep(pause)
                request = AuthorizeRequest(journey, "hello", visit, 1, AT, AT, None, UNRECORDED)
                answer = await patiently(lambda: gate.authorize(request))
                assert isinstance(answer, Granted | Refused)
                return answer

            _, raced = await asyncio.gather(bounce(), ask(2, lead.of_second))
            granted += isinstance(raced, Granted)
            lead.adapt(second_won=isinstance(raced, Granted))
            assert isinstance(await ask(3), Refused)
    print(f"granted before the report: {granted} of {ROUNDS}")  # noqa: T201
    rows = await harness.query("SELECT journey_id, reserved_at FROM messages WHERE visit = 2")
    assert len(rows) == granted
    assert 0 < granted < ROUNDS
    assert [row for row in rows if row["reserved_at"] > acknowledged[row["journey_id"]]] == []
