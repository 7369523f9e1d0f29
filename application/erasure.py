"""Erase a person: cut them from their ids at once, and the rest as an operation."""

from collections.abc import Sequence
from uuid import UUID

from application.account_journeys import hand_over_of_erased, lock_accounts_of
from application.identity_locks import IdentityMovedError, retry_moved
from application.people import unknown_person
from application.routing import exit_message
from domain.access import Actor
from domain.journey.records import Ending
from domain.journey.state import EXITED
from domain.people.erasure import ERASED
from domain.people.identity import Identity, PersonRef, find_main_identity
from store import audit, erasures, journeys, operations, outbox, profiles
from store.database import Connection, Database
from store.erasures import Erasure
from store.operations import Operation


class Erasures:
    """Begins erasures. Once it has, nothing more is handed over to the person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def request(self, person: PersonRef, *, by: Actor) -> Operation:
        """Request the erasure of a person.

        Their journeys are ended and their ids free for a new person when this returns. A repetition gets the operation
        of the first request. Raises NotFoundError, and UnavailableError while their ids keep changing.
        """
        return await retry_moved(lambda: self._begin(person, by), f"the ids of {person} keep changing; try again")

    async def _begin(self, person: PersonRef, by: Actor) -> Operation:
        async with self._database.transaction() as connection:
            await erasures.begin(connection)
            profile_id = await profiles.find(connection, person)
            if profile_id is None:
                return await _find_earlier(connection, person)
            identities = await erasures.lock_identities(connection, profile_id)
            if not identities:
                # The person was merged into another one, or is being erased.
                raise IdentityMovedError if person.kind != "profile" else unknown_person(person)
            own = await erasures.lock_addresses(connection, profile_id)
            await _end_journeys(connection, profile_id, identities, by)
            target = await erasures.hash_id(connection, find_main_identity(identities))
            operation = await operations.insert_for_deployment(
                connection, "erase", {"person": target}, requested_by=by.name
            )
            erasure = Erasure(operation.id, profile_id, identities, own, connection.clock.now())
            await erasures.insert(connection, erasure)
            await audit.record(connection, by, "user.erase", target, {"operation": str(operation.id)})
            return operation


async def _find_earlier(connection: Connection, person: PersonRef) -> Operation:
    id = await erasures.find_operation(connection, person)
    operation = await operations.find(connection, id) if id is not None else None
    if operation is None:
        raise unknown_person(person)
    return operation


async def _end_journeys(connection: Connection, profile_id: UUID, identities: Sequence[Identity], by: Actor) -> None:
    account_ids = await lock_accounts_of(connection, [profile_id])
    values = [identity.value for identity in identities]
    active = await erasures.lock_journeys(connection, profile_id, account_ids, values)
    if account_ids:
        await hand_over_of_erased(connection, profile_id, account_ids, values, by)
    # A journey that a merge has ended may still wait for its start.
    await outbox.remove_starts_of_profile(connection, profile_id)
    if not active:
        return
    at = connection.clock.now()
    await journeys.end(connection, [Ending(journey.id, EXITED, ERASED, by.name, at) for journey in active])
    workflow_ids = [journey.workflow_id for journey in active]
    await outbox.append(connection, [exit_message(workflow_id, ERASED) for workflow_id in workflow_ids])
