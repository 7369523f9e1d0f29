"""What a valid document may not have meant. It is published all the same."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from domain.campaign.calendars import shortest_distance
from domain.campaign.cycles import find_cycles
from domain.campaign.delays.kinds import form_of
from domain.campaign.durations import format_duration
from domain.campaign.event_names import event_name_warnings
from domain.campaign.plan import Plan, Send
from domain.campaign.raw_steps import RawStep, StepList, blocks, iter_steps, mapping_at
from domain.campaign.rules import Rules
from domain.campaign.steps.emit_event import MAX_CHAIN
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem
from domain.local_time.windows import LocalWindow, is_open, longest_closed
from domain.sending.caps import TRANSACTIONAL

_MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
_HOLDS_CEL = ("where", "when", "cel", "date")
_ENTRY_PROPERTIES = re.compile(r"\bentry\.properties\b")
_AN_HOUR, _DAY = 3_600, 86_400
_EXPRESSION = re.compile(r"(?:profile|entry|event|journey)\.[a-z_]+\b")


def document_warnings(source: YamlSource, plan: Plan, rules: Rules) -> list[Problem]:
    """What of one document is worth a second look."""
    steps = list(iter_steps(source))
    return [
        *_reentries(source, rules),
        *_nothing_of_the_entry(source, rules),
        *_expiries(source, plan, rules),
        *_deaf(steps, source, rules),
        *_texts(steps, source),
        *_dates(source),
        *event_name_warnings(source),
    ]


def cycle_warnings(source: YamlSource, key: str, campaigns: Mapping[str, Rules]) -> list[Problem]:
    """The cycles of campaigns that a document is part of. `campaigns` are the latest rules of all by key."""
    paths = {placed.step.get("id"): placed.path for placed in iter_steps(source)}
    actions = reversed(campaigns[key].actions.items())
    emitted = {rule.emits: (*paths[step], rule.kind) for step, rule in actions if rule.emits is not None}
    hint = f"It ends after {MAX_CHAIN} journeys. If that is not meant, narrow the `where` of an entry, or its `reentry`"
    return [
        source.problem(emitted[cycle.events[0]], f"campaigns form a cycle: {cycle}", hint)
        for cycle in find_cycles(key, campaigns)
    ]


def _reentries(source: YamlSource, rules: Rules) -> Iterator[Problem]:
    """A distance between entries that is that between two runs, of which neither is kept to the second."""
    audience, reentry = rules.entry.audience, rules.entry.reentry
    if audience is None or audience.again is None or not isinstance(reentry, int):
        return
    apart = shortest_distance(audience.again)
    if abs(apart - reentry) < _AN_HOUR:
        said = f"the audience comes again after {format_duration(apart)}, and this may keep out who came late before"
        hint = "Leave it out, or make it a day shorter or longer" if apart > _DAY else "Leave it out"
        yield source.problem(("entry", "reentry", "after"), said, hint)


def _nothing_of_the_entry(source: YamlSource, rules: Rules) -> Iterator[Problem]:
    """Expressions about the properties of an event where no user enters by one."""
    if rules.entry.event is not None:
        return
    for path, text in _leaves(source.data):
        if path[0] != "entry" and path[-1] in _HOLDS_CEL and _ENTRY_PROPERTIES.search(text):
            said = "`entry.properties` has nothing in it: no user enters by an event"
            yield source.problem(path, said, "Look at `profile.traits`")


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The texts of a document, each with its path."""
    match value:
        case str():
            yield path, value
        case dict():
            for key, item in value.items():
                yield from _leaves(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from _leaves(item, (*path, index))


def _expiries(source: YamlSource, plan: Plan, rules: Rules) -> Iterator[Problem]:
    """Messages that expire overnight."""
    if rules.send_window is None:
        return
    closed = int(longest_closed(rules.send_window).total_seconds())
    for block in blocks(source):
        for index, step in enumerate(block.steps):
            node = plan.nodes.get(str(step.get("id")))
            if not isinstance(node, Send) or node.category == TRANSACTIONAL or node.expires > closed:
                continue
            if not _comes_when_open(block, index, rules, rules.send_window):
                said = (
                    f"it may expire before the send window opens, which is closed for up to {format_duration(closed)}"
                )
                hint = "Let it expire later, or put a `delay: {until: …}` before it that ends when the window is open"
                yield source.problem((*block.path, index, "send", "expires"), said, hint)


def _dates(source: YamlSource) -> Iterator[Problem]:
    """Delays until a date that leave open what becomes of those for whom it is past or missing."""
    for block in blocks(source):
        for index, step in enumerate(block.steps[:-1]):
            delay = step.get("delay")
            form = form_of(delay)
            if form is not None and form.skip_keys and form.skip_keys[0] not in delay:
                key = form.skip_keys[0]
                following = block.steps[index + 1].get("id")
                skipped = f"the step `{following}`" if following else "the step that follows"
                said = f"{skipped} is left out for those whose date is past or missing"
                hint = f"Write `{key}: skip_next` if that is meant, else `{key}: go_on`"
                yield source.problem((*block.path, index, "delay"), said, hint)


def _comes_when_open(block: StepList, index: int, rules: Rules, window: LocalWindow) -> bool:
    """Whether the step before ends at an hour at which the window is open."""
    rule = rules.delays.get(str(block.steps[index - 1].get("id"))) if index else None
    if rule is None or (local := rule.local_time()) is None:
        return False
    clock, days = local
    at = timedelta(hours=clock.hour, minutes=clock.minute)
    return all(is_open(window, _MONDAY + timedelta(days=day) + at, ZoneInfo("UTC")) for day in days)


def _deaf(steps: list[RawStep], source: YamlSource, rules: Rules) -> Iterator[Problem]:
    """Waits for what ends the journey."""
    goal = (rules.goal,) if rules.goal is not None and rules.goal.exits else ()
    exits = {rule.event for rule in (*rules.exits, *goal) if rule.where is None}
    for path, awaited in _awaited_events(steps):
        if awaited.get("event") in exits and "where" not in awaited:
            said = f"`{awaited['event']}` is never heard here: it is an exit, and ends the journey first"
            yield source.problem((*path, "event"), said, "Keep one of the two, or tell them apart by `where`")


def _awaited_events(steps: list[RawStep]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for placed in steps:
        wait = placed.spec("wait_for")
        yield (*placed.path, "wait_for"), wait
        for index, event in enumerate(wait.get("events", ())):
            yield (*placed.path, "wait_for", "events", index), event
        yield (*placed.path, "repeat", "until"), mapping_at(placed.spec("repeat"), "until")


def _texts(steps: list[RawStep], source: YamlSource) -> Iterator[Problem]:
    """Texts that look like expressions."""
    for placed in steps:
        for path, text in placed.values():
            if isinstance(text, str) and _EXPRESSION.match(text):
                said = f"this is the text `{text[:60]}`, and not what it works out to"
                yield source.problem(path, said, f"Write `{path[-1]}: {{cel: …}}` for an expression")
