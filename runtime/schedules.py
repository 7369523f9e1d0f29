"""The schedules of audiences in Temporal: https://docs.temporal.io/schedule."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from application.audience_schedule import Recurrence
from domain.campaign.calendars import Calendar, calendars, describe
from domain.local_time.zones import recipient_zone
from runtime.temporal import CALL_TIMEOUT
from workflows import search_attributes
from workflows.audience import AudienceWorkflow

TIMEOUT = timedelta(seconds=CALL_TIMEOUT)
# A missed run begins later, but not after people expect it.
CATCHUP_WINDOW = timedelta(hours=12)


def schedule_id(campaign_key: str) -> str:
    """Return the id of a campaign's schedule."""
    return f"audience/{campaign_key}"


class AudienceSchedules:
    """Schedules that start a small workflow at each run of an audience."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def keep(self, campaign_key: str, recurrence: Recurrence, now: datetime) -> None:
        """Create or update the schedule. Raises RPCError if Temporal does not answer."""
        wanted = self._schedule(campaign_key, recurrence, max(now, recurrence.starts_at or now).date())
        handle = self._client.get_schedule_handle(schedule_id(campaign_key))
        try:
            await self._client.create_schedule(
                handle.id,
                wanted,
                search_attributes=TypedSearchAttributes(
                    [SearchAttributePair(search_attributes.CAMPAIGN, campaign_key)]
                ),
                rpc_timeout=TIMEOUT,
            )
        except ScheduleAlreadyRunningError:
            # The note contains all that may differ. Manual settings, such as a pause, are kept.
            there = (await handle.describe(rpc_timeout=TIMEOUT)).schedule
            if there.state.note != wanted.state.note:
                await handle.update(
                    lambda known: ScheduleUpdate(_replace(known.description.schedule, wanted)), rpc_timeout=TIMEOUT
                )

    async def remove(self, campaign_key: str) -> None:
        """Delete the schedule if it exists. Raises RPCError if Temporal does not answer."""
        try:
            await self._client.get_schedule_handle(schedule_id(campaign_key)).delete(rpc_timeout=TIMEOUT)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

    def _schedule(self, campaign_key: str, recurrence: Recurrence, since: date) -> Schedule:
        zone = recipient_zone({}, recurrence.timezone)
        return Schedule(
            action=ScheduleActionStartWorkflow(
                AudienceWorkflow.run,
                campaign_key,
                id=f"{schedule_id(campaign_key)}/run",
                task_queue=self._task_queue,
                static_summary=f"the audience of {campaign_key} enters",
                typed_search_attributes=TypedSearchAttributes(
                    [SearchAttributePair(search_attributes.CAMPAIGN, campaign_key)]
                ),
            ),
            spec=ScheduleSpec(
                calendars=[_spec(calendar) for calendar in calendars(recurrence.again, zone, since)],
                start_at=recurrence.starts_at,
                end_at=recurrence.ends_at,
                time_zone_name=recurrence.timezone,
            ),
            # A run waits if the one before it cannot be stored, because the database is away.
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ALL, catchup_window=CATCHUP_WINDOW),
            state=ScheduleState(note=_note(recurrence)),
        )


def _note(recurrence: Recurrence) -> str:
    bounds = [
        f"{word} {at:%Y-%m-%dT%H:%M:%SZ}"
        for word, at in (("from", recurrence.starts_at), ("until", recurrence.ends_at))
        if at is not None
    ]
    return ", ".join([f"version {recurrence.version}: {describe(recurrence.again)}", recurrence.timezone, *bounds])


def _replace(there: Schedule, wanted: Schedule) -> Schedule:
    wanted.state.paused = there.state.paused
    return wanted


def _spec(calendar: Calendar) -> ScheduleCalendarSpec:
    spec = ScheduleCalendarSpec(hour=_one(calendar.at.hour), minute=_one(calendar.at.minute))
    if calendar.weekdays is not None:
        # Temporal counts from Sunday 0.
        spec.day_of_week = _each((day + 1) % 7 for day in calendar.weekdays)
    if calendar.days is not None:
        spec.day_of_month = _each(calendar.days)
    if calendar.months is not None:
        spec.month = _each(calendar.months)
    if calendar.years is not None:
        spec.year = [ScheduleRange(years[0], years[-1], years.step) for years in calendar.years]
    return spec


def _one(number: int) -> list[ScheduleRange]:
    return [ScheduleRange(number)]


def _each(numbers: Iterable[int]) -> list[ScheduleRange]:
    return [ScheduleRange(number) for number in numbers]
