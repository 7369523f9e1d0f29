"""Why a person is in a segment or not, and when time may change it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from application.catalogue import Catalogue
from application.people import read_people, unknown_person
from application.segment_facts import read_segment_facts
from domain.access import Actor
from domain.epoch import from_microseconds
from domain.errors import NotFoundError
from domain.people.computed.state_row import EMPTY
from domain.people.identity import PersonRef
from domain.people.segments.causes import describe_change
from domain.people.segments.definition import RecordedChange
from domain.people.segments.deployed import DeployedSegments
from domain.people.segments.explanation import ExplainedPart
from domain.people.segments.judged_person import NO_FACTS
from domain.suggestions import did_you_mean
from store import audit, profile_states, profiles, segments
from store.database import Database


@dataclass(frozen=True, slots=True)
class LatestChange:
    """The latest join or leave of a person, with its cause as data and in words."""

    has_joined: bool
    at: datetime
    cause: Mapping[str, Any]
    summary: str


@dataclass(frozen=True, slots=True)
class SegmentExplanation:
    """A person's membership in a segment, and the condition's parts at an instant.

    The segment is not yet `is_ready` while a new definition is judged over everyone. `instead` is the segment of the
    same exclusive group that the person is in.
    """

    segment: str
    is_member: bool
    since: datetime | None
    is_ready: bool
    instead: str | None
    last_change: LatestChange | None
    as_of: datetime
    condition: ExplainedPart


class SegmentExplanations:
    """Explains memberships."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def explain(self, person: PersonRef, key: str, *, by: Actor) -> SegmentExplanation:
        """Explain a membership; the audit log says who has looked. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            deployed = await self._catalogue.load_segments(connection)
            id = require_segment(deployed, key)
            profile_id = await profiles.find(connection, person)
            people = {} if profile_id is None else await read_people(connection, [profile_id])
            if profile_id is None or profile_id not in people:
                raise unknown_person(person)
            row = (await (await profile_states.read(connection, people)).get()).get(profile_id, EMPTY)
            facts = (await read_segment_facts(connection, deployed, people)).get(profile_id, NO_FACTS)
            change = await segments.find_latest_change(connection, profile_id, id)
            await audit.record_look(connection, by, "user.read", person.id)
            now = connection.clock.now()
        since = row.segments.get(str(id))
        return SegmentExplanation(
            segment=key,
            is_member=since is not None,
            since=None if since is None else from_microseconds(since),
            is_ready=id in deployed.ready,
            instead=deployed.find_rival(id, row.segments),
            last_change=None if change is None else _describe(key, change),
            as_of=now,
            condition=deployed.explain(id, people[profile_id], facts, row.state, row.segments, now),
        )


def require_segment(deployed: DeployedSegments, key: str) -> int:
    """Return the id of a segment in force. Raises NotFoundError."""
    if (id := deployed.id_of(key)) is None:
        known = sorted(one.key for one in deployed.definitions.values())
        raise NotFoundError(f"there is no segment {key}. {did_you_mean(key, known, 'Segments')}", segment=key)
    return id


def _describe(key: str, change: RecordedChange) -> LatestChange:
    one = change.change
    return LatestChange(one.has_joined, one.at, change.cause, describe_change(key, one.has_joined, change.cause))
