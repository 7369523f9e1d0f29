"""Transitions that become due in the life of a campaign."""

from datetime import datetime

from application import campaign_transitions as transitions
from application.approval_gate import ApprovalGate
from application.reach import EntryScope, ReachQuestion
from domain.access import SOJOURN
from domain.campaign import life
from domain.campaign.approvals import CONTINUE, Reach
from domain.campaign.life import ENDED, PAUSED, RUNNING, AdvanceResult, HeldEntry
from domain.errors import NotFoundError
from store import audit, campaigns, operations
from store.campaigns import Campaign
from store.database import Connection, Database


class CampaignLife:
    """Finds due transitions, and applies them."""

    def __init__(self, database: Database, gate: ApprovalGate | None = None) -> None:
        self._database = database
        self._gate = gate or ApprovalGate(database)

    async def advance(self, key: str, at: datetime) -> AdvanceResult:
        """Apply the transitions due at this instant; return what to expect next."""
        while True:
            async with self._database.transaction() as connection:
                facts = await campaigns.campaign_facts(connection, key)
                if facts is None:
                    raise NotFoundError(f"there is no campaign {key}", campaign=key)
                move = life.find_due(facts, at)
                if move is None:
                    return life.summarize(facts, at)
                if move not in ("begin", "continue") or not self._gate.is_on:
                    await self._apply_due(connection, key, at, None)
                    continue
            # Between the transactions, since it takes a while.
            entering: EntryScope = "all" if move == "begin" else "audience"
            reach = await self._gate.measure(ReachQuestion(key, facts.version, entering=entering))
            async with self._database.transaction() as connection:
                await self._apply_due(connection, key, at, reach)

    async def _apply_due(self, connection: Connection, key: str, at: datetime, reach: Reach | None) -> None:
        """Apply what is due under the lock. `reach` is that of a campaign which begins."""
        await campaigns.lock_registry_exclusive(connection)
        facts = await campaigns.campaign_facts(connection, key)
        move = None if facts is None else life.find_due(facts, at)
        if facts is None or move is None:
            return
        campaign = await transitions.get_or_raise(connection, key)
        match move:
            case "begin":
                if self._gate.is_on and await self._requests_approval(connection, campaign, reach):
                    return
                await transitions.begin(connection, campaign)
            case "stop":
                await transitions.stop(connection, campaign, "drain", SOJOURN)
            case "end":
                await transitions.change(connection, campaign, ENDED, SOJOURN)
            case "continue":
                if not await self._holds(connection, campaign, facts.held[0], reach):
                    await operations.release(connection, facts.held[0].id)
                return
        await audit.record(connection, SOJOURN, f"campaign.{move}", campaign.key)

    async def _requests_approval(self, connection: Connection, campaign: Campaign, reach: Reach | None) -> bool:
        """Request an approval in the name of the person who started the campaign."""
        version = campaign.running_version or 0
        if reach is None or reach.version != version:
            # Another version was started meanwhile; its people are counted next.
            return True
        by = await campaigns.find_opener(connection, campaign.key)
        return await self._gate.request(connection, campaign, version, "begin", reach, by) is not None

    async def _holds(self, connection: Connection, campaign: Campaign, held: HeldEntry, reach: Reach | None) -> bool:
        """Return whether an audience waits, and request an approval of its rest.

        It is requested as the beginning is. An audience that cannot enter any more goes on to its end.
        """
        if not self._gate.is_on or not await _may_enter(connection, campaign):
            return False
        version = campaign.running_version or 0
        if reach is None or reach.version != version:
            return True
        # Who has entered may not belong to the audience any more.
        people = Reach(version, max(reach.people, held.entered + 1))
        by = await campaigns.find_opener(connection, campaign.key)
        parameters = {"operation": str(held.id), "entered": held.entered}
        approval = await self._gate.request(connection, campaign, version, CONTINUE, people, by, parameters=parameters)
        return approval is not None


async def _may_enter(connection: Connection, campaign: Campaign) -> bool:
    """Return whether an audience may enter now, or after a pause."""
    if campaign.state not in (RUNNING, PAUSED) or campaign.running_version is None:
        return False
    version = await campaigns.version(connection, campaign.key, campaign.running_version)
    return version is not None and version.rules.entry.audience is not None
