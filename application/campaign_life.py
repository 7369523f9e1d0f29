"""What becomes due in the life of a campaign by itself."""

from datetime import datetime
from typing import Literal

from application import campaign_transitions as moves
from domain.access import SOJOURN
from domain.campaign import life
from domain.campaign.life import ENDED, Outlook
from domain.errors import NotFoundError
from store import audit, campaigns
from store.campaigns import Campaign
from store.database import Connection, Database


class CampaignLife:
    """Looks what is due, and does it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def advance(self, key: str, at: datetime) -> Outlook:
        """Do what is due at this instant; what is to be expected then."""
        while True:
            async with self._database.transaction() as connection:
                standing = await campaigns.standing(connection, key)
                if standing is None:
                    raise NotFoundError(f"there is no campaign {key}", campaign=key)
                if life.due(standing, at) is None:
                    return life.outlook(standing, at)
                await campaigns.take_control(connection)
                # As it is now that no other transaction can change it.
                standing = await campaigns.standing(connection, key)
                move = None if standing is None else life.due(standing, at)
                if move is not None:
                    await self._do(connection, await moves.found(connection, key), move)

    async def _do(self, connection: Connection, campaign: Campaign, move: Literal["begin", "stop", "end"]) -> None:
        match move:
            case "begin":
                await moves.begin(connection, campaign)
            case "stop":
                await moves.stop(connection, campaign, "drain", SOJOURN)
            case "end":
                await moves.change(connection, campaign, ENDED, SOJOURN)
        await audit.record(connection, SOJOURN, f"campaign.{move}", campaign.key)
