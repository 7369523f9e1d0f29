"""The report of a backtest, as an answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from api.dependencies import ResponseModel
from api.personal_fields import Personal
from domain.rehearsal.comparison import ComparedChange, MessageChange
from domain.rehearsal.difference import ResultKind
from domain.rehearsal.fidelity import DifferenceCause
from domain.rehearsal.limits import LimitName
from domain.rehearsal.report import Others

REPORT: dict[str, Any] = {
    "head": {
        "since": "2026-10-23T08:00:00Z",
        "until": "2026-11-22T08:00:00Z",
        "timezone": "Europe/Berlin",
        "files": ["abandoned-cart.yaml"],
        "campaigns": ["abandoned-cart"],
        "others": "simulate",
        "sample": 1.0,
        "segment": None,
        "people": 5000,
        "missing": {"first_kept": "2026-08-01T00:00:00Z", "cut": 120, "merged": 1, "erased": 0},
        "skipped": {"reactions": 310},
        "fidelity": {
            "people": 2000,
            "decisions": 4120,
            "equal": 4108,
            "causes": {"provider_outcome": 12},
            "examples": [
                {
                    "user_id": "u-4711",
                    "campaign": "abandoned-cart",
                    "at": "2026-11-02T10:00:00Z",
                    "cause": "provider_outcome",
                    "real": "ended failed",
                    "simulated": "ended completed",
                }
            ],
        },
        "assumptions": ["every message is sent at once and arrives"],
        "omissions": [],
    },
    "campaigns": [
        {
            "campaign": "abandoned-cart",
            "entered": 90,
            "sent": 127,
            "goals": 13,
            "not_entered": {"already_in": 4},
            "messages": [{"step": "nudge", "channel": "email", "sent": 127, "failed": 0, "days": {"2026-11-02": 127}}],
            "not_sent": [{"step": "nudge", "reason": "capped", "rule": "daily", "number": 40}],
            "put_off": [],
            "ends": {"completed": 77, "exited": 13},
        }
    ],
    "caps": [{"rule": "daily", "refused": 40, "put_off": 107, "taken_by": {"win-back": 40}}],
    "messages_per_person": {"0": 4900, "1": 73, "2": 27},
    "without_message": {"capped": 40},
    "rendered": 127,
    "faults": [
        {
            "campaign": "abandoned-cart",
            "step": "nudge",
            "channel": "email",
            "said": "profile.traits.first_name has no value at cart-nudge.liquid:6",
            "number": 3,
            "user_id": "u-4711",
            "fails": False,
        }
    ],
    "difference": None,
    "limits": [{"name": "per_person", "most": "20", "found": "2", "is_exceeded": False}],
}
LINE: dict[str, Any] = {
    "at": "2026-11-02T10:00:00Z",
    "campaign": "abandoned-cart",
    "kind": "message",
    "outcome": "sent",
    "step": "nudge",
    "reason": None,
    "summary": "nudge by email: sent",
}


class MissingHistory(ResponseModel):
    first_kept: datetime | None = Field(description="from when on all events are kept")
    cut: int = Field(description="people who came before that: their first events are gone")
    merged: int = Field(description="people who were merged by hand in the period, and are one all the time")
    erased: int = Field(description="people who were erased since its begin")


class FidelityDifference(ResponseModel):
    """A real journey that the simulation decides otherwise."""

    user_id: str | None = Field(description="null for a person without a user id, or who was erased")
    campaign: str
    at: datetime
    cause: DifferenceCause
    real: Personal[str]
    simulated: Personal[str]


class Fidelity(ResponseModel):
    """Running campaigns simulated with real outcomes, compared with real decisions."""

    people: int
    decisions: int
    equal: int
    causes: dict[str, int] = Field(description="the differences by their causes")
    examples: list[FidelityDifference]


class Omission(ResponseModel):
    campaign: str
    what: str
    leaves_out: bool = Field(description="whether none of the campaign is simulated")


class ReportHead(ResponseModel):
    since: datetime
    until: datetime
    timezone: str
    files: list[str]
    campaigns: list[str]
    others: Others
    sample: float
    segment: str | None
    people: int
    missing: MissingHistory
    skipped: dict[str, int] = Field(
        description="events that were not replayed: `reactions` to real messages, and those `caused` by rules"
    )
    fidelity: Fidelity | None = Field(description="null without a running campaign")
    assumptions: list[str]
    omissions: list[Omission]


class StepMessages(ResponseModel):
    step: str
    channel: str
    sent: int
    failed: int
    days: dict[str, int] = Field(description="those that are sent, by day in the deployment's zone")


class StepRefusals(ResponseModel):
    step: str
    reason: str
    rule: str = Field(description="of the cap; empty for other reasons")
    number: int


class CampaignReport(ResponseModel):
    campaign: str
    entered: int
    sent: int
    goals: int = Field(description="reached anyway: nothing says that a message made them")
    not_entered: dict[str, int] = Field(description="events that began no journey, by reason")
    messages: list[StepMessages]
    not_sent: list[StepRefusals]
    put_off: list[StepRefusals]
    ends: dict[str, int] = Field(description="journeys by outcome")


class CapReport(ResponseModel):
    rule: str
    refused: int
    put_off: int
    taken_by: dict[str, int] = Field(description="the campaigns that had taken its room")


class MessageFault(ResponseModel):
    """A fault of rendered messages."""

    campaign: str
    step: str
    channel: str
    said: Personal[str]
    number: int
    user_id: str | None = Field(description="one of those who would have got it")
    fails: bool = Field(description="whether the message fails; else it has a gap")


class NumberChange(ResponseModel):
    before: int
    after: int


class ResultChange(ResponseModel):
    kind: ResultKind
    step: str
    detail: str = Field(description="the channel, the reason or the outcome")
    rule: str
    number: NumberChange


class CampaignChange(ResponseModel):
    campaign: str
    entered: NumberChange
    sent: NumberChange
    goals: NumberChange
    results: list[ResultChange]


class CapChange(ResponseModel):
    rule: str
    refused: NumberChange
    put_off: NumberChange


class TraceLine(ResponseModel):
    at: datetime
    campaign: str
    kind: str
    outcome: str | None
    step: str | None
    reason: str | None
    summary: Personal[str] = Field(description="in the words of a timeline")


class DifferenceExample(ResponseModel):
    """A person who gets something else, with the traces of both versions."""

    user_id: str | None
    change: ComparedChange
    before: Personal[list[TraceLine]]
    after: Personal[list[TraceLine]]


class DifferenceReport(ResponseModel):
    """Everything that differs from the version that is compared with."""

    against: list[str]
    sent: NumberChange
    messages: dict[MessageChange, int]
    people: dict[ComparedChange, int]
    without_message: NumberChange
    most_per_person: NumberChange
    campaigns: list[CampaignChange]
    caps: list[CapChange]
    examples: list[DifferenceExample]


class LimitFinding(ResponseModel):
    name: LimitName
    most: str
    found: str
    is_exceeded: bool


class BacktestReport(ResponseModel):
    head: ReportHead
    campaigns: list[CampaignReport]
    caps: list[CapReport]
    messages_per_person: Mapping[int, int] = Field(description="how many people get so many")
    without_message: dict[str, int] = Field(description="those who get none, by the last reason")
    rendered: int = Field(description="messages that were rendered for their people, at most 1,000")
    faults: list[MessageFault]
    difference: DifferenceReport | None = Field(description="null without `against`")
    limits: list[LimitFinding]


class PersonTrace(ResponseModel):
    """The trace of a person who was asked for."""

    user_id: str
    lines: Personal[list[TraceLine]] = Field(description="empty until it is done")
