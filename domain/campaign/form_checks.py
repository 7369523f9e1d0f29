"""Checks of keys that need or exclude one another, and of values between fields."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

from pydantic import TypeAdapter, ValidationError

from domain.campaign.local_time_fields import Clock, ClosingClock
from domain.campaign.raw_steps import RawStep, iter_steps
from domain.campaign.steps.kinds import CONTROL_STEPS
from domain.campaign.steps.repeat import MAX_ROUNDS
from domain.campaign.steps.send import raw_choice
from domain.campaign.steps.split import stray_keys
from domain.campaign.time_fields import Instant
from domain.campaign.trigger_fields import TRIGGER_KEYS
from domain.campaign.triggers.kinds import examples
from domain.document.raw_values import mapping_at
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem

_Found = tuple[Path, str, str]
_INSTANT: TypeAdapter[Any] = TypeAdapter(Instant)
_CLOCK: TypeAdapter[Any] = TypeAdapter(Clock)
_CLOSING_CLOCK: TypeAdapter[Any] = TypeAdapter(ClosingClock)


def check_forms(source: YamlSource) -> Iterator[Problem]:
    """Find problems between several fields."""
    steps = list(iter_steps(source))
    of_steps = (
        ((*placed.path, *path), said, remedy)
        for placed in steps
        for kind in CONTROL_STEPS
        for path, said, remedy in kind.form_problems(placed.step)
    )
    for path, said, suggestion in chain(
        _entry(source),
        _schedule(source),
        _send_window(source),
        of_steps,
        _rounds(steps),
        _members(source, steps),
        _choices(steps),
    ):
        yield source.problem(path, said, suggestion)


def find_stray_keys(source: YamlSource) -> list[Path]:
    """Return the keys beside a `split` that are not its arms."""
    return [(*placed.path, key) for placed in iter_steps(source) for key in stray_keys(placed.step)]


def _entry(source: YamlSource) -> Iterator[_Found]:
    entry = source.data.get("entry") if isinstance(source.data, dict) else None
    if not isinstance(entry, dict):
        return
    if entry.get("account") is True and "audience" in entry:
        remedy = "Write an event that starts the journey of its account, or leave `account` out"
        yield ("entry", "audience"), "an audience has people, and `account: true` is for accounts", remedy
    if any(key in entry for key in TRIGGER_KEYS):
        return
    if "audience" not in entry:
        form = f"Write {examples()}, which starts a journey, or `audience: {{where: …}}`"
        yield ("entry",), "no user enters: it has neither an event nor an audience", form
        return
    for key, remedy in (
        ("where", "The condition of an audience stands within it: `audience: {where: …}`"),
        ("key", "A member of an audience has one journey at a time: leave it out"),
    ):
        if key in entry:
            yield ("entry", key), f"`{key}` belongs to an `event`, and there is none", remedy


def _schedule(source: YamlSource) -> Iterator[_Found]:
    schedule = mapping_at(source.data, "schedule")
    starts_at, ends_at = (_read(_INSTANT, schedule.get(key)) for key in ("starts_at", "ends_at"))
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        yield ("schedule", "ends_at"), "`ends_at` is not after `starts_at`", "Move one of them"
    if schedule.get("at_end") == "exit" and "ends_at" not in schedule:
        yield ("schedule", "at_end"), "`at_end: exit` without an end", "Add `ends_at: …`, or leave `at_end` out"


def _send_window(source: YamlSource) -> Iterator[_Found]:
    window = source.data.get("send_window") if isinstance(source.data, dict) else None
    if not isinstance(window, dict):
        return
    opens, closes = _read(_CLOCK, window.get("from", "00:00")), _read(_CLOSING_CLOCK, window.get("to", "24:00"))
    if opens is None or opens != closes:
        return
    if {"from", "to"} <= set(window) and window["to"] != "24:00":
        said = f"it opens and closes at {window['from']}"
        yield ("send_window",), said, 'For the whole day, leave both out or write `from: "00:00"` and `to: "24:00"`'
    elif set(window) <= {"from", "to"}:
        yield ("send_window",), "this window is always open", "Leave it out, or write `from`, `to` or `days`"


def _members(source: YamlSource, steps: list[RawStep]) -> Iterator[_Found]:
    """Find messages to members that have no account, or a choice at a full cap."""
    is_account = mapping_at(source.data, "entry").get("account") is True
    for path, step in steps:
        send = mapping_at(step, "send")
        if "to" not in send:
            continue
        if not is_account:
            said = "`to` names members of an account, and the journeys of this campaign are those of people"
            yield (*path, "send", "to"), said, "Write `account: true` under `entry`, or leave `to` out"
        if send.get("on_capped", "skip") != "skip":
            said = "`on_capped` is for the one person of a journey; here, a cap that is full skips its member alone"
            yield (*path, "send", "on_capped"), said, "Leave it out"


def _choices(steps: list[RawStep]) -> Iterator[_Found]:
    """Find keys of a message that its channels, or another key, exclude."""
    for path, step in steps:
        send = mapping_at(step, "send")
        has_choice = raw_choice(send.get("channel")) is not None
        if "fallback" in send and not has_choice:
            said = "a fallback goes by the next channel, and the step has one channel"
            yield (*path, "send", "fallback"), said, "Name several: `channel: [webhook, email]`"
        if "to" in send and has_choice:
            said = "messages to members of an account go by one channel"
            yield (*path, "send", "channel"), said, "Write one channel, or leave `to` out"
        if send.get("at_once") is True and send.get("on_capped") == "wait":
            said = "`on_capped: wait` and `at_once: true` exclude one another"
            yield (*path, "send", "on_capped"), said, "Leave one of them out"


def _rounds(steps: list[RawStep]) -> Iterator[_Found]:
    """Find nested repetitions with too many rounds in total."""
    rounds: dict[Path, int] = {}
    for path, step in steps:
        times = mapping_at(step, "repeat").get("times")
        if not isinstance(times, int) or isinstance(times, bool) or not 2 <= times <= MAX_ROUNDS:
            continue
        around = next((path[:length] for length in range(len(path) - 1, 0, -1) if path[:length] in rounds), None)
        if around is not None:
            rounds[path] = times * rounds[around]
            if rounds[path] > MAX_ROUNDS >= rounds[around]:
                said = f"with the repetitions around it, these are {rounds[path]:,} rounds"
                yield (*path, "repeat", "times"), said, f"Keep the product within {MAX_ROUNDS:,}"
        else:
            rounds[path] = times


def _read(kind: TypeAdapter[Any], value: Any) -> Any:
    """Return the value as its field reads it; None if it is invalid."""
    with suppress(ValidationError):
        return kind.validate_python(value)
    return None
