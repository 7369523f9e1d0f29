"""Warnings about a valid document that may not mean what its author wants."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from domain.campaign.calendars import shortest_distance
from domain.campaign.cycles import find_cycles
from domain.campaign.delays.kinds import form_of
from domain.campaign.durations import format_duration
from domain.campaign.event_names import event_name_warnings, iter_names
from domain.campaign.plan import Message, Plan
from domain.campaign.raw_steps import RawStep, StepList, iter_blocks, iter_steps
from domain.campaign.rules import Rules
from domain.campaign.steps.kinds import CONTROL_STEPS
from domain.campaign.trigger_fields import raw_triggers
from domain.campaign.triggers.consent import CONSENT
from domain.channels.kinds import CHANNELS
from domain.document.raw_values import iter_texts
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem
from domain.local_time.windows import LocalWindow, is_open, longest_closed
from domain.sending.caps import is_transactional
from domain.suggestions import did_you_mean
from domain.tracking.chain import MAX_CHAIN
from domain.tracking.event import ANY

_MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
_HOLDS_CEL = ("where", "when", "cel", "date")
_ENTRY_PROPERTIES = re.compile(r"\bentry\.properties\b")
_AN_HOUR, _DAY = 3_600, 86_400
_EXPRESSION = re.compile(r"(?:profile|entry|event|journey)\.[a-z_]+\b")


def document_warnings(source: YamlSource, plan: Plan, rules: Rules) -> list[Problem]:
    """Warn about a document by itself."""
    steps = list(iter_steps(source))
    return [
        *_check_reentry(source, rules),
        *_check_entry_properties(source, rules),
        *_check_expiries(source, plan, rules),
        *_check_waits(steps, source, rules),
        *_check_texts(steps, source),
        *_check_dates(source),
        *_check_consents(source),
        *event_name_warnings(source),
    ]


def cycle_warnings(source: YamlSource, key: str, campaigns: Mapping[str, Rules]) -> list[Problem]:
    """Warn about cycles of campaigns. `campaigns` are the latest rules by key."""
    paths = {placed.step.get("id"): placed.path for placed in iter_steps(source)}
    actions = reversed(campaigns[key].actions.items())
    caused = {trigger: (*paths[step], rule.kind) for step, rule in actions for trigger in rule.causes}
    hint = f"It ends after {MAX_CHAIN} journeys. To prevent it, narrow the `where` of an entry, or its `reentry`"
    return [
        source.problem(caused[cycle.events[0]], f"campaigns form a cycle: {cycle}", hint)
        for cycle in find_cycles(key, campaigns)
    ]


def reply_warnings(source: YamlSource, rules: Rules, *, takes_replies: bool) -> list[Problem]:
    """Warn about a campaign that asks for replies where none arrive."""
    if rules.replies is None or takes_replies:
        return []
    said = "no reply arrives: this deployment has no domain for mails that come back"
    return [source.problem(("replies",), said, "Set SOJOURN_REPLY_DOMAIN, or leave `replies` out")]


def _check_reentry(source: YamlSource, rules: Rules) -> Iterator[Problem]:
    """Warn if a `reentry` as long as the time between runs may miss a run."""
    audience, reentry = rules.entry.audience, rules.entry.reentry
    if audience is None or audience.again is None or not isinstance(reentry, int):
        return
    apart = shortest_distance(audience.again)
    if abs(apart - reentry) < _AN_HOUR:
        said = f"the audience runs again after {format_duration(apart)}, and a late entrant may miss the next run"
        hint = "Leave it out, or make it a day shorter or longer" if apart > _DAY else "Leave it out"
        yield source.problem(("entry", "reentry", "after"), said, hint)


def _check_entry_properties(source: YamlSource, rules: Rules) -> Iterator[Problem]:
    """Warn about properties of the entry event where no event starts a journey."""
    if rules.entry.trigger is not None:
        return
    for path, text in iter_texts(source.data):
        if path[0] != "entry" and path[-1] in _HOLDS_CEL and _ENTRY_PROPERTIES.search(text):
            said = "`entry.properties` is empty: no user enters by an event"
            yield source.problem(path, said, "Use `profile.traits`")


def _check_expiries(source: YamlSource, plan: Plan, rules: Rules) -> Iterator[Problem]:
    """Warn about messages that may expire while the send window is closed."""
    if rules.send_window is None:
        return
    closed = int(longest_closed(rules.send_window).total_seconds())
    for block in iter_blocks(source):
        for index, step in enumerate(block.steps):
            node = plan.nodes.get(str(step.get("id")))
            if not isinstance(node, Message) or is_transactional(node.category) or node.expires > closed:
                continue
            if not _is_reached_when_open(block, index, rules, rules.send_window):
                said = (
                    f"it may expire before the send window opens, which is closed for up to {format_duration(closed)}"
                )
                hint = "Let it expire later, or put a `delay: {until: …}` before it that ends when the window is open"
                yield source.problem((*block.path, index, "send", "expires"), said, hint)


def _check_dates(source: YamlSource) -> Iterator[Problem]:
    """Warn about date delays that leave a past or missing date open."""
    for block in iter_blocks(source):
        for index, step in enumerate(block.steps[:-1]):
            delay = step.get("delay")
            form = form_of(delay)
            if form is not None and form.skip_keys and form.skip_keys[0] not in delay:
                key = form.skip_keys[0]
                following = block.steps[index + 1].get("id")
                skipped = f"the step `{following}`" if following else "the step that follows"
                said = f"{skipped} is skipped for people whose date is past or missing"
                hint = f"Write `{key}: skip_next` if you mean that, else `{key}: go_on`"
                yield source.problem((*block.path, index, "delay"), said, hint)


def _is_reached_when_open(block: StepList, index: int, rules: Rules, window: LocalWindow) -> bool:
    """Whether the step before ends at an hour at which the window is open."""
    rule = rules.delays.get(str(block.steps[index - 1].get("id"))) if index else None
    if rule is None or (local := rule.local_time()) is None:
        return False
    clock, days = local
    at = timedelta(hours=clock.hour, minutes=clock.minute)
    return all(is_open(window, _MONDAY + timedelta(days=day) + at, ZoneInfo("UTC")) for day in days)


def _check_waits(steps: list[RawStep], source: YamlSource, rules: Rules) -> Iterator[Problem]:
    """Warn about waits for an event that ends the journey."""
    goal = (rules.goal,) if rules.goal is not None and rules.goal.exits else ()
    exits = [rule.trigger for rule in (*rules.exits, *goal) if rule.where is None]
    for path, awaited in _awaited_events(steps):
        for key, trigger in raw_triggers(awaited):
            if "where" not in awaited and any(exit.covers(trigger) for exit in exits):
                said = f"`{trigger.label}` is never heard here: it is an exit, and ends the journey first"
                yield source.problem((*path, key), said, "Keep one of the two, or tell them apart by `where`")


def _check_consents(source: YamlSource) -> Iterator[Problem]:
    """Warn about consents to a channel that does not exist."""
    for path, name in iter_names(source.data, (CONSENT.key,)):
        if name != ANY and name not in CHANNELS:
            yield source.problem(path, f"there is no channel `{name}`", did_you_mean(name, CHANNELS, "Channels"))


def _awaited_events(steps: list[RawStep]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for placed in steps:
        for kind in CONTROL_STEPS:
            yield from (((*placed.path, *path), event) for path, event in kind.raw_events(placed.step))


def _check_texts(steps: list[RawStep], source: YamlSource) -> Iterator[Problem]:
    """Warn about texts that look like expressions."""
    for placed in steps:
        for path, text in placed.values():
            if isinstance(text, str) and _EXPRESSION.match(text):
                said = f"this is the text `{text[:60]}`, not the value of the expression"
                yield source.problem(path, said, f"Write `{path[-1]}: {{cel: …}}` for an expression")
