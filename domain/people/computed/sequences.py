"""The last time at which a person did several things in order."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.people.computed.conditions import EventReading
from domain.people.computed.definition import TraitRule, is_selected
from domain.tracking.event import Event


def find_last_completion(rule: TraitRule, events: Iterable[Event]) -> datetime | None:
    """Return when a sequence was last completed, from a person's events in any order.

    Its steps follow one another by time, and by event id within one instant; other events may lie between. All lie
    within `within` of the first. One event is one step.
    """
    window = timedelta.max if rule.within is None else timedelta(seconds=rule.within)
    # For each step the latest beginning of a sequence that has come so far.
    begun: list[datetime | None] = [None] * len(rule.events)
    completed: datetime | None = None
    for event in sorted(events, key=lambda event: (event.timestamp, str(event.id))):
        steps = [
            index
            for index, selector in enumerate(rule.events)
            if is_selected(event, selector, rule.server_sources) and (index == 0 or begun[index - 1] is not None)
        ]
        if not steps or not EventReading(event).is_counted(rule):
            continue
        # The last step first: an event that fits two steps is not both.
        for index in reversed(steps):
            start = event.timestamp if index == 0 else begun[index - 1]
            if start is None or event.timestamp - start > window:
                continue
            begun[index] = start
            if index == len(begun) - 1:
                completed = event.timestamp
    return completed
