from datetime import UTC, datetime, time

import pytest

from domain.campaign.delays.date import DateRule
from domain.campaign.delays.local_clock import ClockRule
from domain.campaign.rules import (
    EntryRule,
    EventRule,
    GoalRule,
    ResumeRule,
    Rules,
    ScheduleRule,
    SplitRule,
)
from domain.campaign.steps.action import ValuesRule
from domain.campaign.steps.emit_event import EmitEventRule
from domain.campaign.steps.set_stage import SetStageRule
from domain.campaign.steps.update_profile import UpdateProfileRule
from domain.local_time.windows import LocalWindow
from tests.domain.campaign.documents import HEAD, publish, steps

WHOLE = """\
key: whole
name: The whole language
timezone: Europe/Berlin
schedule: {starts_at: 2026-11-01T00:00:00Z, ends_at: 2027-01-01T00:00:00Z, at_end: exit}
entry: {event: Cart Abandoned, where: event.properties.value > 100, key: event.properties.cart_id, reentry: never}
exit: [{event: Order Completed}, {event: Left, where: "true"}]
goal: {event: Order Completed, within: 7d, where: event.properties.value > 1, exit_on_goal: true}
send_window: {from: "09:00", to: "24:00", days: [tue, mon]}
on_resume: {overdue: skip, rate: 7}
steps:
  - {id: clock, delay: {until: "09:00", days: [sun]}}
  - {id: date, delay: {date: profile.traits.ends_at, offset: -3d, at: "10:30", if_past: skip_next}}
  - {id: random, delay: {for: 1h..3h}}
  - id: heard
    wait_for: {events: [{event: Seen, where: event.properties.a == 1}, {event: Paid}], timeout: 1d}
    on_timeout:
      - {id: asked, wait_for: {event: Answered, timeout: 1d}}
  - id: offer
    split: {arms: {b: 90, a: 10}}
    a: []
    b:
      - id: again
        split: {arms: {x: 1, y: 0}, seed: spring}
        x: [{id: stage, set_stage: reached}]
        y: []
  - id: daily
    repeat: {every: 1d, until: {event: Done, where: event.properties.b == 2}}
    do:
      - id: hourly
        repeat: {every: 1h, times: 3, until: {when: profile.traits.done == true}}
        do: [{id: tell, emit_event: {event: Told, properties: {n: {cel: journey.steps.tell}, by: us}}}]
  - {id: keep, update_profile: {told: true, at: {cel: entry.timestamp}}}
  - {id: bare, emit_event: {event: Bare}}
"""


def test_rules_hold_everything_that_the_plan_does_not() -> None:
    assert publish(WHOLE).rules == Rules(
        name="The whole language",
        entry=EntryRule("Cart Abandoned", "event.properties.value > 100", "event.properties.cart_id", "never"),
        exits=(EventRule("Order Completed"), EventRule("Left", "true")),
        subscriptions={
            "heard/0": EventRule("Seen", "event.properties.a == 1"),
            "heard/1": EventRule("Paid"),
            "asked/0": EventRule("Answered"),
            "daily/0": EventRule("Done", "event.properties.b == 2"),
        },
        branches={"hourly": ("profile.traits.done == true",)},
        splits={"offer": SplitRule("whole/offer", {"b": 90, "a": 10}), "again": SplitRule("spring", {"x": 1, "y": 0})},
        delays={
            "clock": ClockRule(time(9), (6,)),
            "date": DateRule("profile.traits.ends_at", -3 * 86_400, time(10, 30)),
        },
        actions={
            "stage": SetStageRule("reached"),
            "tell": EmitEventRule("Told", ValuesRule(plain={"by": "us"}, computed={"n": "journey.steps.tell"})),
            "keep": UpdateProfileRule(ValuesRule(plain={"told": True}, computed={"at": "entry.timestamp"})),
            "bare": EmitEventRule("Bare"),
        },
        schedule=ScheduleRule(datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "exit"),
        goal=GoalRule("Order Completed", 7 * 86_400, "event.properties.value > 1", exits=True),
        send_window=LocalWindow(time(9), time(0), (0, 1)),
        timezone="Europe/Berlin",
        on_resume=ResumeRule("skip", 7),
    )


def test_what_is_left_out() -> None:
    rules = publish(f"{HEAD}send_window: {{to: '12:00'}}\nsteps: [{{id: a, delay: {{until: 09:00}}}}]\n").rules
    assert rules.send_window == LocalWindow(time(0), time(12))
    assert rules.delays == {"a": ClockRule(time(9))}
    assert publish(steps("  - {id: a, delay: 1h}\n")).rules == Rules(
        name="Abandoned cart", entry=EntryRule("Cart Abandoned")
    )


@pytest.mark.parametrize(
    ("on_resume", "rule"),
    [
        ("skip", ResumeRule("skip")),
        ("{overdue: retime}", ResumeRule("retime", 100)),
        ("{rate: 5}", ResumeRule("send", 5)),
    ],
)
def test_what_becomes_of_held_messages_in_short_and_at_length(on_resume: str, rule: ResumeRule) -> None:
    assert publish(f"{HEAD}on_resume: {on_resume}\nsteps: [{{id: a, delay: 1h}}]\n").rules.on_resume == rule
