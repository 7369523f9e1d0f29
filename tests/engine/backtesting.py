"""Backtests of campaigns by files, over the events that a test has ingested."""

from datetime import datetime, timedelta
from typing import Any

from application.ingest import Ingest
from application.rehearsal.backtests import Backtest, Backtested
from application.rehearsal.deployments import BacktestedCampaign, BacktestedRules
from application.rehearsal.simulations import BacktestOptions
from domain.campaign.publication import check
from domain.deployment_documents import FREQUENCY_CAPS
from domain.rehearsal.report import CampaignReport
from domain.rehearsal.rulebook import DeployedRules, RunningCampaign
from domain.rehearsal.samples import CampaignTemplates
from domain.sending.routes import DEVELOPMENT_PROVIDERS
from store.database import Database
from tests.engine.ingesting import AT, event
from tests.harness import MAIL

DAY = timedelta(days=1)
NOTHING = BacktestedRules((), DeployedRules())
CART = """
key: cart
name: Cart
entry: {event: Cart Abandoned, where: event.properties.value > 50}
exit: [{event: Order Completed}]
goal: {event: Order Completed, within: 7d}
steps:
  - {id: rest, delay: 1h}
  - {id: nudge, send: {channel: email, template: note}}
"""
CAPS = "rules:\n  - {name: daily, limit: 1, per: 1d}\n"


def given(source: str, template: str = MAIL) -> BacktestedCampaign:
    """A campaign by a file."""
    published = check(source, "a.yaml", {"note.liquid": template})
    running = RunningCampaign(published.definition.key, 0, published.plan, published.rules)
    templates = CampaignTemplates(published.templates, published.compiled_bodies)
    return BacktestedCampaign(running, templates, is_given=True)


async def run(
    database: Database,
    *campaigns: BacktestedCampaign,
    since: datetime = AT,
    caps: str = "",
    processes: int = 1,
    **options: Any,
) -> Backtested:
    rules = DeployedRules(caps=FREQUENCY_CAPS.parse(caps, "caps.yaml") if caps else ())
    chosen = BacktestOptions(since=since, until=since + 14 * DAY, **options)
    backtest = Backtest(
        database, BacktestedRules(campaigns, rules), NOTHING, chosen, "UTC", DEVELOPMENT_PROVIDERS, processes
    )
    return await backtest.run(["a.yaml"], lambda done, total: None)


async def knows(ingest: Ingest, *users: str, at: datetime = AT - DAY, **traits: Any) -> None:
    for user in users:
        known = event("identify", user, at=at, email=f"{user}@example.com", first_name="Ada", **traits)
        await ingest([known], received_at=at)


async def does(ingest: Ingest, user: str, name: str, at: datetime, **properties: Any) -> None:
    await ingest([event("track", user, name=name, at=at, **properties)], received_at=at)


def of(found: Backtested, campaign: str = "cart") -> CampaignReport:
    [report] = [one for one in found.report.campaigns if one.campaign == campaign]
    return report
