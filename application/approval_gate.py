"""Decide, in one place, whether a change waits for another person.

People are counted before the transaction of the change: an estimate takes a while, and the registry's lock delays all
events. The decision, its request and its record belong to the transaction.
"""

from collections.abc import Mapping
from typing import Any

from application.reach import ReachEstimator, ReachQuestion
from domain.access import SOJOURN, Actor
from domain.campaign.approvals import (
    DUE_BY_ITSELF,
    ENTER,
    VALID_FOR,
    ApprovalAction,
    ForeseenApproval,
    Reach,
    most_people,
    needs_approval,
)
from domain.campaign.life import OPEN_STATES, PAUSED
from domain.campaign.rules import Rules
from domain.errors import ConflictError
from domain.journey.forecast import InFlightPolicy
from store import approvals, audit, outbox
from store.approvals import Approval
from store.campaigns import Campaign
from store.database import Connection, Database


class ApprovalGate:
    """Requests approvals of changes beyond `above` people; None requests none."""

    def __init__(self, database: Database, timezone: str = "UTC", above: int | None = None) -> None:
        """`timezone` is the deployment's."""
        self._above = above
        self._estimator = ReachEstimator(database, timezone)

    @property
    def is_on(self) -> bool:
        """Whether anything needs an approval."""
        return self._above is not None

    async def measure(self, question: ReachQuestion, *, always: bool = False) -> Reach | None:
        """Count the people of a change before its transaction, `always` or if it is on."""
        if self._above is None and not always:
            return None
        return await self._estimator.estimate(question)

    async def measure_start(
        self, campaign: str, version: int | None, in_flight: InFlightPolicy, *, always: bool = False
    ) -> Reach | None:
        """Count the people that the start of a version may reach, `always` or if it is on."""
        return await self.measure(start_question(campaign, version, in_flight), always=always)

    async def measure_rules(
        self, campaign: str, version: int, rules: Rules, in_flight: InFlightPolicy, *, always: bool = False
    ) -> Reach | None:
        """Count the people of a version that is not published yet, as `measure_start`."""
        if self._above is None and not always:
            return None
        return await self._estimator.estimate_rules(start_question(campaign, version, in_flight), version, rules)

    async def foresee_start(
        self,
        connection: Connection,
        campaign: Campaign,
        version: int,
        in_flight: InFlightPolicy,
        reach: Reach | None,
    ) -> ForeseenApproval | None:
        """Return the approval that a start would wait for; None if it would not wait."""
        if reach is None or campaign.state == PAUSED or not _reaches_others(campaign, version, in_flight):
            return None
        return await self.foresee(connection, campaign, version, reach, is_running=campaign.lets_in_by(version))

    async def foresee(
        self, connection: Connection, campaign: Campaign, version: int, reach: Reach, *, is_running: bool = True
    ) -> ForeseenApproval | None:
        """Return the approval that a change would wait for, or None, as `request` decides."""
        approved = await _count_approved(connection, campaign, version, is_running=is_running)
        if self._above is None or not self.exceeds(reach, approved):
            return None
        return ForeseenApproval(reach.people, self._above)

    def exceeds(self, reach: Reach | None, approved: int = 0) -> bool:
        """Return whether a reach beyond the `approved` people needs an approval."""
        return self._above is not None and reach is not None and needs_approval(reach.people, self._above, approved)

    async def most_entering(self, connection: Connection, campaign: str, version: int) -> int | None:
        """Return how many people may enter without a further approval; None if all."""
        if self._above is None:
            return None
        return most_people(self._above, await approvals.count_approved(connection, campaign, version))

    async def request_start(
        self,
        connection: Connection,
        campaign: Campaign,
        version: int,
        in_flight: InFlightPolicy,
        reach: Reach | None,
        by: Actor,
        *,
        always: bool = False,
    ) -> Approval | None:
        """Request an approval of a start if it needs one, or `always`.

        Each start of a version needs its own. A version that users enter already reaches no further people, nor does a
        paused campaign, whose resumption asks.
        """
        reaches_others = campaign.state != PAUSED and _reaches_others(campaign, version, in_flight)
        if not always and not reaches_others:
            return None
        parameters = {"in_flight": in_flight}
        return await self.request(
            connection,
            campaign,
            version,
            "start",
            reach,
            by,
            parameters=parameters,
            is_running=campaign.lets_in_by(version),
            always=always,
        )

    async def request(
        self,
        connection: Connection,
        campaign: Campaign,
        version: int,
        action: ApprovalAction,
        reach: Reach | None,
        by: Actor,
        *,
        parameters: Mapping[str, Any] | None = None,
        is_running: bool = True,
        always: bool = False,
    ) -> Approval | None:
        """Return the approval that a change waits for; None if it need not wait.

        The caller holds the registry's lock exclusively. With `is_running`, former approvals of the version count; with
        `always`, neither they nor the number of people spares it. A repeated request is the same approval. Raises
        ConflictError if the people of another version were counted.
        """
        if self._above is None and not always:
            return None
        if reach is None or reach.version != version:
            said = f"campaign {campaign.key} was changed while its people were counted; ask again"
            raise ConflictError(said, campaign=campaign.key, state=campaign.state)
        approved = await _count_approved(connection, campaign, version, is_running=is_running)
        if not always and not self.exceeds(reach, approved):
            return None
        now, wanted = connection.clock.now(), dict(parameters or {})
        waiting = await approvals.find_open(connection, campaign.key, action, now)
        if waiting is not None and (waiting.version, waiting.parameters) == (version, wanted):
            return waiting
        approval = await approvals.insert(
            connection,
            campaign=campaign.key,
            version=version,
            revision=campaign.revision,
            action=action,
            parameters=wanted,
            people=reach.people,
            by=by,
            at=now,
            expires_at=now + VALID_FOR,
        )
        data = {"approval": str(approval.id), "action": action, "version": version, "people": approval.people}
        await audit.record(
            connection, SOJOURN if action in DUE_BY_ITSELF else by, "approval.request", campaign.key, data
        )
        if campaign.state in OPEN_STATES and (action == ENTER or action not in DUE_BY_ITSELF):
            # Its workflow shows what it waits for. It has found by itself what else is due.
            await outbox.wake_campaign(connection, campaign.key)
        return approval


def _reaches_others(campaign: Campaign, version: int, in_flight: InFlightPolicy) -> bool:
    """Return whether a start lets further people in, or moves journeys."""
    return in_flight == "migrate" or not campaign.lets_in_by(version)


async def _count_approved(connection: Connection, campaign: Campaign, version: int, *, is_running: bool) -> int:
    return await approvals.count_approved(connection, campaign.key, version) if is_running else 0


def start_question(campaign: str, version: int | None, in_flight: InFlightPolicy) -> ReachQuestion:
    """Return the question how many people the start of a version may reach."""
    return ReachQuestion(campaign, version, "others" if in_flight == "migrate" else None)
