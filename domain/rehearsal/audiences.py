"""Entries of audiences in a simulation: at its start, or by their schedules."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct

from domain.campaign.calendars import find_next_run
from domain.journey.matching import Matcher, ProfileEvent
from domain.local_time.zones import recipient_zone
from domain.people.profile import Profile
from domain.rehearsal.people import SimulatedPerson
from domain.rehearsal.rulebook import RunningCampaign
from domain.tracking.event import AUDIENCE, SOJOURN_SOURCE, Event


class SimulatedRun(Struct, frozen=True):
    """A run of a campaign's audience at an instant."""

    campaign: RunningCampaign
    at: datetime


def find_run(campaign: RunningCampaign, since: datetime, *, is_first: bool) -> SimulatedRun | None:
    """Return the next run of an audience, of which one without repetition has one.

    None without one before the schedule of the campaign ends.
    """
    audience, schedule = campaign.rules.entry.audience, campaign.rules.schedule
    if audience is None:
        return None
    since = max(since, schedule.starts_at or since)
    if audience.again is None:
        return SimulatedRun(campaign, since) if is_first else None
    at = find_next_run(audience.again, recipient_zone({}, campaign.rules.timezone), since)
    return None if schedule.ends_at is not None and at >= schedule.ends_at else SimulatedRun(campaign, at)


def select_members(
    run: SimulatedRun, people: Iterable[tuple[SimulatedPerson, Profile]], share: float
) -> Iterator[tuple[SimulatedPerson, datetime]]:
    """Iterate over the members of a run, each with the instant of the entry.

    They enter at their share of the rate of the audience.
    """
    audience, timezone = run.campaign.rules.entry.audience, run.campaign.rules.timezone
    if audience is None:
        return
    matcher, number = Matcher({}, run.at), 0
    for person, profile in people:
        if matcher.belongs(audience.where, profile, timezone).holds:
            yield person, run.at + timedelta(seconds=number // (audience.rate * share))
            number += 1


def make_entry(run: SimulatedRun, person: SimulatedPerson) -> ProfileEvent:
    """Return the event that stands for the entry of a member."""
    id = uuid5(NAMESPACE_URL, f"{run.campaign.key} {run.at.isoformat()} {person.id}")
    event = Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type=AUDIENCE,
        name=None,
        user_id=person.profile.user_id,
        anonymous_id=person.anonymous_id,
        properties={},
        context={},
        timestamp=run.at,
    )
    return ProfileEvent(person.id, event)
