"""Somewhere it is always the hour that is asked for."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cli.demo.zones import zone_where_it_is

HOUR = timedelta(hours=1)


def test_there_is_a_city_within_an_hour_of_any_hour_all_year_round() -> None:
    start = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    for number in range(0, 366 * 24, 5):
        at = start + number * HOUR
        local = at.astimezone(ZoneInfo(zone_where_it_is(15, at)))
        assert abs(local - local.replace(hour=15, minute=0)) <= HOUR, at


def test_of_two_cities_it_is_the_one_that_is_nearer() -> None:
    at = datetime(2026, 1, 1, 13, 50, tzinfo=UTC)
    assert zone_where_it_is(15, at) == "Europe/Berlin"
    assert zone_where_it_is(23, at) == "Asia/Tokyo"
