from datetime import time
from typing import Any

import pytest

from domain.campaign.rules import AudienceRule, DailyRule, EntryRule, MonthlyRule, WeeklyRule
from tests.domain.campaign.documents import problem, problems, publish


def document(entry: str) -> str:
    return f"key: news\nname: News\nentry: {entry}\nsteps: [{{id: a, delay: 1h}}]\n"


def audience(again: str) -> str:
    return document(f'{{audience: {{where: "true", again: {again}}}}}')


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        (
            "{audience: {where: profile.stage == 'a'}}",
            EntryRule(audience=AudienceRule("profile.stage == 'a'", 100)),
        ),
        (
            "{event: Joined, key: event.properties.team, audience: {where: 'true', rate: 5}, reentry: never}",
            EntryRule("Joined", None, "event.properties.team", "never", AudienceRule("true", 5)),
        ),
        ('{group: "*", account: true}', EntryRule("*", kind="group", account=True)),
        *(
            (f"{{audience: {{where: 'true', again: {again}}}}}", EntryRule(audience=AudienceRule("true", 100, rule)))
            for again, rule in (
                ("{every: day, at: 09:00}", DailyRule(time(9))),
                ("{every: week, days: [sun, mon], at: 09:30}", WeeklyRule(time(9, 30), (0, 6))),
                ("{every: month, day: 31, at: 00:00}", MonthlyRule(time(0), 31)),
            )
        ),
    ],
)
def test_what_it_says_becomes_a_rule(entry: str, rule: EntryRule) -> None:
    assert publish(document(entry)).rules.entry == rule


FORMS = "`{every: month, day: 1, at: "


@pytest.mark.parametrize(
    ("text", "path", "message", "suggestion"),
    [
        (document("{reentry: never}"), "entry", "neither an event nor an audience", "`audience: {where: …}`"),
        (document("{audience: {rate: 5}}"), "entry.audience.where", "`where` is missing", "known people enter"),
        (
            document("{audience: profile.stage}"),
            "entry.audience",
            "is not a mapping",
            "Write its keys: where, rate, again",
        ),
        (document("{audience: {where: 'true', rate: 0}}"), "entry.audience.rate", "out of bounds", "at least 1"),
        (
            document("{audience: {where: event.properties.x == 1}}"),
            *("entry.audience.where", "`event` is not known here", "Known here: profile"),
        ),
        (
            document("{audience: {where: 'true'}, where: 'true'}"),
            *("entry.where", "there is none", "`audience: {where: …}`"),
        ),
        (document("{audience: {where: 'true'}, key: event.name}"), "entry.key", "there is none", "leave it out"),
        (
            document("{event: X, account: true, audience: {where: 'true'}}"),
            *("entry.audience", "`account: true` is for accounts", "leave `account` out"),
        ),
        (audience("monthly"), "entry.audience.again", "is not a valid `again`", FORMS),
        (audience("[mon]"), "entry.audience.again", "a list is not a valid `again`", FORMS),
        (audience("{at: 09:00}"), "entry.audience.again", "`every` is missing", FORMS),
        (audience("{every: month}"), "entry.audience.again.at", "`at` is missing", "the time of day"),
        (audience("{every: weak, at: 09:00}"), "entry.audience.again", "not a valid `every`", "Did you mean `week`?"),
        (audience("{every: [day], at: 09:00}"), "entry.audience.again", "not a valid `every`", "day, week, month"),
        (audience("{every: week, at: 09:00}"), "entry.audience.again.days", "`days` is missing", "`[mon, thu]`"),
        (audience("{every: day, at: 9am}"), "entry.audience.again.at", "not a time of day", '`"09:00"`'),
        (
            audience("{every: day, at: 09:00, days: [mon]}"),
            *("entry.audience.again.days", "`days` cannot stand beside `every: day`", FORMS),
        ),
        (
            audience("{every: month, at: 09:00, day: last}"),
            *("entry.audience.again.day", "`last` is not a day of a month", "`day: 31` is the last day of every month"),
        ),
        (audience("{every: day, at: 09:00, on: x}"), "entry.audience.again.on", "is not known here", "every, at"),
    ],
)
def test_says_what_is_wrong_and_what_would_be_right(text: str, path: str, message: str, suggestion: str) -> None:
    found = next(one for one in problems(text) if one.path == path)
    assert message in found.message
    assert suggestion in found.suggestion


def test_one_thing_that_is_wrong_is_said_once() -> None:
    assert problem(document("{where: 'true', key: event.name}")).path == "entry"


@pytest.mark.parametrize(
    ("again", "after", "said"),
    [
        ("{every: week, days: [mon], at: 09:00}", "7d", "the audience runs again after 7d"),
        ("{every: week, days: [mon, thu], at: 09:00}", "3d", "the audience runs again after 3d"),
        ("{every: week, days: [mon, sun], at: 09:00}", "1d", "the audience runs again after 1d"),
        ("{every: day, at: 09:00}", "1d", "the audience runs again after 1d"),
        ("{every: month, day: 1, at: 09:00}", "28d", "the audience runs again after 28d"),
        ("{every: week, days: [mon], at: 09:00}", "6d", None),
        ("{every: week, days: [mon], at: 09:00}", "30d", None),
    ],
)
def test_warns_of_a_distance_that_is_that_of_its_runs(again: str, after: str, said: str | None) -> None:
    entry = f"{{reentry: {{after: {after}}}, audience: {{where: 'true', again: {again}}}}}"
    warnings = publish(document(entry)).warnings
    assert [(one.path, one.message.partition(",")[0]) for one in warnings] == (
        [] if said is None else [("entry.reentry.after", said)]
    )


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("exit: [{event: Left, where: entry.properties.a == event.properties.a}]", "exit[0].where"),
        ("goal: {event: Left, within: 1d, where: has(entry.properties.a)}", "goal.where"),
        ("exit: [{event: Left, where: entry.timestamp < event.timestamp}]", None),
    ],
)
def test_warns_of_what_only_an_event_has(more: str, path: Any) -> None:
    by_audience = document("{audience: {where: 'true'}}") + more
    assert [one.path for one in publish(by_audience).warnings] == ([] if path is None else [path])
    by_event = document("{event: Joined, audience: {where: 'true'}}") + more
    assert publish(by_event).warnings == []


def test_warns_of_it_in_steps() -> None:
    steps = """\
steps:
  - id: which
    branch:
      - when: entry.properties.a == 1
        do: [{id: until, delay: {date: entry.properties.b, if_past: go_on, if_unreadable: go_on}}]
  - {id: keep, update_profile: {c: {cel: entry.properties.c}, d: "entry.properties.d, as a text"}}
"""
    head = "key: news\nname: News\nentry: {audience: {where: 'true'}}\n"
    said = [one.path for one in publish(head + steps).warnings if "is empty" in one.message]
    assert said == [
        "steps[0].branch[0].when",
        "steps[0].branch[0].do[0].delay.date",
        "steps[1].update_profile.c.cel",
    ]
