"""Backtests: what campaigns would have done over recorded events."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from multiprocessing import active_children

import pytest
from msgspec.structs import replace

from application.ingest import Ingest
from application.rehearsal import backtests
from application.rehearsal.backtests import Backtest
from application.rehearsal.deployments import BacktestedRules, read_deployed
from application.rehearsal.simulations import BacktestOptions
from application.rehearsal.traces import trace
from domain.deployment_documents import FREQUENCY_CAPS
from domain.errors import NotFoundError, UnavailableError
from domain.rehearsal.fidelity import Fidelity
from domain.rehearsal.report import StepRefusals
from domain.rehearsal.report_text import write_report
from domain.rehearsal.rulebook import DeployedRules
from domain.sending.routes import DEVELOPMENT_PROVIDERS
from store.database import Database
from tests.engine.backtesting import CAPS, CART, DAY, NOTHING, does, given, knows, of, run
from tests.engine.ingesting import AT, event
from tests.harness import MAIL, Harness
from tests.processes import ROOT

REACTS = """
key: welcome
name: Welcome
entry: {event: Signed Up}
steps:
  - {id: rest, delay: 2s}
  - {id: hello, send: {channel: email, template: note}}
  - id: opened
    wait_for: {event: Email Opened, timeout: 30d}
    on_event: [{id: which, branch: [{when: journey.messages.hello == "opened", do: [{id: engaged, exit: engaged}]}]}]
"""
# A process of shards, whose first one waits.
ALONE = """
from datetime import datetime, timedelta, UTC
from application.rehearsal.deployments import BacktestedRules
from application.rehearsal.shards import ShardSetup, open_pool
from application.rehearsal.simulations import BacktestOptions
from domain.rehearsal.rulebook import DeployedRules

now = datetime.now(UTC)
options = BacktestOptions(since=now - timedelta(days=1), until=now)
with open_pool(ShardSetup("", BacktestedRules((), DeployedRules()), options, "UTC", {}), 1) as pool:
    pool.submit(print, "ready", flush=True).result()
    input()
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=2) as database:
        yield database


async def test_a_report_tells_who_would_have_got_what(ingest: Ingest, database: Database) -> None:
    await knows(ingest, "ada", "bob", "eve", "zoe")
    await does(ingest, "ada", "Cart Abandoned", AT + DAY, value=80)
    await does(ingest, "ada", "Cart Abandoned", AT + DAY + timedelta(hours=3), value=90)
    await does(ingest, "bob", "Cart Abandoned", AT + 2 * DAY, value=20)
    await does(ingest, "eve", "Cart Abandoned", AT + 3 * DAY, value=99)
    await does(ingest, "eve", "Order Completed", AT + 3 * DAY + timedelta(minutes=10))
    found = await run(database, given(CART), caps=CAPS)
    report = of(found)
    assert (report.entered, report.sent, report.goals) == (3, 1, 1)
    assert report.not_sent == [StepRefusals("nudge", "capped", "daily", 1)]
    assert report.ends == {"completed": 2, "exited": 1}
    assert [dict(one.days) for one in report.messages] == [{"2026-11-02": 1}]
    assert found.report.messages_per_person == {0: 3, 1: 1}
    assert found.report.head.people == 4
    [cap] = found.report.caps
    assert (cap.rule, cap.refused, cap.taken_by) == ("daily", 1, {"cart": 1})
    assert (found.report.rendered, found.report.faults) == (1, [])
    text = write_report(found.report)
    assert "| cart | 3 | 1 | 1 | 1 |" in text
    assert "Assumed: " in text


