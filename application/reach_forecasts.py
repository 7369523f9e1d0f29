"""The reach of a change before it is made, and the approval that it needs."""

from dataclasses import dataclass

from application import campaign_transitions as transitions
from application.approval_gate import ApprovalGate, start_question
from application.reach import ReachQuestion
from domain.campaign.approvals import ForeseenApproval, Reach
from domain.campaign.life import CampaignState
from domain.errors import ConflictError, NotFoundError
from domain.journey.forecast import InFlightPolicy
from store.campaigns import Campaign
from store.database import Database


@dataclass(frozen=True, slots=True)
class ReachForecast:
    """The most people that a change may reach, and the approval that it needs."""

    version: int
    people: int
    approval: ForeseenApproval | None


class ReachForecasts:
    """Foresees starts and resumptions, as the gate will decide them."""

    def __init__(self, database: Database, gate: ApprovalGate) -> None:
        self._database = database
        self._gate = gate

    async def foresee_start(self, key: str, version: int | None, in_flight: InFlightPolicy) -> ReachForecast:
        """Return the reach of the start of a version, by default the latest one.

        Raises NotFoundError, and ConflictError if another version was published meanwhile.
        """
        reach = await self._gate.measure(start_question(key, version, in_flight), always=True)
        async with self._database.transaction() as connection:
            campaign = await transitions.get_or_raise(connection, key)
            chosen = campaign.latest_version if version is None else version
            if reach is None:
                raise NotFoundError(f"campaign {key} has no version {chosen}", campaign=key, version=chosen)
            _require_same(campaign, chosen, reach)
            approval = await self._gate.foresee_start(connection, campaign, chosen, in_flight, reach)
        return ReachForecast(chosen, reach.people, approval)

    async def foresee_resume(self, key: str) -> ReachForecast:
        """Return the reach of a resumption.

        Raises NotFoundError, and ConflictError if no version is in force.
        """
        reach = await self._gate.measure(ReachQuestion(key, moving="held"), always=True)
        async with self._database.transaction() as connection:
            campaign = await transitions.get_or_raise(connection, key)
            if reach is None or campaign.running_version is None:
                said = f"campaign {key} is {campaign.state}: there is nothing to resume"
                raise ConflictError(said, campaign=key, state=campaign.state)
            _require_same(campaign, campaign.running_version, reach)
            approval = await self._gate.foresee(connection, campaign, campaign.running_version, reach)
        return ReachForecast(campaign.running_version, reach.people, approval)


def _require_same(campaign: Campaign, version: int, reach: Reach) -> None:
    state: CampaignState = campaign.state
    if reach.version != version:
        said = f"campaign {campaign.key} was changed while its people were counted; ask again"
        raise ConflictError(said, campaign=campaign.key, state=state)
