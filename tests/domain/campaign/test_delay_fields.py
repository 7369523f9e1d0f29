from datetime import time

import pytest

from domain.campaign.delays.date import DateDelay
from domain.campaign.delays.local_clock import ClockDelay
from domain.campaign.delays.local_hours import HoursDelay, HoursRule
from domain.campaign.delays.random_time import RandomDelay
from domain.campaign.steps.delay import DelayStep
from domain.local_time.windows import LocalWindow
from tests.domain.campaign.documents import problem, publish, steps


def delay(written: str) -> object:
    text = steps(f"  - {{id: a, delay: {written}}}\n  - {{id: z, delay: 1h}}\n")
    step = publish(text).definition.steps[0]
    assert isinstance(step, DelayStep)
    return step.delay


def test_reads_every_form() -> None:
    assert delay("1h30m") == 5_400
    assert delay("{for: 1h..3h}") == RandomDelay.model_construct(ends=(3_600, 10_800))
    assert delay("{until: 09:00, days: [sun, mon]}") == ClockDelay.model_construct(until=time(9), days=(0, 6))
    hours = delay("{during: {from: 09:00, to: 17:00, days: [mon]}}")
    assert isinstance(hours, HoursDelay)
    assert hours.rule() == HoursRule(LocalWindow(time(9), time(17), (0,)))
    assert delay("{until: '23:59'}") == ClockDelay.model_construct(until=time(23, 59), days=None)
    date = delay("{date: profile.traits.ends_at, offset: -3d12h, at: '09:30', if_past: skip_next}")
    assert date == DateDelay.model_construct(
        date="profile.traits.ends_at", offset=-302_400, at=time(9, 30), if_past="skip_next"
    )
    assert delay("{date: timestamp('2026-12-24T18:00:00Z'), offset: +2h}") == DateDelay.model_construct(
        date="timestamp('2026-12-24T18:00:00Z')", offset=7_200
    )


_FORMS = "Write `30m`, `{for: 1h..3h}`"


@pytest.mark.parametrize(
    ("written", "where", "message", "suggestion"),
    [
        ("", "", "`delay` has no value", "`30m`"),
        ("30", "", "`30` is not a duration", "`30m`"),
        ("1 day", "", "`1 day` is not a duration", "Did you mean `1d`?"),
        ("[1h]", "", "a list is not a delay", _FORMS),
        ("{hours: 3}", "", "a mapping is not a delay", _FORMS),
        ("9:00", "", "`9:00` is not a duration", 'Write `{until: "09:00"}`, or a duration'),
        ("1h..3h", "", "`1h..3h` is not a duration", "Write `{for: 1h..3h}`"),
        ("profile.traits.x", "", "`profile.traits.x` is not a duration", "Write `{date: profile.traits.x}`"),
        ("2026-12-24", "", "`2026-12-24` is not a duration", "Write `{date: \"'2026-12-24'\"}`"),
        ("Monday", "", "`Monday` is not a duration", 'Write `{until: "09:00", days: [mon]}`'),
        ("{for: }", ".for", "`for` has no value", "Write one"),
        ("{for: 1h}", ".for", "`1h` is not a range", "a fixed time is `delay: 1h`"),
        ("{for: 3h - 1h}", ".for", "`3h - 1h` is not a range", "Did you mean `1h..3h`?"),
        ("{for: [1h, 3h]}", ".for", "a list is not a range", "Did you mean `1h..3h`?"),
        ("{for: 3h..1h}", ".for", "`3h..1h` is empty", "Write the smaller one first: `1h..3h`"),
        ("{for: 1h..3}", ".for", "`3` is not a duration", "`3h`"),
        ("{until: 9am}", ".until", "`9am` is not a time of day", 'Did you mean `"09:00"`?'),
        ("{until: 900}", ".until", "`900` is not a time of day", 'Did you mean `"09:00"`?'),
        ("{until: 25:00}", ".until", "`25:00` is not a time of day", "from 00:00 to 23:59"),
        ("{until: 7d}", ".until", "`7d` is not a time of day", "Write `delay: 7d`"),
        ("{until: profile.traits.x}", ".until", "`profile.traits.x` is not", "Write `{date: profile.traits.x}`"),
        ("{until: 2026-12-24}", ".until", "`2026-12-24` is not", "Write `{date: \"'2026-12-24'\"}`"),
        ("{until: friday}", ".until", "`friday` is not", 'Write `{until: "09:00", days: [fri]}`'),
        ("{until: 09:00, days: mon}", ".days", "`mon` is not a list of weekdays", "Write `[mon]`"),
        ("{until: 09:00, days: []}", ".days", "the list is empty", "leave the key out"),
        ("{until: 09:00, days: [Monday]}", ".days", "`Monday` is not a weekday", "Did you mean `mon`?"),
        ("{until: 09:00, days: [mon, mon]}", ".days", "`mon` stands there twice", "once"),
        ("{during: {from: 09:00}}", ".during.to", "is missing", "when they end"),
        ("{during: {from: 09:00, to: 09:00}}", ".during", "begin and end at the same time", "Move one of them"),
        ("{during: {from: 09:00, to: 24:01}}", ".during.to", "`24:01` is not a time of day", ""),
        ("{date: trial_ends_at}", ".date", "`trial_ends_at` is not known", "`profile.traits.trial_ends_at`?"),
        ("{date: event.properties.x}", ".date", "`event` is not known here", "the user in is `entry`"),
        ("{date: 2026-12-24}", ".date", "`2026-12-24` is not an expression", "`date: \"'2026-12-24'\"`"),
        ("{date: profile.traits.x == 1}", ".date", "a date is a time or a text, and this is bool", "Name a trait"),
        ("{date: entry.timestamp, offset: -3}", ".offset", "`-3` is not an offset", "Did you mean `-3d`?"),
        ("{date: entry.timestamp, offset: -3 days}", ".offset", "`-3 days` is not an offset", "Did you mean `-3d`?"),
        (
            "{date: entry.timestamp, offset: 0d}",
            ".offset",
            "`0d` is out of bounds",
            "from 1s to 366d, earlier or later",
        ),
        ("{date: entry.timestamp, if_past: skip}", ".if_past", "`skip` is not allowed", "Did you mean `skip_next`?"),
        ("{date: entry.timestamp, until: 09:00}", ".until", "`until` cannot stand beside `date`", 'is `at: "09:00"`'),
        ("{for: 1h..3h, days: [mon]}", ".days", "`days` cannot stand beside `for`", _FORMS),
        ("{until: 09:00, day: mon}", ".day", "the key `day` is not known here", "Did you mean `days`?"),
    ],
)
def test_each_mistake_has_its_path_and_remedy(written: str, where: str, message: str, suggestion: str) -> None:
    found = problem(steps(f"  - id: a\n    delay: {written}\n  - {{id: z, delay: 1h}}\n"))
    assert (found.line, found.path) == (6, f"steps[0].delay{where}")
    assert message in found.message
    assert suggestion in found.suggestion
