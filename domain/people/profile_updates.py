"""Apply statements to people, and name the changes as rules do."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msgspec.structs import replace

from domain.long_work import LongWork
from domain.people import profile_state
from domain.people.derived_events import ChangeOfProfile, value_changes
from domain.people.places.deployed import DeployedPlaces
from domain.people.profile import Profile
from domain.people.profile_state import ProfileState, Source, Statement, StateUpdate
from domain.people.registers import stamp, unverified_stamp
from domain.people.segments.deployed import DeployedSegments
from domain.people.statements import statements_of_traits
from domain.people.topics.deployed import DeployedTopics


class StampedPerson(Protocol):
    """A person whose values are known with their stamps."""

    def state(self) -> ProfileState: ...


def fold_statements(
    people: Mapping[UUID, StampedPerson], said: Mapping[UUID, Sequence[Statement]], places: DeployedPlaces
) -> LongWork[dict[UUID, StateUpdate]]:
    """Apply statements, a person at a time, with the places of their locations."""
    updates: dict[UUID, StateUpdate] = {}
    for id, statements in sorted(said.items()):
        if id in people:
            state = people[id].state()
            updates[id] = profile_state.fold(state, places.locate(state, statements))
            yield
    return updates


def list_changes(
    before: Mapping[UUID, Profile], updates: Mapping[UUID, StateUpdate], places: DeployedPlaces, topics: DeployedTopics
) -> Iterator[ChangeOfProfile]:
    """Iterate over the changes of people as rules name them."""
    for id, one in updates.items():
        for arrival in places.find_arrivals(one.changes):
            yield id, arrival
        for change in value_changes(before[id], one.changes, topics):
            yield id, change


def with_deployed(person: Profile, places: DeployedPlaces, topics: DeployedTopics) -> Profile:
    """Return a person with the areas that their location is in, and the topics."""
    areas = places.find_areas(person.context)
    return replace(person, areas=areas, topics=topics) if areas or topics.is_in_force else person


def with_computed(person: Profile, deployed: DeployedSegments, at: datetime) -> Profile:
    """Return a person with their segments and areas, and their computed traits."""
    return replace(
        person,
        computed=deployed.traits.view(person.counted, at),
        segments=deployed.keys_of(person.memberships),
        areas=deployed.places.find_areas(person.context),
        topics=deployed.topics,
        judged_stage=deployed.stage_of(person.memberships),
    )


def state_traits(traits: Mapping[str, Any], unverified: Collection[str], source: Source) -> list[Statement]:
    """Return the statements of a step or an operator about traits.

    A verified value stays against one of `unverified`.
    """
    said = stamp(source.at, source.id, source.label)
    verified = {name: value for name, value in traits.items() if name not in unverified}
    others = {name: value for name, value in traits.items() if name in unverified}
    return statements_of_traits(verified, said, source) + statements_of_traits(others, unverified_stamp(said), source)


def state_stage(stage: str | None, source: Source) -> Statement:
    """Return the statement of a step or an operator about the stage."""
    return Statement("stage", profile_state.STAGE, stage, stamp(source.at, source.id, source.label), source)
