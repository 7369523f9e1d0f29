"""The schedules of audiences on a real server: when they come round, and what becomes of them."""

from datetime import UTC, datetime, time
from uuid import uuid4

import pytest
from temporalio.client import Client, ScheduleDescription
from temporalio.service import RPCError, RPCStatusCode

from application.audience_schedule import Recurrence
from domain.campaign.rules import AgainRule, DailyRule, MonthlyRule, WeeklyRule
from runtime.schedules import AudienceSchedules, schedule_id

NINE = time(9)


@pytest.fixture
def schedules(client: Client) -> AudienceSchedules:
    return AudienceSchedules(client, "nobody")


async def described(client: Client, key: str) -> ScheduleDescription:
    return await client.get_schedule_handle(schedule_id(key)).describe()


async def runs(
    client: Client, schedules: AudienceSchedules, again: AgainRule, timezone: str, first: str, last: str
) -> list[str]:
    """When a schedule of this rule comes round from one day to another, in UTC."""
    key = f"a{uuid4().hex}"
    starts_at, ends_at = (datetime.fromisoformat(f"{day}T00:00:00+00:00") for day in (first, last))
    await schedules.keep(key, Recurrence(1, again, timezone, starts_at, ends_at), datetime.now(UTC))
    found = (await described(client, key)).info.next_action_times
    await schedules.remove(key)
    return [f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" for at in found]


@pytest.mark.parametrize(
    ("again", "timezone", "first", "last", "wanted"),
    [
        (DailyRule(NINE), "UTC", "2058-01-01", "2058-01-03", ["2058-01-01 09:00", "2058-01-02 09:00"]),
        (WeeklyRule(NINE, (0, 6)), "Asia/Tokyo", "2058-01-01", "2058-01-08", ["2058-01-06 00:00", "2058-01-07 00:00"]),
        # Clocks turn on the last Sunday of March.
        (
            WeeklyRule(NINE, (4,)),
            *("Europe/Berlin", "2058-03-25", "2058-04-09"),
            ["2058-03-29 08:00", "2058-04-05 07:00"],
        ),
        (MonthlyRule(NINE, 1), "UTC", "2058-01-02", "2058-03-02", ["2058-02-01 09:00", "2058-03-01 09:00"]),
        (
            MonthlyRule(NINE, 31),
            *("UTC", "2058-01-01", "2058-06-01"),
            ["2058-01-31 09:00", "2058-02-28 09:00", "2058-03-31 09:00", "2058-04-30 09:00", "2058-05-31 09:00"],
        ),
        (MonthlyRule(NINE, 30), "UTC", "2060-02-01", "2060-04-01", ["2060-02-29 09:00", "2060-03-30 09:00"]),
        (MonthlyRule(NINE, 29), "UTC", "2061-02-01", "2061-04-01", ["2061-02-28 09:00", "2061-03-29 09:00"]),
        # A time that clocks skip, and one that they show twice.
        (
            DailyRule(time(2, 30)),
            *("Europe/Berlin", "2058-03-30", "2058-04-02"),
            ["2058-03-30 01:30", "2058-03-31 01:00", "2058-04-01 00:30"],
        ),
        (
            DailyRule(time(2, 30)),
            *("Europe/Berlin", "2058-10-26", "2058-10-28"),
            ["2058-10-26 00:30", "2058-10-27 01:30"],
        ),
    ],
)
async def test_it_comes_round_when_the_rule_says(
    client: Client,
    schedules: AudienceSchedules,
    again: AgainRule,
    timezone: str,
    first: str,
    last: str,
    wanted: list[str],
) -> None:
    assert await runs(client, schedules, again, timezone, first, last) == wanted


async def test_it_is_kept_as_the_version_says(client: Client, schedules: AudienceSchedules) -> None:
    key = f"a{uuid4().hex}"
    await schedules.keep(key, Recurrence(1, WeeklyRule(NINE, (0,)), "Asia/Tokyo"), datetime.now(UTC))
    first = await described(client, key)
    assert first.schedule.state.note == "version 1: mon at 09:00, Asia/Tokyo"
    assert first.schedule.spec.time_zone_name == "Asia/Tokyo"
    await schedules.keep(key, Recurrence(1, WeeklyRule(NINE, (0,)), "Asia/Tokyo"), datetime.now(UTC))
    assert (await described(client, key)).info.last_updated_at is None
    await schedules.keep(
        key, Recurrence(2, DailyRule(time(7)), "UTC", ends_at=datetime(2040, 1, 1, tzinfo=UTC)), datetime.now(UTC)
    )
    then = await described(client, key)
    assert then.schedule.state.note == "version 2: every day at 07:00, UTC, until 2040-01-01T00:00:00Z"
    assert {at.hour for at in then.info.next_action_times} == {7}


async def test_what_is_paused_by_hand_stays_paused(client: Client, schedules: AudienceSchedules) -> None:
    key = f"a{uuid4().hex}"
    await schedules.keep(key, Recurrence(1, DailyRule(NINE), "UTC"), datetime.now(UTC))
    await client.get_schedule_handle(schedule_id(key)).pause()
    await schedules.keep(key, Recurrence(2, DailyRule(time(7)), "UTC"), datetime.now(UTC))
    assert (await described(client, key)).schedule.state.paused


async def test_it_is_removed_once(client: Client, schedules: AudienceSchedules) -> None:
    key = f"a{uuid4().hex}"
    await schedules.keep(key, Recurrence(1, DailyRule(NINE), "UTC"), datetime.now(UTC))
    await schedules.remove(key)
    await schedules.remove(key)
    with pytest.raises(RPCError) as gone:
        await described(client, key)
    assert gone.value.status == RPCStatusCode.NOT_FOUND
