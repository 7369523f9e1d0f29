"""The report of a backtest: what campaigns would have done over a period."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from domain.rehearsal.difference import DifferenceReport
from domain.rehearsal.fidelity import Fidelity
from domain.rehearsal.limits import LimitFinding
from domain.rehearsal.omissions import Omission
from domain.rehearsal.samples import MessageFault
from domain.rehearsal.tally import Tally, count_by_rule

Others = Literal["simulate", "ledger"]


class MissingHistory(Struct, frozen=True):
    """The people whose history is not complete.

    `cut` came before `first_kept`, the instant from which all events are kept; `merged` were merged by an operator in
    the period and are one person all the time; `erased` are gone.
    """

    first_kept: datetime | None
    cut: int
    merged: int
    erased: int


class StepMessages(Struct, frozen=True):
    """The messages of a step by a channel, by outcome and by day."""

    step: str
    channel: str
    sent: int
    failed: int
    days: Mapping[str, int]


class StepRefusals(Struct, frozen=True):
    """Messages of a step that did not go, or not yet; `rule` is that of the cap."""

    step: str
    reason: str
    rule: str
    number: int


class CampaignReport(Struct, frozen=True):
    """The results of a campaign. `goals` are those reached anyway: nothing says why."""

    campaign: str
    entered: int
    sent: int
    goals: int
    not_entered: Mapping[str, int]
    messages: Sequence[StepMessages]
    not_sent: Sequence[StepRefusals]
    put_off: Sequence[StepRefusals]
    ends: Mapping[str, int]


class CapReport(Struct, frozen=True):
    """The pressure on a cap: what it refused or put off, and who had taken its room."""

    rule: str
    refused: int
    put_off: int
    taken_by: Mapping[str, int]


class ReportHead(Struct, frozen=True):
    """The period and the people of a report, with assumptions and omissions.

    `skipped` are the recorded events that were not replayed: reactions to real messages, and events that rules made.
    `fidelity` is that of what runs; None without a running campaign.
    """

    since: datetime
    until: datetime
    timezone: str
    files: Sequence[str]
    campaigns: Sequence[str]
    others: Others
    sample: float
    segment: str | None
    people: int
    missing: MissingHistory
    skipped: Mapping[str, int]
    fidelity: Fidelity | None
    assumptions: Sequence[str]
    omissions: Sequence[Omission]


class BacktestReport(Struct, frozen=True):
    """Everything that campaigns would have done.

    `messages_per_person` has how many people got so many, and `without_message` why people got none: the last reason.
    `rendered` messages were drawn, with their `faults`. `difference` is that from another version, if there is one.
    """

    head: ReportHead
    campaigns: Sequence[CampaignReport]
    caps: Sequence[CapReport]
    messages_per_person: Mapping[int, int]
    without_message: Mapping[str, int]
    rendered: int
    faults: Sequence[MessageFault]
    difference: DifferenceReport | None = None
    limits: Sequence[LimitFinding] = ()


def make_report(
    head: ReportHead,
    tally: Tally,
    rendered: int,
    faults: Sequence[MessageFault],
    difference: DifferenceReport | None = None,
    limits: Sequence[LimitFinding] = (),
) -> BacktestReport:
    """Write the counts of a simulation as a report."""
    return BacktestReport(
        head=head,
        campaigns=[_report_campaign(key, tally) for key in sorted(head.campaigns)],
        caps=list(_report_caps(tally)),
        messages_per_person=dict(sorted(tally.numbers.items())),
        without_message=dict(tally.none.most_common()),
        rendered=rendered,
        faults=faults,
        difference=difference,
        limits=limits,
    )


def _report_campaign(key: str, tally: Tally) -> CampaignReport:
    steps: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    days: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (campaign, step, channel, state, day), number in sorted(tally.messages.items()):
        if campaign == key:
            steps[step, channel][state] += number
            days[step, channel].update({day: number} if state == "sent" else {})
    messages = [
        StepMessages(step, channel, states["sent"], states.total() - states["sent"], dict(days[step, channel]))
        for (step, channel), states in steps.items()
    ]
    return CampaignReport(
        campaign=key,
        entered=tally.entered[key],
        sent=sum(one.sent for one in messages),
        goals=tally.goals[key],
        not_entered=_select_counts(key, tally.not_entered),
        messages=messages,
        not_sent=_list_refusals(key, tally.non_sends),
        put_off=_list_refusals(key, tally.deferrals),
        ends=_select_counts(key, tally.ends),
    )


def _select_counts(key: str, counts: Counter[tuple[str, str]]) -> dict[str, int]:
    return {name: number for (campaign, name), number in counts.most_common() if campaign == key}


def _list_refusals(key: str, counts: Counter[tuple[str, str, str, str]]) -> list[StepRefusals]:
    return [
        StepRefusals(step, reason, rule, number)
        for (campaign, step, reason, rule), number in sorted(counts.items())
        if campaign == key
    ]


def _report_caps(tally: Tally) -> Iterable[CapReport]:
    refused, put_off = count_by_rule(tally.non_sends), count_by_rule(tally.deferrals)
    for rule in sorted({*refused, *put_off}):
        taken = {campaign: number for (of, campaign), number in tally.takers.most_common() if of == rule}
        yield CapReport(rule, refused[rule], put_off[rule], taken)