async def test_shards_of_people_add_up(ingest: Ingest, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    users = [f"u{number}" for number in range(5)]
    await knows(ingest, *users)
    for user in users:
        await does(ingest, user, "Cart Abandoned", AT + DAY, value=80)
    whole = (await run(database, given(CART))).report
    monkeypatch.setattr(backtests, "SHARD", 2)
    assert (await run(database, given(CART))).report == whole
    assert (await run(database, given(CART), processes=2)).report == whole
    assert (whole.rendered, whole.campaigns[0].sent) == (5, 5)


async def test_an_end_waits_for_no_shard_that_has_not_begun(
    ingest: Ingest, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each shard reads by a connection of its own."""
    shards = 60
    await knows(ingest, *(f"u{number}" for number in range(shards)))
    monkeypatch.setattr(backtests, "SHARD", 1)
    options = BacktestOptions(since=AT, until=AT + DAY)
    rules = BacktestedRules((given(CART),), DeployedRules())
    backtest = Backtest(database, rules, NOTHING, options, "UTC", DEVELOPMENT_PROVIDERS, 2)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = await _count_sessions(database)
    with pytest.raises(KeyboardInterrupt):
        await backtest.run(["a.yaml"], stop)
    assert await _count_sessions(database) - before < shards / 2


async def test_a_process_that_is_killed_is_told(
    ingest: Ingest, database: Database, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    await knows(ingest, *(f"u{number}" for number in range(60)))
    monkeypatch.setattr(backtests, "SHARD", 1)
    rules = BacktestedRules((given(CART),), DeployedRules())
    options = BacktestOptions(since=AT, until=AT + DAY)
    backtest = Backtest(database, rules, NOTHING, options, "UTC", DEVELOPMENT_PROVIDERS, 2)

    def kill(done: int, total: int) -> None:
        # Ctrl-C reaches all processes, and only the first one heeds it.
        for process in active_children():
            os.kill(process.pid or 0, signal.SIGINT)
        if done == 5:
            active_children()[0].kill()

    with pytest.raises(UnavailableError, match="--sample"):
        await backtest.run(["a.yaml"], kill)
    gc.collect()
    assert "KeyboardInterrupt" not in capfd.readouterr().err


def test_no_process_outlives_the_first_one() -> None:
    command = [sys.executable, "-c", ALONE]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"ready\n"
        first.kill()
        # The pipe ends with the last process that has it.
        assert first.communicate(timeout=30)[0] == b""


async def _count_sessions(database: Database) -> int:
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT sessions FROM pg_stat_database WHERE datname = current_database()")
        [row] = await cursor.fetchall()
        return int(row["sessions"])


async def test_people_are_cut_off_from_the_months_that_are_dropped(ingest: Ingest, database: Database) -> None:
    """Clocks differ: a person can be a little older than their first event, of which nothing is missing."""
    await knows(ingest, "ada", at=AT - 40 * DAY)
    await knows(ingest, "bob", at=AT)
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM events WHERE received_at < %s", (AT,))
        await connection.execute("UPDATE profiles SET created_at = %s WHERE user_id = 'bob'", (AT - DAY / 86_400,))
    missing = (await run(database, given(CART))).report.head.missing
    assert (missing.first_kept, missing.cut) == (AT.replace(hour=0), 1)


async def test_nothing_looks_ahead(ingest: Ingest, database: Database) -> None:
    """The condition sees the traits, the consent and the person of then, not those of today."""
    source = CART.replace("event.properties.value > 50", 'profile.traits.plan == "free"')
    await knows(ingest, "ada", "bob", plan="free", consent={"email": True})
    await does(ingest, "ada", "Cart Abandoned", AT + DAY, value=80)
    await does(ingest, "bob", "Cart Abandoned", AT + DAY, value=80)
    await ingest([event("track", None, anonymous="a1", name="Cart Abandoned", at=AT + DAY)], received_at=AT + DAY)
    later = AT + 5 * DAY
    await ingest([event("identify", "ada", at=later, plan="pro")], received_at=later)
    await ingest([event("identify", "bob", at=later, consent={"email": False})], received_at=later)
    await ingest([event("track", "bob", anonymous="a1", name="Signed In", at=later)], received_at=later)
    found = await run(database, given(source))
    assert (of(found).entered, of(found).sent) == (2, 2)
    assert of(found).not_entered == {"condition": 1}


async def test_a_report_shows_texts_that_fail_or_have_gaps(ingest: Ingest, database: Database) -> None:
    await ingest([event("identify", "ada", email="ada@example.com", at=AT - DAY)], received_at=AT - DAY)
    await does(ingest, "ada", "Cart Abandoned", AT + DAY, value=80)
    greeting = "Hello {{ profile.traits.title | default: '' }} {{ profile.traits.nickname }}"
    found = await run(database, given(CART, MAIL.replace("A note for", greeting)))
    [gap_at, failed] = sorted(found.report.faults, key=lambda one: one.fails)
    assert (gap_at.said, gap_at.fails) == ("profile.traits.title has no value at note.liquid:3", False)
    assert (failed.campaign, failed.step, failed.number, failed.user_id) == ("cart", "nudge", 1, "ada")
    assert "profile.traits.nickname" in failed.said


async def test_one_person_has_a_trace(ingest: Ingest, database: Database) -> None:
    await knows(ingest, "ada", "bob")
    await does(ingest, "ada", "Cart Abandoned", AT + DAY, value=80)
    await does(ingest, "bob", "Cart Abandoned", AT + DAY, value=80)
    found = await run(database, given(CART), user_ids=("ada",))
    assert [one.summary for one in trace(found.traces["ada"])] == [
        "entered cart",
        "nudge: granted, by smtp",
        "nudge: email note sent",
        "cart is over: completed",
    ]
    with pytest.raises(NotFoundError, match="the user nemo"):
        await run(database, given(CART), user_ids=("ada", "nemo"))


async def test_the_running_campaigns_decide_as_they_did(harness: Harness) -> None:
    source = CART.replace("delay: 1h", "delay: 1s")
    begun = await harness.database.now()
    await harness.run_campaign(source)
    for user in ("ada", "bob"):
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Cart Abandoned", {"value": 80})
    await harness.track("eve", "Cart Abandoned", {"value": 20})
    await harness.until(
        "SELECT 1 FROM (SELECT count(*) AS sent FROM messages WHERE state = 'sent') AS done WHERE sent = 2"
    )
    before = await harness.query("SELECT count(*) FROM messages")
    async with harness.database.snapshot() as connection:
        deployed = await read_deployed(connection)
    options = BacktestOptions(since=begun, until=await harness.database.now() + timedelta(minutes=1))
    found = await Backtest(harness.database, deployed, deployed, options, "UTC", DEVELOPMENT_PROVIDERS).run(
        [], lambda *_: None
    )
    assert (of(found).entered, of(found).sent) == (2, 2)
    assert await harness.query("SELECT count(*) FROM messages") == before
    fidelity = found.report.head.fidelity
    assert fidelity is not None
    assert (fidelity.people, fidelity.decisions, fidelity.equal, fidelity.causes) == (3, 4, 4, {})
    assert "Fidelity: 100.0% of 4 decisions about 3 people are equal." in write_report(found.report)


async def test_a_difference_from_what_happened_has_a_named_cause(harness: Harness) -> None:
    begun = await harness.database.now()
    await harness.run_campaign(CART.replace("delay: 1h", "delay: 1s"))
    await harness.run_campaign(REACTS)
    await harness.identify("eve", email="eve@example.com")
    await harness.track("eve", "Cart Abandoned", {"value": 80})
    await harness.until("SELECT 1 FROM messages WHERE step = 'nudge' AND state = 'sent'")
    await harness.track("eve", "Signed Up")
    [mail] = await harness.until("SELECT id::text FROM messages WHERE step = 'hello' AND state = 'sent'")
    await harness.track("eve", "Email Opened", {"message_id": mail["id"]})
    await harness.until("SELECT 1 FROM journeys WHERE state <> 'active' HAVING count(*) = 2")
    async with harness.database.snapshot() as connection:
        deployed = await read_deployed(connection)
    options = BacktestOptions(since=begun, until=await harness.database.now() + timedelta(minutes=1))

    async def measure(running: BacktestedRules) -> Fidelity:
        backtest = Backtest(harness.database, running, running, options, "UTC", DEVELOPMENT_PROVIDERS)
        fidelity = (await backtest.run([], lambda *_: None)).report.head.fidelity
        assert fidelity is not None
        return fidelity

    # The reaction to the real message is one to the simulated message in its place.
    found = await measure(deployed)
    assert (found.equal, found.causes) == (found.decisions, {})
    planted = FREQUENCY_CAPS.parse(CAPS, "caps.yaml")
    found = await measure(BacktestedRules(deployed.campaigns, replace(deployed.rules, caps=planted)))
    assert found.equal < found.decisions
    assert set(found.causes) == {"unknown"}
    [example] = found.examples
    assert (example.user_id, example.real, example.simulated) == (
        "eve",
        "send hello granted",
        "send hello refused capped",
    )


async def test_journeys_under_way_take_their_place(harness: Harness) -> None:
    """Their real messages count, and nothing is simulated of them."""
    await harness.put_caps(CAPS)
    await harness.run_campaign(CART.replace("delay: 1h", "delay: 1s"))
    await harness.identify("ada", email="ada@example.com")
    await harness.track("ada", "Cart Abandoned", {"value": 80})
    await harness.until("SELECT 1 FROM journeys WHERE state = 'active'")
    begun = await harness.database.now()
    await harness.until("SELECT 1 FROM messages WHERE state = 'sent'")
    await harness.ended("ada")
    await harness.track("ada", "Cart Abandoned", {"value": 90})
    await harness.until("SELECT 1 FROM decisions WHERE reason = 'capped'")
    async with harness.database.snapshot() as connection:
        deployed = await read_deployed(connection)
    options = BacktestOptions(since=begun, until=await harness.database.now() + timedelta(minutes=1))
    found = await Backtest(harness.database, deployed, deployed, options, "UTC", DEVELOPMENT_PROVIDERS).run(
        [], lambda *_: None
    )
    assert (of(found).entered, of(found).sent) == (1, 0)
    assert of(found).not_sent == [StepRefusals("nudge", "capped", "daily", 1)]


async def test_the_real_messages_of_other_campaigns_count_as_they_went(harness: Harness) -> None:
    begun = await harness.database.now()
    await harness.put_caps(CAPS)
    await harness.run_campaign(REACTS)
    await harness.identify("ada", email="ada@example.com")
    await harness.track("ada", "Signed Up")
    await harness.until("SELECT 1 FROM messages WHERE step = 'hello' AND state = 'sent'")
    await harness.track("ada", "Cart Abandoned", {"value": 80})
    async with harness.database.snapshot() as connection:
        running = await read_deployed(connection)
    deployed = running.with_given([given(CART.replace("delay: 1h", "delay: 1s"))], {})
    until = await harness.database.now() + timedelta(minutes=1)
    options = BacktestOptions(since=begun, until=until, others="ledger")
    backtest = Backtest(harness.database, deployed, running, options, "UTC", DEVELOPMENT_PROVIDERS)
    report = (await backtest.run(["cart.yaml"], lambda *_: None)).report
    assert [one.campaign for one in report.campaigns] == ["cart"]
    assert report.campaigns[0].not_sent == [StepRefusals("nudge", "capped", "daily", 1)]
    assert report.caps[0].taken_by == {"welcome": 1}


async def test_what_an_operator_changes_comes_at_its_instant(harness: Harness) -> None:
    begun = await harness.database.now()
    await harness.identify("ada", email="ada@example.com")
    await harness.track("ada", "Cart Abandoned", {"value": 80, "cart": 1})
    await harness.admin("PATCH", "/v1/users/ada", {"suppressed": {"email": "asked by phone"}})
    await harness.track("ada", "Cart Abandoned", {"value": 80, "cart": 2})
    at_once = CART.replace("  - {id: rest, delay: 1h}\n", "").replace(
        "value > 50}", "value > 50, key: string(event.properties.cart)}"
    )
    deployed = BacktestedRules([given(at_once)], DeployedRules())
    options = BacktestOptions(since=begun, until=await harness.database.now() + timedelta(minutes=1))
    backtest = Backtest(harness.database, deployed, NOTHING, options, "UTC", DEVELOPMENT_PROVIDERS)
    report = of(await backtest.run([], lambda *_: None))
    assert (report.sent, report.not_sent) == (1, [StepRefusals("nudge", "suppressed", "", 1)])
