"""The story of a generated person, in the words of `sojourn explain`."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_never

from msgspec import to_builtins

from application.timeline_text import describe_record
from domain.journey.decision import Decision
from domain.rehearsal.records import EndedJourney, GoalReached, MessageSettled
from domain.tracking.event import Event
from store.timeline import Recorded

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
        match record:
            case Decision():
                made = _make(
                    record.kind,
                    record.at,
                    record.campaign_key,
                    record.outcome,
                    step=record.step,
                    reason=record.reason,
                    data=to_builtins(record.data),
                )
            case MessageSettled(message=message, at=at):
                granted = message.granted
                made = _make(
                    "message",
                    at,
                    granted.campaign_key,
                    message.state,
                    step=granted.step,
                    name=granted.template,
                    data={"channel": granted.channel},
                )
            case GoalReached(journey=journey, event=event):
                label = event.trigger.label
                made = _make("goal", event.timestamp, journey.campaign_key, None, name=label, data={"arms": {}})
            case EndedJourney(journey=journey, ending=ending):
                made = _make("end", ending.ended_at, journey.campaign_key, ending.outcome, data={})
            case _:
                assert_never(record)
        yield made.at, describe_record(made)


def _describe_call(event: Event) -> str:
    said = ", ".join(
        f"{name} {value}" for name, value in event.properties.items() if not isinstance(value, list | dict)
    )
    return f"{event.trigger.label}{f' ({said})' if said else ''}"


def _make(
    kind: str,
    at: datetime,
    campaign: str,
    outcome: str | None,
    *,
    data: dict[str, Any],
    step: str | None = None,
    reason: str | None = None,
    name: str | None = None,
) -> Recorded:
    return Recorded(
        kind=kind,
        recorded_at=at,
        key="",
        at=at,
        name=name,
        outcome=outcome,
        reason=reason,
        campaign=campaign,
        journey_id=None,
        workflow_id=None,
        step=step,
        data=data,
        changes=[],
    )
