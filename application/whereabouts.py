"""The current positions of a person's journeys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.journey.filters import JourneyFilter
from domain.journey.state import JourneyStatus
from domain.local_time.zones import recipient_zone
from store import campaigns, journey_lists, profiles
from store.database import Connection
from store.journey_lists import ListedJourney

# A person may have a hundred journeys in each campaign; a page shows the newest.
MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """An active journey: its step, its status (waiting, deferred, held, acting).

    `entry_key` distinguishes journeys of one campaign, and is empty if a person has one at a time. `step` and `status`
    are None until they are recorded. `until` is None if it waits for no instant. `timezone` is that of the recipient's
    windows and delays, and of the times in `summary`. `url` leads to the journey in the Temporal UI.
    """

    campaign: str
    entry_key: str
    journey_id: str
    step: str | None
    status: JourneyStatus | None
    until: datetime | None
    timezone: str
    summary: str
    url: str


async def whereabouts(
    connection: Connection, profile_id: UUID, timezone: str, now: datetime, journey_url: str
) -> list[Whereabouts]:
    """Return a person's active journeys, newest first, by the deployment's defaults."""
    which = JourneyFilter(profile_id=profile_id, state="active")
    active = await journey_lists.page(connection, which, limit=MAX_SHOWN, after=None)
    if not active:
        return []
    traits, context = await profiles.traits_and_context(connection, profile_id)
    of_device = context.get("timezone")
    zones = await _zones_of_campaigns(connection, active)
    return [
        _whereabouts(
            journey,
            recipient_zone(traits, of_device, zones.get((journey.campaign, journey.version)), timezone),
            now,
            journey_url,
        )
        for journey in active
    ]


async def _zones_of_campaigns(
    connection: Connection, active: Sequence[ListedJourney]
) -> dict[tuple[str, int], str | None]:
    versions: dict[str, set[int]] = {}
    for journey in active:
        versions.setdefault(journey.campaign, set()).add(journey.version)
    return {
        (key, number): compiled.rules.timezone
        for key, numbers in versions.items()
        for number, compiled in (await campaigns.load_compiled(connection, key, sorted(numbers))).items()
    }


def _whereabouts(journey: ListedJourney, zone: ZoneInfo, now: datetime, journey_url: str) -> Whereabouts:
    where = f"{journey.campaign} ({journey.entry_key})" if journey.entry_key else journey.campaign
    return Whereabouts(
        campaign=journey.campaign,
        entry_key=journey.entry_key,
        journey_id=str(journey.id),
        step=journey.step,
        status=journey.status,
        until=journey.wakes_at,
        timezone=zone.key,
        summary=f"{summary(journey.step, journey.status, journey.wakes_at, zone, now)}, in {where}",
        url=link(journey_url, journey.workflow_id),
    )


def summary(
    step: str | None, status: JourneyStatus | None, until: datetime | None, zone: ZoneInfo, now: datetime
) -> str:
    """Summarize, as `waits at cool-off until 06:38 (Europe/Berlin)`, with other dates."""
    if step is None or status is None:
        return "is about to begin"
    if status == "held":
        # A pause has no end of its own; a hold is asked about again at its end, or each hour if it is that of many.
        again = f", and asks again at {_clock(until, zone, now)}" if until else ""
        return f"is held at {step} until the campaign is resumed or the hold ends{again}"
    if status == "acting":
        return f"is at {step}"
    does = "is deferred" if status == "deferred" else "waits"
    return f"{does} at {step}" + (f" until {_clock(until, zone, now)}" if until else "")


def _clock(until: datetime, zone: ZoneInfo, now: datetime) -> str:
    local = until.astimezone(zone)
    form = "%H:%M" if local.date() == now.astimezone(zone).date() else "%Y-%m-%d %H:%M"
    return f"{local.strftime(form)} ({zone.key})"


def link(journey_url: str, workflow_id: str) -> str:
    """Return the address of a journey in the Temporal UI."""
    return journey_url.format(workflow_id=quote(workflow_id, safe=""))
