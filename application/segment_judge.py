"""Read what is judged of locked people, and write what came of it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from application.held_journeys import write_membership_changes
from application.segment_facts import read_segment_facts
from domain.people.address_statements import with_refused
from domain.people.computed.deployed import DeployedTraits
from domain.people.profile import Profile
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.judge import SegmentJudge
from store import addresses, audience, profile_states
from store.database import Connection


async def open_judge(
    connection: Connection,
    traits: DeployedTraits,
    deployed: DeployedSegments,
    watched: Collection[str],
    people: Mapping[UUID, Profile],
    now: datetime,
) -> SegmentJudge:
    """Read what is judged of locked people."""
    rows = await (await profile_states.read(connection, people.keys())).get()
    if deployed:
        refused = await (await addresses.find_refused(connection, people, ())).get()
        people = {id: with_refused(person, refused) for id, person in people.items()}
    facts = await read_segment_facts(connection, deployed, people)
    names = await audience.anonymous_ids(connection, [id for id, person in people.items() if person.user_id is None])
    return SegmentJudge(traits, deployed, watched, now, people, rows, facts, names)


async def write_judged(connection: Connection, judge: SegmentJudge, *, marks_judged: bool = True) -> None:
    """Store the states, the members and the causes of the changes."""
    if changed := judge.changed_rows(marks_judged=marks_judged):
        await profile_states.write(connection, changed)
    if judge.recorded:
        await write_membership_changes(connection, judge.recorded)
