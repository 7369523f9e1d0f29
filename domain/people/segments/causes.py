"""Why people join and leave segments: JSON that is kept with each change.

`kind` is time, definition, or that of the source of a change: event, merge, operator and so on. A source has its `id`.
"""

from datetime import datetime
from typing import Any, Final

from domain.people.derived_events import ValueChange
from domain.people.profile_state import Source
from domain.people.segments.definition import MembershipChange, SegmentDefinition
from domain.tracking.event import Event, Trigger

JOINS: Final = "joins"
LEAVES: Final = "leaves"


def event_cause(event: Event) -> dict[str, Any]:
    """Return an event as a cause."""
    return {"kind": "event", "id": str(event.id)}


def time_cause(at: datetime) -> dict[str, Any]:
    """Return an instant as a cause."""
    return {"kind": "time", "at": at.isoformat()}


def definition_cause(definition: SegmentDefinition) -> dict[str, Any]:
    """Return a new definition as a cause."""
    return {"kind": "definition", "segment": definition.key, "revision": definition.revision}


def source_cause(source: Source) -> dict[str, Any]:
    """Return a statement's source as a cause."""
    return {"kind": source.kind, "id": source.id}


def membership_trigger(key: str, *, has_joined: bool) -> Trigger:
    """Return the trigger of a joined or left segment."""
    return Trigger(JOINS if has_joined else LEAVES, key)


def value_change(change: MembershipChange, source: Source) -> ValueChange:
    """Return a change as rules name it."""
    trigger = membership_trigger(change.key, has_joined=change.has_joined)
    return ValueChange(trigger, not change.has_joined, change.has_joined, source)
