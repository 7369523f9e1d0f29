"""Erase a person: their workflows and rows, and their ids in other rows."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol, assert_never

from application.data_plan import DataPlanConsumer
from domain.channels.kinds import normalized_addresses
from domain.people.address_statements import Address
from domain.people.erasure import spell_in_texts
from domain.people.identity import find_main_identity
from store import addresses, erased_copies, erasures, stream_consumers
from store.database import Connection
from store.erasures import Erasure
from store.operations import Operation, Page
from store.personal_data import PERSONAL_TABLES

# Workflows of one page, and rows deleted in one transaction.
WORKFLOWS, ROWS = 50, 2_000
# An attempt to send takes 90 s at most. It settles its message before the row is deleted.
SEND_TIMEOUT = timedelta(seconds=100)
# The intervals of looks, in seconds: at what Temporal deletes, and at copies.
LOOK_INTERVAL, COPY_INTERVAL = 0.5, 1.0


class WorkflowDeletion(Protocol):
    """The journeys' workflows in Temporal."""

    async def delete(self, workflow_ids: Sequence[str]) -> int:
        """Request the deletion of workflows, running ones too; return how many are left."""


class EraseHandler:
    """Erases one person. Each page begins with what is left, so none is lost.

    `copies` are the consumers of the stream that delete the person's rows elsewhere.
    """

    def __init__(self, workflows: WorkflowDeletion, copies: Collection[str] = ()) -> None:
        self._workflows = workflows
        self._copies = copies

    async def total(self, connection: Connection, operation: Operation) -> None:
        """Leave the number of rows unknown: counting takes as long as deleting."""

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Delete workflows until Temporal has none, then rows, then wait for the copies."""
        erasure = await erasures.find(connection, operation.id)
        if erasure is None:
            return Page(operation.cursor, is_last=True)
        match erasure.phase:
            case "deleting_workflows":
                return await self._delete_workflows(connection, operation, erasure)
            case "confirming_workflows":
                return await self._confirm_workflows(connection, operation, erasure)
            case "keeping_refusals":
                kept = await _keep_refusals(connection, erasure)
                await erasures.enter(connection, erasure, "deleting_rows")
                return Page(operation.cursor, done=kept, counts={"addresses": kept})
            case "deleting_rows":
                counts, is_last = await _delete_rows(connection, erasure)
                if is_last:
                    await erasures.enter(connection, erasure, "confirming_copies")
                return Page(operation.cursor, done=sum(counts.values()), counts=counts)
            case "confirming_copies":
                return await self._confirm_copies(connection, operation, erasure)
            case _:
                assert_never(erasure.phase)

    async def _delete_workflows(self, connection: Connection, operation: Operation, erasure: Erasure) -> Page:
        if await erasures.is_sending(connection, erasure.profile_id, SEND_TIMEOUT):
            return Page(operation.cursor, pause=LOOK_INTERVAL)
        own = await erasures.journeys_after(connection, erasure.profile_id, operation.cursor, WORKFLOWS)
        if own:
            await self._workflows.delete([journey.workflow_id for journey in own])
            return Page(own[-1].id)
        await erasures.enter(connection, erasure, "confirming_workflows")
        return Page(None)

    async def _confirm_workflows(self, connection: Connection, operation: Operation, erasure: Erasure) -> Page:
        """Wait until Temporal has carried the deletions out.

        A workflow that was started late is deleted as well.
        """
        own = await erasures.journeys_after(connection, erasure.profile_id, operation.cursor, WORKFLOWS)
        if not own:
            await erasures.enter(connection, erasure, "keeping_refusals")
            return Page(None)
        if await self._workflows.delete([journey.workflow_id for journey in own]):
            return Page(operation.cursor, pause=LOOK_INTERVAL)
        return Page(own[-1].id, done=len(own), counts={"workflows": len(own)})

    async def _confirm_copies(self, connection: Connection, operation: Operation, erasure: Erasure) -> Page:
        for consumer in self._copies:
            if not await erasures.is_copied_away(connection, erasure, consumer):
                return Page(operation.cursor, pause=COPY_INTERVAL)
        await erasures.finish(connection, erasure)
        return Page(operation.cursor, counts=dict.fromkeys(self._copies, 1), is_last=True)


async def _keep_refusals(connection: Connection, erasure: Erasure) -> int:
    own: set[Address] = {*erasure.addresses, *await erasures.find_used_addresses(connection, erasure.profile_id)}
    for changes in await erasures.changed_traits(connection, erasure.profile_id):
        for side in ("before", "after"):
            own |= {*normalized_addresses({name: change[side] for name, change in changes.items()}).items()}
    await erasures.store_addresses(connection, erasure, own)
    return await addresses.keep_refusals(connection, own, erasure.profile_id)


async def _delete_rows(connection: Connection, erasure: Erasure) -> tuple[dict[str, int], bool]:
    """Delete a page of rows; return the counts by table, and whether it was the last."""
    values = [*erasure.values, *(value for _, value in erasure.addresses)]
    parameters = erasures.parameters_of(erasure, spell_in_texts(values, str(erasure.profile_id)))
    counts: dict[str, int] = {}
    left = ROWS
    for table in PERSONAL_TABLES:
        if table.fate != "delete":
            continue
        deleted = await erasures.delete_page(connection, table, parameters, left)
        if deleted:
            counts[table.name] = deleted
        left -= deleted
        if left <= 0:
            return counts, False
    person = await erasures.hash_id(connection, find_main_identity(erasure.identities))
    counts["audit_log"] = await erased_copies.rewrite_audit_log(connection, parameters, person)
    if claims := await erased_copies.forget_claims(connection, parameters):
        counts["claims"] = claims
    await stream_consumers.wait_for_consumer(connection, DataPlanConsumer.name)
    await erased_copies.forget_names(connection, parameters)
    await erased_copies.rewrite_operations(connection, parameters)
    await erased_copies.rewrite_backtests(connection, parameters)
    await erased_copies.rewrite_reconciliations(connection, parameters)
    await erasures.delete_person(connection, erasure)
    counts["profiles"] = 1
    counts["identities"] = len(erasure.identities)
    return {name: number for name, number in counts.items() if number}, True
