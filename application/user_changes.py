"""Changes of people by operators."""

from msgspec import UNSET
from uuid_utils.compat import uuid7

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.people import lock_person, unknown_person
from application.person_views import PersonView, revision_of, show_person
from application.recipients import require_channel, set_suppressions
from application.stated_stages import set_stage_by_hand
from domain.access import Actor
from domain.errors import InvalidRequestError, UnavailableError
from domain.people.identity import IDENTITY_KINDS, Identity, PersonRef
from domain.people.operator_changes import OperatorChanges
from domain.revisions import Precondition
from store import audit, campaigns, identity_locks, people, profiles
from store.database import Connection, Database


class UserChanges:
    """Changes a person. `journey_url` contains {workflow_id}."""

    def __init__(self, database: Database, ingest: Ingest, catalogue: Catalogue, journey_url: str) -> None:
        self._database = database
        self._ingest = ingest
        self._catalogue = catalogue
        self._journey_url = journey_url

    async def __call__(
        self, ref: PersonRef, changes: OperatorChanges, *, if_match: Precondition, by: Actor
    ) -> PersonView:
        """Make all changes or none; return the person.

        Traits and consent are reported as an event, so that campaigns hear of them as of any identify.

        Raises NotFoundError for an unknown person or channel, InvalidRequestError, PreconditionFailedError, and
        UnavailableError during a merge.
        """
        if not changes.names():
            raise InvalidRequestError("there is nothing to change: give `traits`, `consent`, `suppressed` or `stage`")
        for channel in changes.suppressed:
            require_channel(channel)
        now = await self._database.now()
        async with self._database.one_transaction():
            async with self._database.transaction() as connection:
                identity, profile = await _lock(connection, ref, if_match)
            is_user = identity.kind == "user"
            event = changes.event(
                user_id=identity.value if is_user else None,
                anonymous_id=None if is_user else identity.value,
                by=by.name,
                at=now,
                new_id=uuid7,
            )
            if event is not None:
                result = await self._ingest([event], received_at=now)
                if result.left_out:
                    raise InvalidRequestError(result.left_out[0].error)
            async with self._database.transaction() as connection:
                if changes.suppressed:
                    # Their address may be new.
                    person = await lock_person(connection, profile)
                    named = None if is_user else identity.value
                    await set_suppressions(
                        connection, self._catalogue, person, changes.suppressed, by, anonymous_id=named
                    )
                if changes.stage is not UNSET:
                    person = await lock_person(connection, profile)
                    named = None if is_user else identity.value
                    await set_stage_by_hand(connection, self._catalogue, person, changes.stage, by, anonymous_id=named)
                await audit.record(connection, by, "user.change", identity.value, changes.names())
                return await show_person(connection, self._catalogue, profile, self._journey_url)


async def _lock(connection: Connection, ref: PersonRef, if_match: Precondition) -> tuple[Identity, PersonRef]:
    """Lock as ingest does; return an identity of the person, and the profile."""
    await campaigns.lock_registry_shared(connection)
    profile_id = await profiles.find(connection, ref)
    if profile_id is None:
        raise unknown_person(ref)
    identities = await (await people.begin_identities(connection, profile_id)).get()
    identity = next((each for each in identities if each.kind in IDENTITY_KINDS), None)
    held = await (await identity_locks.find_identities(connection, [identity])).get() if identity else {}
    if identity is None or identity not in held or held[identity].profile_id != profile_id:
        raise UnavailableError(f"{ref} is being merged into another profile; try again", retry_after=1)
    profile = PersonRef(str(profile_id), "profile")
    await lock_person(connection, profile)
    person = await (await people.begin_read(connection, profile_id)).get()
    if_match.require(None if person is None else revision_of(person.updated_at))
    return identity, profile
