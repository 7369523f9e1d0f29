"""Move journeys' rows to another campaign version, or record why one stays."""

from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct

from domain.journey.decision import Decision
from domain.journey.migration import ENDED, MOVED, CannotMigrate, MigrationOutcome
from domain.journey.position import Position
from store import decisions, journey_versions, journeys
from store.database import Connection

STAYED = "stayed"


class MigrationRef(Struct, frozen=True, kw_only=True):
    """A journey to migrate for an operation, with the step and time of the decision."""

    journey_id: UUID
    from_version: int
    to_version: int
    operation: UUID
    step: str | None
    at: datetime


class MoveRequest(Struct, frozen=True):
    """A journey that migrates. `position` is None if it ends; `move` counts its moves."""

    ref: MigrationRef
    position: Position | None
    move: int


class StayRequest(Struct, frozen=True):
    """A journey that stays on its version."""

    ref: MigrationRef
    because: CannotMigrate


async def move(connection: Connection, move: MoveRequest) -> MigrationOutcome | None:
    """Move the row; None if it is on another version, or the campaign is. Idempotent."""
    ref = move.ref
    row = await journey_versions.lock(connection, ref.journey_id)
    if row is None or not row.is_active:
        return ENDED
    recorded = decision(ref, row.profile_id, row.campaign_key)
    if row.campaign_version != ref.from_version:
        is_repeated = await decisions.find_answer(connection, recorded.id) == recorded.answer
        return MOVED if is_repeated else None
    if row.running_version != ref.to_version:
        return None
    await decisions.insert(connection, [recorded])
    await journey_versions.set_version(connection, ref.journey_id, ref.to_version)
    await journeys.place(connection, ref.journey_id, move.position, move.move, ref.at)
    return MOVED


async def stay(connection: Connection, stay: StayRequest) -> None:
    """Record that a journey stays, and why."""
    row = await journey_versions.lock(connection, stay.ref.journey_id)
    if row is not None:
        await decisions.insert(connection, [decision(stay.ref, row.profile_id, row.campaign_key, stay.because)])


def decision(ref: MigrationRef, profile_id: UUID, campaign_key: str, kept_by: CannotMigrate | None = None) -> Decision:
    """Build the decision of an operation about one journey, with a deterministic id."""
    outcome = MOVED if kept_by is None else STAYED
    data = {"from": ref.from_version, "to": ref.to_version, "operation": str(ref.operation)}
    return Decision(
        id=uuid5(ref.journey_id, f"migrate/{ref.operation}"),
        profile_id=profile_id,
        campaign_key=campaign_key,
        kind="migrate",
        outcome=outcome,
        at=ref.at,
        journey_id=ref.journey_id,
        step=ref.step,
        reason=None if kept_by is None else kept_by.reason,
        answer={"outcome": outcome},
        data=data if kept_by is None else {**data, "detail": kept_by.text},
    )
