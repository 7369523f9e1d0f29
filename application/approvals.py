"""Use cases of approvals: list, approve, reject."""

from collections.abc import Mapping
from datetime import datetime
from typing import assert_never
from uuid import UUID

from application import campaign_transitions as transitions
from application.approval_gate import ApprovalGate, start_question
from application.audience_schedule import enter_again
from application.reach import ReachQuestion
from domain.access import SOJOURN, Actor
from domain.campaign.approvals import WAITING, ApprovalState, is_same_person
from domain.campaign.life import OPEN_STATES
from domain.errors import ApprovalStateError, NotFoundError, SamePersonError
from store import approvals, audit, campaigns, keys, operations, outbox
from store.approvals import Approval
from store.campaigns import Campaign
from store.database import Connection, Database


class Approvals:
    """Shows approvals, and decides each once. An approved change is made at once."""

    def __init__(self, database: Database, gate: ApprovalGate) -> None:
        self._database = database
        self._gate = gate

    async def list(
        self, *, limit: int, before: UUID | None, campaign: str | None, state: ApprovalState | None
    ) -> list[Approval]:
        """Return approvals, the newest first, before the id `before`."""
        async with self._database.transaction() as connection:
            now = connection.clock.now()
            return await approvals.page(connection, now, limit=limit, before=before, campaign=campaign, state=state)

    async def get(self, id: UUID) -> Approval:
        """Return one approval. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            return await _get_or_raise(connection, id, connection.clock.now())

    async def approve(self, id: UUID, *, by: Actor) -> Approval:
        """Approve a change, and make it.

        Raises NotFoundError, SamePersonError for the person who requested it, ApprovalStateError if it does not wait or
        may reach far more people by now, and the errors of the change itself.
        """
        async with self._database.own_transaction() as connection:
            asked = await _get_or_raise(connection, id, connection.clock.now())
        # Before the transaction, as for the request.
        reach = await self._gate.measure(_question(asked)) if asked.state == WAITING else None
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_exclusive(connection)
            now = connection.clock.now()
            approval = await _get_waiting(connection, id, now)
            await _require_another(connection, approval, by)
            if self._gate.exceeds(reach, approval.people):
                raise ApprovalStateError(
                    f"approval {id} was requested for up to {approval.people:,} people, and {approval.campaign} may "
                    "reach far more by now: request it again",
                    approval=str(id),
                    state=approval.state,
                )
            await approvals.decide(connection, id, "approved", by, now)
            await _record(connection, approval, "approval.approve", by)
            await _make(connection, approval, now)
            return await _get_or_raise(connection, id, now)

    async def reject(self, id: UUID, *, by: Actor) -> Approval:
        """Reject a change; the campaign stays as it is.

        One that was to begin is stopped, and the rest of an audience does not enter.

        The person who requested it may take it back so. Raises NotFoundError and ApprovalStateError.
        """
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_exclusive(connection)
            now = connection.clock.now()
            approval = await _get_waiting(connection, id, now)
            await approvals.decide(connection, id, "rejected", by, now)
            await _record(connection, approval, "approval.reject", by)
            campaign = await _campaign(connection, approval)
            if approval.action == "begin":
                # Its schedule would ask again at once.
                await transitions.stop(connection, campaign, "drain", by)
                await audit.record(connection, by, "campaign.stop", approval.campaign, {"mode": "drain"})
            elif campaign.state in OPEN_STATES:
                if approval.action == "continue":
                    await operations.cancel(connection, UUID(approval.parameters["operation"]))
                await outbox.wake_campaign(connection, approval.campaign)
            return await _get_or_raise(connection, id, now)


def _question(approval: Approval) -> ReachQuestion:
    match approval.action:
        case "start":
            return start_question(approval.campaign, approval.version, approval.parameters["in_flight"])
        case "begin":
            return ReachQuestion(approval.campaign, approval.version)
        case "resume":
            return ReachQuestion(approval.campaign, approval.version, moving="held")
        case "enter" | "continue":
            return ReachQuestion(approval.campaign, approval.version, entering="audience")
        case _:
            assert_never(approval.action)


async def _make(connection: Connection, approval: Approval, now: datetime) -> None:
    """Make the change, in the name of the person who requested it."""
    by, key = approval.requester, approval.campaign
    campaign = await _campaign(connection, approval)
    data: Mapping[str, object] = {"version": approval.version, "approval": str(approval.id), **approval.parameters}
    match approval.action:
        case "start":
            in_flight = approval.parameters["in_flight"]
            await transitions.activate_version(connection, campaign, approval.version, in_flight=in_flight, by=by)
            await audit.record(connection, by, "campaign.start", key, data)
        case "begin":
            await transitions.begin(connection, campaign)
            await audit.record(connection, SOJOURN, "campaign.begin", key, data)
        case "resume":
            await transitions.resume(connection, campaign, by)
            await audit.record(connection, by, "campaign.resume", key, data)
        case "enter":
            await enter_again(connection, key, approval.parameters["run"], now)
        case "continue":
            if not await operations.release(connection, UUID(approval.parameters["operation"])):
                # It was cancelled meanwhile, which needs no lock of the registry.
                raise ApprovalStateError(
                    f"the entry that approval {approval.id} lets go on was cancelled: there is nothing left to approve",
                    approval=str(approval.id),
                    state="outdated",
                )
            await outbox.wake_campaign(connection, key)
        case _:
            assert_never(approval.action)


async def _require_another(connection: Connection, approval: Approval, by: Actor) -> None:
    """Raise SamePersonError for an actor who may be the person that requested it."""
    makers = await keys.find_makers(connection, [approval.requested_by_id, by.id])
    if is_same_person(approval.requested_by_id, by.id, makers):
        raise SamePersonError(
            f"{approval.requested_by} has requested approval {approval.id}: another person approves it, by a key that "
            "neither made that one nor was made by it",
            approval=str(approval.id),
            requested_by=approval.requested_by,
        )


async def _get_or_raise(connection: Connection, id: UUID, now: datetime) -> Approval:
    approval = await approvals.find(connection, id, now)
    if approval is None:
        raise NotFoundError(f"there is no approval {id}", approval=str(id))
    return approval


async def _get_waiting(connection: Connection, id: UUID, now: datetime) -> Approval:
    """Return an approval that can be decided. Requires the registry's lock."""
    approval = await _get_or_raise(connection, id, now)
    if approval.state == WAITING:
        return approval
    raise ApprovalStateError(_explain(approval), approval=str(id), state=approval.state)


def _explain(approval: Approval) -> str:
    match approval.state:
        case "expired":
            return f"approval {approval.id} expired at {approval.expires_at:%Y-%m-%dT%H:%M:%SZ}: request it again"
        case "outdated":
            return (
                f"approval {approval.id} is of an earlier state of campaign {approval.campaign}, which was changed, or "
                "requested otherwise, since: request it again"
            )
        case _:
            return f"approval {approval.id} was {approval.state} by {approval.decided_by} already"


async def _campaign(connection: Connection, approval: Approval) -> Campaign:
    return await transitions.get_or_raise(connection, approval.campaign)


async def _record(connection: Connection, approval: Approval, action: str, by: Actor) -> None:
    data = {
        "approval": str(approval.id),
        "action": approval.action,
        "version": approval.version,
        "people": approval.people,
        "requested_by": approval.requested_by_id,
    }
    await audit.record(connection, by, action, approval.campaign, data)
