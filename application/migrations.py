"""Move journeys' rows to another campaign version, and record why each moved or stayed."""

from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct

from domain.journey.migration import ENDED, MOVED, CannotMigrate, MigrationOutcome
from domain.journey.position import Position
from store import decisions, journey_versions, journeys
from store.database import Connection
from store.decisions import Decision

STAYED = "stayed"


class MigrationRef(Struct, frozen=True, kw_only=True):
    """A journey on its way from one version to another for an operation. `step` and `at` are where and when it was."""

    journey_id: UUID
    from_version: int
    to_version: int
    operation: UUID
    step: str | None
    at: datetime


class MoveRequest(Struct, frozen=True):
    """The journey goes on under the other version. `position` is None if it is over then; `move` counts its moves."""

    ref: MigrationRef
    position: Position | None
    move: int


class StayRequest(Struct, frozen=True):
    """The journey stays on its version."""

    ref: MigrationRef
    because: CannotMigrate


async def move(connection: Connection, move: MoveRequest) -> MigrationOutcome | None:
    """Move the row; None if it is on yet another version, or the campaign is. Repeated, it says the same."""
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
    """Record of a journey that it stays, and why."""
    row = await journey_versions.lock(connection, stay.ref.journey_id)
    if row is not None:
        await decisions.insert(connection, [decision(stay.ref, row.profile_id, row.campaign_key, stay.because)])


def decision(ref: MigrationRef, profile_id: UUID, campaign_key: str, kept_by: CannotMigrate | None = None) -> Decision:
    """What an operation came to for one journey; there is one of each, whatever is repeated."""
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
