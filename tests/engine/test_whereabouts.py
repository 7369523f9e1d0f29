"""Where a journey is, in words."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from application.whereabouts import summary
from domain.journey.state import JourneyStatus

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("step", "status", "until", "told"),
    [
        ("cool-off", "waiting", datetime(2026, 11, 30, 5, 38, tzinfo=UTC), "waits at cool-off until 06:38"),
        ("cool-off", "waiting", datetime(2026, 11, 29, 22, 59, tzinfo=UTC), "waits at cool-off until 2026-11-29 23:59"),
        ("cool-off", "waiting", datetime(2026, 12, 1, 8, 0, tzinfo=UTC), "waits at cool-off until 2026-12-01 09:00"),
        ("reacted", "waiting", None, "waits at reacted"),
        ("nudge", "deferred", datetime(2026, 11, 30, 8, 0, tzinfo=UTC), "is deferred at nudge until 09:00"),
        ("nudge", "held", None, "is held at nudge until the campaign is resumed or the hold ends"),
        (
            "nudge",
            "held",
            datetime(2026, 12, 2, 0, 0, tzinfo=UTC),
            "is held at nudge until the campaign is resumed or the hold ends, and asks again at 2026-12-02 01:00",
        ),
        ("nudge", "acting", None, "is at nudge"),
        (None, None, None, "is about to begin"),
    ],
)
def test_where_it_is_and_until_when_by_the_recipients_clock(
    step: str | None, status: JourneyStatus | None, until: datetime | None, told: str
) -> None:
    zone = " (Europe/Berlin)" if until else ""
    assert summary(step, status, until, BERLIN, NOW) == told + zone
