"""Sessions, and what the events of clients say about their person."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from domain.people.sessions import SILENCE, Activity, ActivityUpdate, Session, end, merge, observe
from domain.tracking.event import CallType, Event

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
PAGE: dict[str, Any] = {
    "page": {"url": "https://shop.example/cart?utm_source=mail&utm_campaign=may", "referrer": "https://a.example/?q=x"}
}


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def event(type: CallType = "track", *, is_history: bool = False, **context: Any) -> Event:
    id = uuid4()
    return Event(
        id=id,
        message_id=str(id),
        type=type,
        name="Viewed",
        user_id="u1",
        anonymous_id=None,
        properties={},
        context=context,
        timestamp=NOON,
        is_history=is_history,
    )


def after(minutes: Iterable[float], known: Activity | None = None, *, is_history: bool = False) -> list[ActivityUpdate]:
    observed = []
    for each in minutes:
        step = observe(known, event(is_history=is_history), at(each), awaits_end=True)
        known = step.activity
        observed.append(step)
    return observed


def test_silence_ends_a_session() -> None:
    steps = after([0, 29, 58, 88])
    assert [step.activity.sessions for step in steps] == [1, 1, 1, 2]
    assert [step.ended for step in steps] == [None, None, None, Session(at(0), at(58))]
    assert steps[-1].activity.ended_at == at(88)
    assert not steps[-1].activity.is_over


def test_a_burst_changes_what_is_stored_once() -> None:
    first, *rest = after([0, 0.1, 1, 2, 4.9])
    assert all(step.activity.is_stored_as(first.activity) for step in rest)
    assert rest[-1].activity.active_until == at(4.9)
    [later] = after([5], rest[-1].activity)
    assert (later.activity.last_seen, later.activity.ends_at) == (at(5), at(35))


def test_late_events_make_no_session() -> None:
    known = after([0, 60])[-1].activity
    assert known.sessions == 2
    for minutes in (-500, -31, -1, 15, 29):
        [late] = after([minutes], known)
        assert (late.activity.sessions, late.ended, late.activity.last_seen) == (2, None, at(60))
        assert late.activity.session_started_at == at(60)
        assert late.activity.first_seen == min(at(0), at(minutes))
    # Two requests of one client overtook each other.
    [overtaken] = after([59.9], known)
    assert (overtaken.activity.sessions, overtaken.activity.session_started_at) == (2, at(59.9))


def test_a_session_that_is_over_is_not_reopened() -> None:
    known = end(after([0])[0].activity, at(3))
    assert known.is_over
    [late] = after([20], known)
    assert (late.activity.sessions, late.activity.last_seen, late.activity.ends_at) == (1, at(20), None)
    [again] = after([33], late.activity)
    assert (again.activity.sessions, again.ended, again.activity.session_started_at) == (2, None, at(33))


def test_history_is_counted_and_not_awaited() -> None:
    steps = after([0, 40, 90], is_history=True)
    assert [(step.activity.sessions, step.ended, step.opened) for step in steps] == [
        (1, None, None),
        (2, None, None),
        (3, None, None),
    ]
    assert steps[-1].activity.ends_at is None


def test_each_platform_is_opened_once_in_a_session() -> None:
    app = event(device={"id": "d1", "type": "ios"}, app={"version": "4.2"})
    known = observe(None, event(), at(0), awaits_end=False)
    opened = [known.opened]
    for minutes, one in ((1, app), (2, app), (3, event("page", **PAGE)), (40, app)):
        known = observe(known.activity, one, at(minutes), awaits_end=False)
        opened.append(known.opened)
    assert opened == [None, "app", None, "site", "app"]
    assert known.activity.ends_at is None


def test_what_brought_a_person() -> None:
    known = observe(None, event("page", **PAGE), at(0), awaits_end=False).activity
    other: dict[str, Any] = {"page": {"url": "https://shop.example/", "referrer": "https://shop.example/cart"}}
    known = observe(known, event("page", **other, location={"country": "DE"}), at(1), awaits_end=False).activity
    late: dict[str, Any] = {
        "page": {"url": f"https://shop.example/?q={'x' * 500}&utm_source=ad", "referrer": "https://b.example/x#y"}
    }
    known = observe(known, event("page", **late), at(-60), awaits_end=False).activity
    assert {name: said[1] for name, said in known.marks.items()} == {
        "first_referrer": "https://b.example/x",
        "last_referrer": "https://a.example/",
        "first_campaign": {"source": "ad"},
        "last_campaign": {"source": "mail", "name": "may"},
        "country": "DE",
    }


@pytest.mark.parametrize(
    "context",
    [
        {"page": "x", "referrer": 5, "campaign": [], "location": None, "app": "y", "device": 3},
        {"page": {"url": "http://[", "referrer": "http://["}},
        {"campaign": {"source": {}, "name": " "}, "location": {"country": 5}},
    ],
)
def test_odd_contexts_say_nothing(context: dict[str, Any]) -> None:
    assert observe(None, event(**context), at(0), awaits_end=False).activity.marks == {}


def test_a_merge_adds_up() -> None:
    one, other = after([0, 60, 120])[-1].activity, after([-500, 400])[-1].activity
    for merged in (merge(one, other), merge(other, one)):
        assert (merged.first_seen, merged.last_seen, merged.sessions) == (at(-500), at(400), 5)
        assert (merged.session_started_at, merged.ended_at, merged.ends_at) == (at(400), at(150), at(430))
    overlapping = after([130])[0].activity
    joined = merge(one, overlapping)
    assert (joined.sessions, joined.session_started_at, joined.ends_at) == (3, at(120), at(160))
    over = end(overlapping, at(130))
    assert merge(one, over).session_started_at == merge(over, one).session_started_at == at(120)
    assert not merge(one, over).is_over


def test_sessions_of_any_division_into_pages_are_those_of_the_gaps() -> None:
    draw = random.Random(seed := random.randrange(2**32))
    print("seed", seed)  # noqa: T201
    for _ in range(200):
        minutes = sorted(draw.choices(range(2_000), k=draw.randint(1, 60)))
        observed = after(minutes)
        starts = [minutes[0], *(b for a, b in pairwise(minutes) if at(b) - at(a) >= SILENCE)]
        assert observed[-1].activity.sessions == len(starts)
        ended = [step.ended.started_at for step in observed if step.ended]
        assert ended == [at(start) for start in starts[:-1]]
