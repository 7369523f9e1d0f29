"""The trace of one person through a backtest, in the words of a timeline."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import to_builtins

from application.timeline_text import describe_record
from domain.journey.decision import Decision
from domain.rehearsal.comparison import ComparedPerson
from domain.rehearsal.difference import DifferenceExample
from domain.rehearsal.records import EndedJourney, GoalReached, MessageSettled, Record
from domain.rehearsal.trace_line import TraceLine
from store.timeline import Recorded


def trace(records: Iterable[Record]) -> list[TraceLine]:
    """Return the records of a person as lines, the earliest first."""
    lines = [
        TraceLine(one.at, one.campaign or "", one.kind, one.outcome, one.step, one.reason, describe_record(one))
        for one in map(to_recorded, records)
    ]
    return sorted(lines, key=lambda line: line.at)


def describe_example(person: ComparedPerson) -> DifferenceExample:
    """Return a person and the traces of both versions."""
    return DifferenceExample(person.user_id, person.change, trace(person.before), trace(person.after))


def to_recorded(record: Record) -> Recorded:
    """Return a simulated record in the form of a stored one, which is described alike."""
    match record:
        case Decision():
            return _make_record(
                record.kind,
                record.at,
                record.campaign_key,
                record.outcome,
                record.data,
                None,
                record.step,
                record.reason,
            )
        case MessageSettled(message=message, at=at):
            granted = message.granted
            said = {"channel": granted.channel}
            return _make_record(
                "message", at, granted.campaign_key, message.state, said, granted.template, granted.step, message.reason
            )
        case GoalReached(journey=journey, event=event):
            return _make_record(
                "goal", event.timestamp, journey.campaign_key, "converted", {"arms": {}}, event.trigger.label
            )
        case EndedJourney(journey=journey, ending=ending):
            return _make_record("end", ending.ended_at, journey.campaign_key, ending.outcome, {}, None)


def _make_record(
    kind: str,
    at: datetime,
    campaign: str,
    outcome: str,
    data: dict[str, Any],
    name: str | None,
    step: str | None = None,
    reason: str | None = None,
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
        data=to_builtins(data),
        changes=[],
    )
