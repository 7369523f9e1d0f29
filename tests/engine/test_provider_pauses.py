"""A pause of a provider holds its marketing, until an operator resumes it."""

import asyncio
import random
from datetime import datetime
from uuid import UUID

import pytest

from application.catalogue import Catalogue
from application.reports import Reports
from application.step_decisions import StepDecisions
from domain.journey.requests import AuthorizeRequest
from domain.sending.gate_answers import Granted, Held
from store.database import Database
from tests.engine.caps_worker import patiently
from tests.engine.delivered import PROVIDER, about, handed_over, report
from tests.engine.ingesting import AT
from tests.engine.pausing import NEWS, have_delivered, pause, paused, reports, resume, sign_up
from tests.engine.positions import UNRECORDED
from tests.engine.retry_campaigns import fail, mend, retry
from tests.engine.send_harness import EMAIL, URGENT, SendHarness, send_harness
from tests.engine.single_messages import publish, send
from tests.engine.test_provider_routes import mail_server, put_providers, smtp
from tests.harness import Harness
from tests.proofs import rounds
from tests.races import Lead

__all__ = ["reports", "send_harness"]  # fixtures

SEED = 20_261_201
ROUNDS = rounds(25, 500)
RECEIPT = (
    NEWS.replace("news", "receipt")
    .replace("News", "Receipt")
    .replace("template: note", "template: note, category: transactional")
)
LATER = NEWS.replace("steps: [", "steps: [{id: rest, delay: 300d}, ").replace("key: news", "key: later")


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


async def test_a_single_message_of_marketing_waits_as_well(harness: Harness, reports: Reports) -> None:
    await publish(harness)
    await harness.identify("u-1", email="ada@example.com")
    await pause(harness, reports)
    held = await send(harness, category="marketing")
    assert (held["state"], held["reason"]) == ("held", "provider_paused")
    assert (await send(harness))["state"] == "reserved"
    await resume(harness)
    await harness.messages.until(id=UUID(held["id"]), state="sent")
