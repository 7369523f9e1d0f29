"""Transitions that become due in the life of a campaign."""

from datetime import datetime
from typing import Literal

from application import campaign_transitions as transitions
from domain.access import SOJOURN
from domain.campaign import life
from domain.campaign.life import ENDED, AdvanceResult
from domain.errors import NotFoundError
from store import audit, campaigns
from store.campaigns import Campaign
from store.database import Connection, Database


class CampaignLife:
    """Finds due transitions, and applies them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def advance(self, key: str, at: datetime) -> AdvanceResult:
        """Apply the transitions due at this instant; return what to expect next."""
        while True:
            async with self._database.transaction() as connection:
                facts = await campaigns.campaign_facts(connection, key)
                if facts is None:
                    raise NotFoundError(f"there is no campaign {key}", campaign=key)
                if life.find_due(facts, at) is None:
                    return life.summarize(facts, at)
                await campaigns.lock_registry_exclusive(connection)
                # Read again under the lock.
                facts = await campaigns.campaign_facts(connection, key)
                move = None if facts is None else life.find_due(facts, at)
                if move is not None:
                    await self._do(connection, await transitions.get_or_raise(connection, key), move)

    async def _do(self, connection: Connection, campaign: Campaign, move: Literal["begin", "stop", "end"]) -> None:
        match move:
            case "begin":
                await transitions.begin(connection, campaign)
            case "stop":
                await transitions.stop(connection, campaign, "drain", SOJOURN)
            case "end":
                await transitions.change(connection, campaign, ENDED, SOJOURN)
        await audit.record(connection, SOJOURN, f"campaign.{move}", campaign.key)
