"""Use cases of journeys: list, show, end, and skip waits."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import to_builtins
from msgspec.structs import replace

from application import campaign_transitions
from application.explain import TimelineItem, place_of, timeline_items
from application.operations import skip
from application.operations.exit import MANUAL, exit_decision
from application.people import unknown_person
from application.whereabouts import link
from domain.access import Actor
from domain.errors import ConflictError, InvalidRequestError, NotFoundError
from domain.journey.filters import JourneyFilter
from domain.journey.records import Ending
from domain.journey.state import EXITED, JourneyStatus, StoredState
from domain.local_time.zones import recipient_zone
from domain.people.identity import PersonRef
from store import accounts, audit, campaigns, decisions, journey_lists, journeys, outbox, profiles, selections, timeline
from store.database import Connection, Database
from store.journey_lists import ListedJourney
from store.operations import Operation
from store.outbox import OutboxMessage
from store.selections import Selected

WAITING: Final = "waiting"
# Why the wait of a journey cannot be skipped, by its status.
_NOT_WAITING = {
    "deferred": "its message waits for its send window or the frequency caps, which cannot be overridden",
    "held": "its campaign or provider is paused, or its person on hold: resume the one, or release the other",
    "acting": "it does not wait, and goes on by itself",
}


@dataclass(frozen=True, slots=True)
class JourneyView:
    """A journey; once over, `step` is the last. `url` is its page in the Temporal UI."""

    id: UUID
    campaign: str
    version: int
    user_id: str | None
    account_id: str | None
    state: StoredState
    outcome: str | None
    step: str | None
    status: JourneyStatus | None
    wakes_at: datetime | None
    entered_at: datetime
    ended_at: datetime | None
    entry_key: str
    url: str


_SHOWN = [field.name for field in fields(JourneyView) if field.name != "url"]


@dataclass(frozen=True, slots=True)
class JourneyStory(JourneyView):
    """A journey with its records, oldest first; `next` is the earlier page.

    `zone` is the time zone by which its steps go.
    """

    entry_event_id: str
    zone: str
    timeline: list[TimelineItem]
    next: str | None


class Journeys:
    """Use cases of journeys. `journey_url` contains {workflow_id}."""

    def __init__(self, database: Database, journey_url: str, timezone: str) -> None:
        self._database = database
        self._journey_url = journey_url
        self._timezone = timezone

    async def list(
        self, which: JourneyFilter, *, user: str | None, limit: int, after: UUID | None, by: Actor
    ) -> list[JourneyView]:
        """Return the newest, or those before one. Raises NotFoundError.

        The audit log says who has looked.
        """
        async with self._database.transaction() as connection:
            which = await _select_user(connection, which, user)
            found = await journey_lists.page(connection, which, limit=limit, after=after)
            await audit.record_list(connection, by, "journeys", user)
            return [self._view(journey) for journey in found]

    async def get(self, id: UUID, *, limit: int, before: str | None, by: Actor) -> JourneyStory:
        """Return a journey with its latest records before a place. Raises NotFoundError.

        The audit log says who has looked at its person.
        """
        place = place_of(before)
        async with self._database.transaction() as connection:
            found = await _get_or_raise(connection, id)
            people = [found.profile_id]
            if found.account_id is not None:
                people += await accounts.find_all_ids(connection, found.account_id)
            recorded = await timeline.latest(connection, people, limit + 1, place, journey_id=id)
            trait, device, campaign = await journey_lists.find_timezones(connection, id)
            await audit.record_look(connection, by, "user.read", found.user_id or str(found.profile_id))
        items, next = timeline_items(recorded, limit, self._journey_url)
        return JourneyStory(
            **_members(found, self._journey_url),
            entry_event_id=found.entry_event_id,
            zone=recipient_zone({"timezone": trait}, device, campaign, self._timezone).key,
            timeline=items,
            next=next,
        )

    async def exit(self, id: UUID, *, by: Actor) -> JourneyView:
        """End an active journey. Raises NotFoundError and ConflictError."""
        async with self._database.transaction() as connection:
            at = connection.clock.now()
            journey = await self._lock_active(connection, id)
            await decisions.insert(connection, [exit_decision(journey, MANUAL, at, {"by": by.name})])
            await journeys.end(connection, [Ending(id, EXITED, EXITED, by.name, at)])
            await outbox.append(connection, [OutboxMessage(journey.workflow_id, "exit", {"by": by.name})])
            await audit.record(connection, by, "journey.exit", str(id), {"campaign": journey.campaign_key})
            return self._view(await _get_or_raise(connection, id))

    async def skip(self, id: UUID, *, by: Actor) -> JourneyView:
        """Skip a journey's wait. Raises NotFoundError, and ConflictError without a wait."""
        async with self._database.transaction() as connection:
            at = connection.clock.now()
            journey = await self._lock_active(connection, id)
            if journey.status != WAITING:
                why = _NOT_WAITING[journey.status or "acting"]
                raise ConflictError(
                    f"the wait of journey {id} cannot be skipped: {why}",
                    journey=str(id),
                    step=journey.step,
                    journey_status=journey.status,
                )
            await skip.skip(connection, [journey], at, data={"by": by.name}, bulk=False)
            await audit.record(
                connection, by, "journey.skip", str(id), {"campaign": journey.campaign_key, "step": journey.step}
            )
            return self._view(await _get_or_raise(connection, id))

    async def count(self, which: JourneyFilter, *, user: str | None) -> int:
        """Count the active journeys of a selection. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            return await selections.count(connection, _campaign_of(which), await _select_user(connection, which, user))

    async def exit_many(self, which: JourneyFilter, *, user: str | None, by: Actor) -> Operation:
        """Request the end of journeys, page by page. Raises NotFoundError."""
        return await self._request("exit", which, user, by)

    async def skip_many(self, which: JourneyFilter, *, user: str | None, by: Actor) -> Operation:
        """Request to skip waits, page by page. Raises InvalidRequestError."""
        return await self._request("skip", select_waiting(which), user, by)

    async def _request(
        self, kind: Literal["exit", "skip"], which: JourneyFilter, user: str | None, by: Actor
    ) -> Operation:
        """Request an operation on journeys entered by now: it may run much later."""
        campaign = _campaign_of(which)
        async with self._database.transaction() as connection:
            now = connection.clock.now()
            which = replace(which, entered_before=min(which.entered_before or now, now))
            parameters = {"selection": to_builtins(await _select_user(connection, which, user))}
            operation = await campaign_transitions.request_operation(connection, campaign, kind, parameters, by)
            data = {"operation": str(operation.id), **parameters}
            await audit.record(connection, by, f"journeys.{kind}", campaign, data)
            return operation

    async def _lock_active(self, connection: Connection, id: UUID) -> Selected:
        """Lock a journey; refuse one that is over, even if its row does not say so yet."""
        journey = await selections.lock_one(connection, id)
        found = await _get_or_raise(connection, id)
        if found.state != "active" or journey is None:
            raise ConflictError(
                f"journey {id} is over: {found.outcome}", journey=str(id), state=found.state, outcome=found.outcome
            )
        return journey

    def _view(self, journey: ListedJourney) -> JourneyView:
        return journey_view(journey, self._journey_url)


def journey_view(journey: ListedJourney, journey_url: str) -> JourneyView:
    """Return a journey as it is shown."""
    return JourneyView(**_members(journey, journey_url))


def _members(journey: ListedJourney, journey_url: str) -> dict[str, Any]:
    shown = {member: getattr(journey, member) for member in _SHOWN}
    return {**shown, "url": link(journey_url, journey.workflow_id)}


def select_waiting(which: JourneyFilter) -> JourneyFilter:
    """Restrict a filter to waiting journeys. Raises InvalidRequestError for others."""
    if which.status not in (None, WAITING):
        raise InvalidRequestError(
            f"only a wait can be skipped: `status` may be `{WAITING}`", journey_status=which.status
        )
    return replace(which, status=WAITING)


def _campaign_of(which: JourneyFilter) -> str:
    if which.campaign is None:
        raise InvalidRequestError("many journeys are changed in one campaign: `campaign` is missing")
    return which.campaign


async def _get_or_raise(connection: Connection, id: UUID) -> ListedJourney:
    journey = await journey_lists.one(connection, id)
    if journey is None:
        raise NotFoundError(f"there is no journey {id}", journey=str(id))
    return journey


async def _select_user(connection: Connection, which: JourneyFilter, user: str | None) -> JourneyFilter:
    """Restrict a filter to a user. Raises NotFoundError for unknown names."""
    if which.campaign is not None:
        await _ensure_known(connection, which.campaign, which.versions, which.step)
    return which if user is None else replace(which, profile_id=await _profile_of(connection, user))


async def _ensure_known(
    connection: Connection, campaign: str, versions: Collection[int] | None, step: str | None
) -> None:
    """Raise NotFoundError for an unknown campaign, version or step."""
    await campaign_transitions.get_or_raise(connection, campaign)
    for version in versions or ():
        if await campaigns.version(connection, campaign, version) is None:
            raise NotFoundError(f"campaign {campaign} has no version {version}", campaign=campaign, version=version)
    for number in (None,) if versions is None else versions:
        if step is not None and not await campaigns.has_step(connection, campaign, step, number):
            said = f"campaign {campaign}" if number is None else f"version {number} of campaign {campaign}"
            raise NotFoundError(f"{said} has no step {step}", campaign=campaign, step=step)


async def _profile_of(connection: Connection, user: str) -> UUID:
    """Return a user's profile. Raises NotFoundError."""
    person = PersonRef(user)
    profile_id = await profiles.find(connection, person)
    if profile_id is None:
        raise unknown_person(person)
    return profile_id
