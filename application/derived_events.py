"""Report the changes of profiles as events, in the transaction that makes them."""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from msgspec import Struct

from application import routing, turns
from application.accounts import ask_for_accounts
from application.catalogue import Catalogue
from application.computed_states import read_computed
from application.people import read_people
from application.segment_judge import open_judge, write_judged
from application.settled_people import SettledPeople
from domain.journey.matching import ProfileEvent
from domain.people.derived_events import (
    Cause,
    CausedChange,
    ChangeOfProfile,
    ValueChange,
    derived_event,
)
from domain.people.profile_state import Source
from domain.people.segments.inputs import inputs_of_changes
from domain.tracking.stored_event import StoredEvent
from store import events, profiles
from store.database import Connection


class JudgeRequest(Struct, frozen=True):
    """The segments that a change of a person may affect, with its source.

    Without a cause, rules hear of nothing.
    """

    segments: Collection[int]
    cause: Cause | None
    source: Source


async def report_caused(
    connection: Connection,
    catalogue: Catalogue,
    changes: Iterable[CausedChange],
    echoes: Iterable[CausedChange] = (),
) -> None:
    """Store and route the events of changes that no event has made; echoes first.

    Echoes concern the journeys of people alone. The caller has locked the registry, then the people, and has written
    and recorded the changes. Raises TooMuchWork beyond one transaction, except for a single person.
    """
    listeners = await catalogue.listeners(connection)
    profile_events = [
        ProfileEvent(profile_id, derived_event(change, cause), cause.id, is_echo)
        for caused, is_echo in ((echoes, True), (changes, False))
        for profile_id, change, cause in caused
        if listeners.listens_for(change.trigger)
    ]
    if not profile_events:
        return
    now = connection.clock.now()
    changed = {one.profile_id for one in profile_events}
    segments = await catalogue.load_segments(connection)
    people = await read_computed(connection, segments, await read_people(connection, changed), now)
    await events.insert(connection, [StoredEvent(one.profile_id, one.event) for one in profile_events], now)
    account_ids: Collection[str] = ()
    concerned = [one for one in profile_events if not one.is_echo]
    if concerned and listeners.concern_accounts(one.event for one in concerned):
        account_ids = (await ask_for_accounts(connection, (), concerned)).ids
    pending = await routing.load_context(
        connection, listeners, profile_events, now, account_ids, unit=routing.by_person
    )
    context = await pending.get(people)
    result = await turns.run(routing.route(profile_events, listeners, context, now, routing.by_person))
    await routing.record(connection, catalogue, result, profile_events, now)


async def report_changes(
    connection: Connection,
    catalogue: Catalogue,
    cause: Cause,
    source: Source,
    changes: Iterable[ChangeOfProfile],
    settled: SettledPeople,
    judged: Iterable[UUID] = (),
) -> None:
    """Store and route the events of changes that have one cause, as `report_caused`.

    The people were `settled` before. They are judged by the segments that their changes affect, and those `judged` by
    all.
    """
    caused = [(profile_id, change, cause) for profile_id, change in changes]
    segments = await catalogue.load_segments(connection)
    if segments:
        inputs: dict[UUID, list[ValueChange]] = {}
        for profile_id, change, _ in caused:
            inputs.setdefault(profile_id, []).append(change)
        affected = {id: segments.find_affected(inputs_of_changes(of_person)) for id, of_person in inputs.items()}
        affected |= dict.fromkeys(judged, segments.all)
        caused = [one for one in caused if segments.reports(one[1])]
        requests = {id: JudgeRequest(ids, cause, source) for id, ids in affected.items()}
        caused += await judge_people(connection, catalogue, requests, settled)
    await report_caused(connection, catalogue, [*settled.changes, *caused])


async def judge_people(
    connection: Connection, catalogue: Catalogue, requests: Mapping[UUID, JudgeRequest], settled: SettledPeople
) -> list[CausedChange]:
    """Judge locked people by some segments, as they are now; return what rules hear.

    The caller has locked the registry before the people, has `settled` these before it changed them, and reports the
    changes of that first. Raises TooMuchWork beyond one transaction, except for two people.
    """
    wanted = {id: request for id, request in sorted(requests.items()) if request.segments}
    if not wanted:
        return []
    people = await profiles.read(connection, wanted)
    traits, segments = await catalogue.load_computed(connection), await catalogue.load_segments(connection)
    watched = (await catalogue.listeners(connection)).watched_traits
    judge = await open_judge(connection, traits, segments, watched, people, settled.at)
    for id in people:
        await turns.run(judge.follow(id, wanted[id].segments, wanted[id].cause, wanted[id].source))
    await write_judged(connection, judge)
    return judge.changes
