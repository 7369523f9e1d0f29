"""Causes of joins and leaves: JSON that is kept with each change, and its words.

`kind` is time, definition, breakpoints, or that of the source of a change: event, merge, operator and so on. A source
has its `id`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import to_builtins
from msgspec.structs import replace

from domain.people.derived_events import STAGE, ValueChange
from domain.people.profile_state import Source
from domain.people.segments.definition import MembershipChange, SegmentDefinition
from domain.people.segments.explanation import FlippedPart
from domain.people.segments.stages import LIFECYCLE
from domain.people.statements import event_source
from domain.tracking.event import Event, Trigger

JOINS: Final = "joins"
LEAVES: Final = "leaves"
_SOURCES: Final[Mapping[str, str]] = {
    "event": "an event",
    "import": "an import",
    "link": "a link in a message",
    "step": "a step",
    "merge": "a merge",
    "address": "another person who has the same address",
}
_VALUES: Final = {True: "became true", False: "was no longer true", None: "could no longer be evaluated"}


def event_cause(event: Event) -> dict[str, Any]:
    """Return an event as a cause, with its name or type; an operator's, the operator."""
    if (source := event_source(event)).kind != "event":
        return source_cause(source)
    name = event.name or event.type
    return {"kind": "event", "id": str(event.id), "name": name, "at": event.timestamp.isoformat()}


def time_cause(at: datetime, flipped: Sequence[FlippedPart]) -> dict[str, Any]:
    """Return an instant as a cause, with the parts that it has flipped."""
    return {"kind": "time", "at": at.isoformat(), "parts": to_builtins(flipped)}


def definition_cause(definition: SegmentDefinition) -> dict[str, Any]:
    """Return a new definition as a cause: the segment's, or that of one that it reads.

    A segment of scores has new breakpoints instead.
    """
    if (day := definition.rule.scored_on) is not None:
        return {"kind": "breakpoints", "segment": definition.key, "day": day, "revision": definition.revision}
    return {
        "kind": "definition",
        "segment": definition.key,
        "version": definition.version,
        "revision": definition.revision,
    }


def source_cause(source: Source) -> dict[str, Any]:
    """Return a statement's source as a cause, with its name if it has one."""
    return {"kind": source.kind, "id": source.id} | ({"by": source.name} if source.name else {})


def describe_change(key: str, has_joined: bool, cause: Mapping[str, Any]) -> str:
    """Say that a person joined or left a segment, and why."""
    return f"{'joined' if has_joined else 'left'} {key}: {describe_cause(cause)}"


def describe_cause(cause: Mapping[str, Any]) -> str:
    """Say why a person joined or left a segment."""
    match cause:
        case {"kind": "time", "at": at, "parts": [*parts]}:
            said = " and ".join(map(_describe_flip, parts)) or "its time had come"
            return f"{said} as of {_write_instant(at)}"
        case {"kind": "event", "name": name, "at": at}:
            return f"by {name} of {_write_instant(at)}"
        case {"kind": "definition", "segment": segment, "version": version}:
            return f"by version {version} of the definition of {segment}"
        case {"kind": "breakpoints", "day": day}:
            return f"by the breakpoints of {day}"
        case {"kind": "operator", "by": name}:
            return f"by {name}"
        case {"kind": kind, "by": name}:
            return f"by {_SOURCES[kind]} of {name}"
        case {"kind": kind}:
            return f"by {_SOURCES[kind]}"
    raise ValueError(f"{cause!r} cannot be described")


def _describe_flip(part: Mapping[str, Any]) -> str:
    text = " ".join(part["text"].split())
    return f"`{text}` {_VALUES[part['value']]}"


def _write_instant(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def membership_trigger(key: str, *, has_joined: bool) -> Trigger:
    """Return the trigger of a joined or left segment."""
    return Trigger(JOINS if has_joined else LEAVES, key)


def list_value_changes(changes: Sequence[MembershipChange], source: Source) -> list[ValueChange]:
    """Return the changes that rules hear of, that of the stage first.

    So it does not end what the move begins. In an exclusive group, before and after are names of the group.
    """
    moves = [
        replace(_value_change(change, source), trigger=STAGE)
        for change in changes
        if change.group == LIFECYCLE and (change.has_joined or change.other is None)
    ]
    return moves + [_value_change(change, source) for change in changes]


def _value_change(change: MembershipChange, source: Source) -> ValueChange:
    trigger = membership_trigger(change.key, has_joined=change.has_joined)
    if change.group is None:
        return ValueChange(trigger, not change.has_joined, change.has_joined, source)
    before, after = (change.other, change.key) if change.has_joined else (change.key, change.other)
    return ValueChange(trigger, _name_in_group(before), _name_in_group(after), source)


def _name_in_group(key: str | None) -> str | None:
    return key and key.rpartition(".")[2]
