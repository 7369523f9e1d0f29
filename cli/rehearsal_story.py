"""The story of a generated person, in the words of `sojourn explain`."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from application.rehearsal.traces import to_recorded
from application.timeline_text import describe_record
from domain.tracking.event import Event

if TYPE_CHECKING:
    from domain.rehearsal.person_run import PersonRun


def tell_story(run: "PersonRun") -> list[tuple[datetime, str]]:
    """Return what a person did, and everything that came of it, by time."""
    lines = sorted(_list_lines(run), key=lambda line: line[0])
    return list(dict.fromkeys(lines))


def _list_lines(run: "PersonRun") -> Iterator[tuple[datetime, str]]:
    for event in run.calls:
        yield event.timestamp, _describe_call(event)
    for record in run.records:
        recorded = to_recorded(record)
        yield recorded.at, describe_record(recorded)


def _describe_call(event: Event) -> str:
    said = ", ".join(
        f"{name} {value}" for name, value in event.properties.items() if not isinstance(value, list | dict)
    )
    return f"{event.trigger.label}{f' ({said})' if said else ''}"
