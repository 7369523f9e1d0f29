"""Stages that operators set by hand."""

from uuid_utils.compat import uuid7

from application.catalogue import Catalogue
from application.derived_events import report_changes
from application.settled_people import settle_people
from application.statements import write_statements
from domain.access import Actor
from domain.deployment_documents import LIFECYCLE
from domain.errors import InvalidRequestError
from domain.people.derived_events import Cause
from domain.people.lifecycle import explain_stated_stage
from domain.people.profile import Profile
from domain.people.profile_state import Source
from domain.people.profile_updates import state_stage
from store import documents
from store.database import Connection


async def set_stage_by_hand(
    connection: Connection,
    catalogue: Catalogue,
    person: Profile,
    stage: str | None,
    by: Actor,
    *,
    anonymous_id: str | None,
) -> None:
    """Set the stage of a locked person, or forget the one that was set by hand.

    `anonymous_id` names a person without a user id to campaigns. The caller has locked the registry before the person.
    Raises InvalidRequestError for a stage that the life cycle judges, or does not have.
    """
    stages = (await documents.latest(connection, LIFECYCLE)).rules
    if stage is not None and stages and (fault := explain_stated_stage(stage, stages)) is not None:
        raise InvalidRequestError(f"{fault[0]}. {fault[1]}")
    source = Source("operator", by.name, connection.clock.now(), by.name)
    settled = await settle_people(connection, catalogue, [person.id])
    written = await write_statements(connection, person.id, [state_stage(stage, source)])
    cause = Cause(uuid7(), person.user_id, None if person.user_id else anonymous_id, source.at)
    await report_changes(connection, catalogue, cause, source, written.changes(), settled)
