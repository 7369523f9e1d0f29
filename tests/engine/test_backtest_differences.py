"""Backtests of a change: two versions over the same recorded events, and who gets something else."""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from application.ingest import Ingest
from application.rehearsal import backtests
from application.rehearsal.backtests import Against, Backtest
from application.rehearsal.deployments import BacktestedCampaign, BacktestedRules
from application.rehearsal.simulations import BacktestOptions
from cli.documents import templates_beside
from domain.campaign.publication import check
from domain.deployment_documents import FREQUENCY_CAPS
from domain.rehearsal.difference import DifferenceReport, NumberChange, ResultChange
from domain.rehearsal.difference_text import write_difference
from domain.rehearsal.limits import BacktestLimits
from domain.rehearsal.report import BacktestReport
from domain.rehearsal.rulebook import DeployedRules, RunningCampaign
from domain.rehearsal.samples import CampaignTemplates
from domain.sending.routes import DEVELOPMENT_PROVIDERS
from store.database import Database
from tests.engine.backtesting import CART, DAY, NOTHING, does, given, knows
from tests.engine.ingesting import AT
from tests.processes import ROOT

HOUR = timedelta(hours=1)
EXAMPLES = ROOT / "examples"
CAP = "rules:\n  - {{name: daily, limit: {}, per: 1d}}\n"
AGAIN = CART.replace("entry: {", "entry: {reentry: always, ").replace("exit: [{event: Order Completed}]\n", "")
BRANCHES = """
key: cart
name: Cart
entry: {event: Cart Abandoned}
steps:
  - id: which
    branch:
      - {when: entry.properties.value > 50, do: [{id: FIRST, send: {channel: email, template: note}}]}
      - {when: entry.properties.value <= 50, do: [{id: SECOND, send: {channel: email, template: note}}]}
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=2) as database:
        yield database


def rules(*campaigns: BacktestedCampaign, cap: int | None = None) -> BacktestedRules:
    caps = () if cap is None else FREQUENCY_CAPS.parse(CAP.format(cap), "caps.yaml")
    return BacktestedRules(campaigns, DeployedRules(caps=caps))


async def compare(
    database: Database,
    before: BacktestedRules,
    after: BacktestedRules,
    processes: int = 1,
    limits: BacktestLimits = BacktestLimits(),  # noqa: B008 -- frozen
    files: Sequence[str] = (),
    **options: Any,
) -> tuple[BacktestReport, DifferenceReport]:
    chosen = BacktestOptions(since=AT, until=AT + 14 * DAY, **options)
    against = Against(before, files)
    backtest = Backtest(
        database, after, NOTHING, chosen, "UTC", DEVELOPMENT_PROVIDERS, processes, against=against, limits=limits
    )
    report = (await backtest.run(["caps.yaml"], lambda done, total: None)).report
    assert report.difference is not None
    return report, report.difference


async def leave_carts(ingest: Ingest, *hours_of_ada: int) -> None:
    """Ada leaves a cart at each of these hours, Bob one and orders after three hours, Eve none."""
    await knows(ingest, "ada", "bob", "eve")
    for hours in hours_of_ada:
        await does(ingest, "ada", "Cart Abandoned", AT + DAY + hours * HOUR, value=80)
    await does(ingest, "bob", "Cart Abandoned", AT + 2 * DAY, value=60)
    await does(ingest, "bob", "Order Completed", AT + 2 * DAY + 3 * HOUR)


async def test_a_lower_cap_takes_messages_away(ingest: Ingest, database: Database) -> None:
    await leave_carts(ingest, 0, 2, 4)
    report, found = await compare(database, rules(given(AGAIN), cap=2), rules(given(AGAIN), cap=1))
    assert found.sent == NumberChange(3, 2)
    assert found.people == {"fewer": 1, "same": 2}
    assert found.messages == {"kept": 2, "removed": 1}
    assert (found.without_message, found.most_per_person) == (NumberChange(1, 1), NumberChange(2, 1))
    [cart] = found.campaigns
    assert (cart.entered, cart.goals) == (NumberChange(4, 4), NumberChange(1, 1))
    assert cart.results == [
        ResultChange("sent", "nudge", "email", "", NumberChange(3, 2)),
        ResultChange("not_sent", "nudge", "capped", "daily", NumberChange(1, 2)),
    ]
    [cap] = found.caps
    assert (cap.rule, cap.refused, cap.put_off) == ("daily", NumberChange(1, 2), NumberChange(0, 0))
    [example] = found.examples
    assert (example.user_id, example.change) == ("ada", "fewer")
    text = write_difference(report, found)
    assert "**2 messages instead of 3 (-33.3%).** People: 1 get fewer." in text
    assert "\n- 2026-11-02 15:00 cart: nudge: " in text
    assert "\n+ 2026-11-02 15:00 cart: nudge: " in text
    assert "\n  2026-11-02 12:00 cart: entered cart\n" in text


async def test_a_longer_delay_moves_messages_and_silences_who_orders(ingest: Ingest, database: Database) -> None:
    await leave_carts(ingest, 0)
    before, after = CART, CART.replace("delay: 1h", "delay: 4h")
    report, found = await compare(
        database, rules(given(before)), rules(given(after)), limits=BacktestLimits(silenced=0.1)
    )
    assert found.people == {"other_time": 1, "none_any_more": 1, "same": 1}
    assert found.messages == {"moved": 1, "removed": 1}
    assert [(one.user_id, one.change) for one in found.examples] == [("ada", "other_time"), ("bob", "none_any_more")]
    [limit] = report.limits
    assert (limit.name, limit.found, limit.is_exceeded) == ("silenced", "50.0%", True)
    assert "50.0% | exceeded |" in write_difference(report, found)


async def test_swapped_branches_send_other_messages(ingest: Ingest, database: Database) -> None:
    await knows(ingest, "ada", "bob")
    await does(ingest, "ada", "Cart Abandoned", AT + DAY, value=80)
    await does(ingest, "bob", "Cart Abandoned", AT + DAY, value=20)
    before = BRANCHES.replace("FIRST", "big").replace("SECOND", "small")
    after = BRANCHES.replace("FIRST", "small").replace("SECOND", "big")
    _, found = await compare(database, rules(given(before)), rules(given(after)))
    assert found.people == {"other": 2}
    assert found.messages == {"added": 2, "removed": 2}
    # As many of each: the numbers alone would not tell.
    assert found.campaigns[0].results == []


async def test_a_version_differs_in_nothing_from_itself(ingest: Ingest, database: Database) -> None:
    await leave_carts(ingest, 0, 2)
    report, found = await compare(database, rules(given(CART), cap=1), rules(given(CART), cap=1))
    assert (found.people, found.examples) == ({"same": 3}, [])
    assert {*found.messages} == {"kept"}
    assert all(not one.results for one in found.campaigns)
    assert "No person gets another message" in write_difference(report, found)


async def test_a_difference_is_that_of_two_backtests_whatever_the_shards(
    ingest: Ingest, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [f"u{number}" for number in range(7)]
    await knows(ingest, *users)
    for number, user in enumerate(users):
        for hours in range(number):
            await does(ingest, user, "Cart Abandoned", AT + DAY + hours * HOUR, value=80)
    versions = rules(given(AGAIN), cap=3), rules(given(AGAIN), cap=1)
    report, found = await compare(database, *versions)
    monkeypatch.setattr(backtests, "SHARD", 2)
    assert await compare(database, *versions) == (report, found)
    assert await compare(database, *versions, processes=2) == (report, found)
    alone = []
    for version in versions:
        options = BacktestOptions(since=AT, until=AT + 14 * DAY)
        backtest = Backtest(database, version, NOTHING, options, "UTC", DEVELOPMENT_PROVIDERS)
        alone.append((await backtest.run(["caps.yaml"], lambda done, total: None)).report)
    assert found.sent == NumberChange(*(one.campaigns[0].sent for one in alone))
    assert replace(report, difference=None) == alone[1]
    assert sum(found.people.values()) == report.head.people == 7
    # The first ones by their ids, of each kind of change.
    assert [one.user_id for one in found.examples] == ["u2", "u3", "u4"]


async def test_both_sides_simulate_the_same_campaigns(ingest: Ingest, database: Database) -> None:
    """With the ledger of the others, what runs counts as given where a file takes its place."""
    await leave_carts(ingest, 0)
    running = replace(given(CART), is_given=False)
    other = replace(given(CART.replace("key: cart", "key: other")), is_given=False)
    _, found = await compare(database, rules(running, other), rules(given(CART), other), others="ledger")
    assert [one.campaign for one in found.campaigns] == ["cart"]
    assert found.messages == {"kept": 2}


async def test_the_page_shows_the_comment_of_a_lower_cap(ingest: Ingest, database: Database) -> None:
    """Forty people leave two carts a day, of whom each fourth orders one; ten leave a single cart."""
    campaign = check((EXAMPLES / "abandoned-cart.yaml").read_text(), "a.yaml", templates_beside(EXAMPLES / "a.yaml"))
    running = RunningCampaign(campaign.definition.key, 0, campaign.plan, campaign.rules)
    cart = BacktestedCampaign(running, CampaignTemplates(campaign.templates, campaign.compiled_bodies), is_given=True)
    for number in range(50):
        user = f"u{number:02}"
        await knows(ingest, user)
        for which, hours in (("first", 0), ("second", 2))[: 1 if number >= 40 else 2]:
            cart_id = f"{which}-{user}"
            left = {"cart_id": cart_id, "value": 120, "checkout_url": f"https://shop.example.com/{cart_id}"}
            await does(ingest, user, "Cart Abandoned", AT + DAY + hours * HOUR, **left)
        if number % 4 == 0:
            await does(ingest, user, "Order Completed", AT + DAY + 5 * HOUR, cart_id=f"first-{user}")
    report, found = await compare(database, rules(cart, cap=2), rules(cart, cap=1))
    comment = write_difference(report, replace(found, examples=found.examples[:1]))
    [shown] = re.findall(r"^````markdown\n(.*?)^````$", (ROOT / "docs" / "rehearsal.md").read_text(), re.M | re.S)
    assert comment.startswith(shown), comment
