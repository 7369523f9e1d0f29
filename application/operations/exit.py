"""End many journeys: first their rows, page by page, then their workflows.

Journeys of a stopped campaign, or of replaced versions, count as ended from the acknowledgement on
(`campaigns.exiting`), and their workflows end by one batch in the server. In any other selection, each workflow gets a
signal.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import uuid5

from msgspec import Struct, convert

from domain.journey.decision import Decision
from domain.journey.filters import JourneyFilter
from domain.journey.records import Ending
from domain.journey.state import EXITED
from store import decisions, journeys, outbox, selections
from store.database import Connection
from store.operations import Operation, Page
from store.outbox import OutboxMessage
from store.selections import Selected

PAGE = 500
# The interval of checks of the server's batch, in seconds.
LOOK_INTERVAL = 1.0
# After this many checks without an ended workflow, and twice as many after each batch, another batch starts.
LOOKS_IN_VAIN = 2
MANUAL, CAMPAIGN_STOPPED = "manual", "campaign_stopped"


class ExitBatches(Protocol):
    """The workflows of journeys in Temporal."""

    async def exit_all(self, job: str, campaign_key: str, versions: Sequence[int]) -> bool:
        """Let the server end workflows, once under this name; return whether it is done."""

    async def count(self, campaign_key: str, versions: Sequence[int]) -> int:
        """Count running workflows by the index, which may lack recent ones."""


class ExitParameters(Struct, frozen=True):
    """The parameters. `whole_versions`: the selected versions count as ended already."""

    selection: JourneyFilter
    whole_versions: bool = False


class ExitHandler:
    """Ends the journeys of a selection."""

    def __init__(self, workflows: ExitBatches) -> None:
        self._workflows = workflows

    async def total(self, connection: Connection, operation: Operation) -> int:
        exit = convert(operation.parameters, ExitParameters)
        return await selections.count(connection, operation.campaign, exit.selection)

    async def page(self, connection: Connection, operation: Operation) -> Page:
        exit = convert(operation.parameters, ExitParameters)
        found = await selections.lock_page(connection, operation.campaign, exit.selection, operation.cursor, PAGE)
        if found:
            await _end(connection, operation, exit, found)
            return Page(found[-1].id, done=len(found), counts={"exited": len(found)})
        if not exit.whole_versions:
            return Page(operation.cursor, is_last=True)
        return await self._batch(operation, exit.selection.versions or ())

    async def _batch(self, operation: Operation, versions: Sequence[int]) -> Page:
        """After the rows are done, make sure that none of their workflows goes on.

        A batch finds what the server's index shows, which lags by moments: it is repeated until nothing runs.
        """
        batch = operation.counts.get("batches", 0)
        if batch == 0:
            return Page(operation.cursor, counts={"batches": 1}, pause=LOOK_INTERVAL)
        is_told = await self._workflows.exit_all(f"exit-{operation.id}-{batch}", operation.campaign, versions)
        running = await self._workflows.count(operation.campaign, versions)
        ended = max(operation.done - running - operation.counts.get("workflows_ended", 0), 0)
        counts = {"workflows_ended": ended}
        if is_told and running == 0:
            return Page(operation.cursor, counts=counts, is_last=True)
        idle = operation.counts.get("looks_in_vain", 0)
        if not is_told or ended > 0:
            counts["looks_in_vain"] = -idle
        elif idle < LOOKS_IN_VAIN * 2 ** min(batch, 6):
            counts["looks_in_vain"] = 1
        else:
            # Some were not found, or no worker runs: then another batch does not help soon.
            counts |= {"batches": 1, "looks_in_vain": -idle}
        return Page(operation.cursor, counts=counts, pause=LOOK_INTERVAL)


async def _end(connection: Connection, operation: Operation, exit: ExitParameters, found: list[Selected]) -> None:
    """End a page of journeys, and delete their pending starts."""
    at = connection.clock.now()
    by, reason = operation.requested_by, CAMPAIGN_STOPPED if exit.whole_versions else MANUAL
    data = {"by": by, "operation": str(operation.id)}
    await decisions.insert(connection, [exit_decision(journey, reason, at, data) for journey in found])
    await journeys.end(connection, [Ending(journey.id, EXITED, EXITED, by, at) for journey in found])
    if exit.whole_versions:
        await outbox.remove_starts(connection, [journey.workflow_id for journey in found])
    else:
        messages = [OutboxMessage(journey.workflow_id, "exit", {"by": by}) for journey in found]
        await outbox.append(connection, messages, bulk=True)


def exit_decision(journey: Selected, reason: str, at: datetime, data: Mapping[str, str]) -> Decision:
    """Build the decision that ended a journey from outside; a journey has one at most."""
    return Decision(
        id=uuid5(journey.id, "exit"),
        profile_id=journey.profile_id,
        campaign_key=journey.campaign_key,
        kind="exit",
        outcome=EXITED,
        at=at,
        journey_id=journey.id,
        step=journey.step,
        reason=reason,
        data=dict(data),
    )
