"""Checks of keys that need or exclude one another, and of values between fields."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

from pydantic import TypeAdapter, ValidationError

from domain.campaign.durations import DurationError, format_duration, parse_duration
from domain.campaign.local_time_fields import Clock, ClosingClock
from domain.campaign.raw_steps import RawStep, iter_steps, mapping_at
from domain.campaign.steps.names import RESERVED, STEP_KINDS
from domain.campaign.steps.repeat import MAX_ROUNDS
from domain.campaign.time_fields import Instant
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem
from domain.suggestions import did_you_mean

# A repetition without an end costs without an end: one round an hour is 8,760 a year for each person.
MIN_EVERY = 3_600

_Found = tuple[Path, str, str]
_INSTANT: TypeAdapter[Any] = TypeAdapter(Instant)
_CLOCK: TypeAdapter[Any] = TypeAdapter(Clock)
_CLOSING_CLOCK: TypeAdapter[Any] = TypeAdapter(ClosingClock)


def check_forms(source: YamlSource) -> Iterator[Problem]:
    """Find problems between several fields."""
    steps = list(iter_steps(source))
    of_steps = (found for placed in steps for found in chain(_wait(placed), _split(placed), _repeat(placed)))
    for path, said, suggestion in chain(
        _entry(source), _schedule(source), _send_window(source), of_steps, _rounds(steps)
    ):
        yield source.problem(path, said, suggestion)


def find_stray_keys(source: YamlSource) -> list[Path]:
    """Return the keys beside a `split` that are not its arms."""
    return [(*placed.path, key) for placed in iter_steps(source) for key in _stray_keys(placed)]


def _entry(source: YamlSource) -> Iterator[_Found]:
    entry = source.data.get("entry") if isinstance(source.data, dict) else None
    if not isinstance(entry, dict) or "event" in entry:
        return
    if "audience" not in entry:
        form = "Write `event: …`, the name of the event that starts a journey, or `audience: {where: …}`"
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


def _wait(placed: RawStep) -> Iterator[_Found]:
    wait, path = placed.spec("wait_for"), (*placed.path, "wait_for")
    form = "Write `event: …`, or `events:` with one `- {event: …, do: […]}` for each of several"
    if isinstance(placed.step.get("wait_for"), dict) and not {"event", "events"} & set(wait):
        yield path, "it waits for nothing", form
    if {"event", "events"} <= set(wait):
        yield (*path, "events"), "`events` cannot stand beside `event`", form
    elif {"where", "events"} <= set(wait):
        yield (*path, "where"), "`where` cannot stand beside `events`", "Write it within the event that it belongs to"
    if "events" in wait and "on_event" in placed.step:
        said = "`on_event` cannot stand beside `events`"
        yield (*placed.path, "on_event"), said, "Write `do: […]` within each of the events"


def _split(placed: RawStep) -> Iterator[_Found]:
    path = (*placed.path, "split", "arms")
    arms = placed.spec("split").get("arms")
    for key in _stray_keys(placed):
        remedy = did_you_mean(key, arms, "Arms") if isinstance(arms, dict) else "Arms stand in `split: {arms: {…}}`"
        if key in STEP_KINDS:
            remedy = "A step does one thing: make it two steps"
        elif key in _OF_SPLIT:
            remedy = f"Move it into `split: {{{key}: …}}`"
        yield (*placed.path, key), f"`{key}` is not an arm of this split", remedy
    if not isinstance(arms, dict):
        return
    weights = [weight for weight in arms.values() if isinstance(weight, int) and not isinstance(weight, bool)]
    if len(weights) == len(arms) > 1 and not any(weights):
        yield path, "no arm has a weight", "Write `arms: {a: 50, b: 50}`"
    for name in arms:
        if name in RESERVED:
            yield (*path, name), f"an arm cannot be called `{name}`", "Give it a name that is no key of a step"
        elif name not in placed.step:
            said = f"the arm `{name}` has no steps"
            yield (*path, name), said, f"Write `{name}: […]` beside `split`, `[]` for none"


def _stray_keys(placed: RawStep) -> list[str]:
    if "split" not in placed.step:
        return []
    arms = placed.spec("split").get("arms")
    beside = [key for key in placed.step if key not in ("id", "split")]
    if isinstance(arms, dict):
        return [key for key in beside if key not in arms]
    # If the arms themselves are wrong, any other key may be one.
    return [key for key in beside if key in RESERVED or key in _OF_SPLIT]


def _repeat(placed: RawStep) -> Iterator[_Found]:
    repeat, path = placed.spec("repeat"), (*placed.path, "repeat")
    every = _seconds(repeat.get("every"))
    if every is not None and 0 < every < MIN_EVERY and "times" not in repeat:
        said = f"every {format_duration(every)} without end is too often"
        yield (*path, "every"), said, f"Add `times: …`, or write `every: {format_duration(MIN_EVERY)}` or longer"
    if not isinstance(until := repeat.get("until"), dict):
        return
    if ("event" in until) == ("when" in until):
        said = "it needs an event or a condition, and only one of them"
        yield (*path, "until"), said, "Write `{event: …}`, which ends it at once, or `{when: …}`"
    elif {"when", "where"} <= set(until):
        yield (*path, "until", "where"), "`where` belongs to an event", "Put all of the condition into `when`"


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


def _seconds(value: Any) -> int | None:
    with suppress(DurationError):
        return parse_duration(value) if isinstance(value, str) else None
    return None


def _read(kind: TypeAdapter[Any], value: Any) -> Any:
    """Return the value as its field reads it; None if it is invalid."""
    with suppress(ValidationError):
        return kind.validate_python(value)
    return None


_OF_SPLIT = ("arms", "seed")
