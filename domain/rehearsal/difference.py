"""The difference between two versions over the same events, as a report."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, get_args

from msgspec import Struct

from domain.rehearsal.comparison import PERSON_CHANGES, ComparedChange, Comparison, MessageChange
from domain.rehearsal.tally import Tally, count_by_rule
from domain.rehearsal.trace_line import TraceLine

ResultKind = Literal["sent", "failed", "not_sent", "put_off", "not_entered", "ended"]
_KINDS: Final[tuple[ResultKind, ...]] = get_args(ResultKind)

# A kind of result, with the step, the channel or the reason, and the rule of the cap.
_Result = tuple[ResultKind, str, str, str]


class NumberChange(Struct, frozen=True):
    """A number of the version that is compared with, and of the other one."""

    before: int
    after: int


class ResultChange(Struct, frozen=True):
    """A result and its number.

    `detail` is the channel, the reason or the outcome, `rule` that of the cap.
    """

    kind: ResultKind
    step: str
    detail: str
    rule: str
    number: NumberChange


class CampaignChange(Struct, frozen=True):
    """The numbers of a campaign; `results` are those that differ.

    `goals` are those reached anyway: nothing says that a change made them.
    """

    campaign: str
    entered: NumberChange
    sent: NumberChange
    goals: NumberChange
    results: Sequence[ResultChange]


class CapChange(Struct, frozen=True):
    """The pressure on a cap."""

    rule: str
    refused: NumberChange
    put_off: NumberChange


class DifferenceExample(Struct, frozen=True):
    """A person who gets something else, with their traces."""

    user_id: str | None
    change: ComparedChange
    before: Sequence[TraceLine]
    after: Sequence[TraceLine]


class DifferenceReport(Struct, frozen=True):
    """Everything that a change would have made different.

    `against` are the files of the version before, or `running`. `messages` have what became of those of either
    version, `people` how many fall under each change.
    """

    against: Sequence[str]
    sent: NumberChange
    messages: Mapping[MessageChange, int]
    people: Mapping[ComparedChange, int]
    without_message: NumberChange
    most_per_person: NumberChange
    campaigns: Sequence[CampaignChange]
    caps: Sequence[CapChange]
    examples: Sequence[DifferenceExample]


def report_difference(
    against: Sequence[str], comparison: Comparison, after: Tally, examples: Sequence[DifferenceExample]
) -> DifferenceReport:
    """Write a comparison as a report; `after` are the counts of the second version."""
    before = comparison.before
    return DifferenceReport(
        against=against,
        sent=NumberChange(before.sent, after.sent),
        messages=dict(sorted(comparison.messages.items())),
        people={change: comparison.people[change] for change in PERSON_CHANGES if comparison.people[change]},
        without_message=NumberChange(before.numbers[0], after.numbers[0]),
        most_per_person=NumberChange(before.most_messages, after.most_messages),
        campaigns=list(_compare_campaigns(before, after)),
        caps=list(_compare_caps(before, after)),
        examples=examples,
    )


def _compare_campaigns(before: Tally, after: Tally) -> Iterable[CampaignChange]:
    first, second = _count_results(before), _count_results(after)
    names = {*before.entered, *after.entered, *first, *second}
    for campaign in sorted(names):
        one, other = first.get(campaign, Counter()), second.get(campaign, Counter())
        yield CampaignChange(
            campaign,
            NumberChange(before.entered[campaign], after.entered[campaign]),
            NumberChange(*(_count_kind(counts, "sent") for counts in (one, other))),
            NumberChange(before.goals[campaign], after.goals[campaign]),
            [
                ResultChange(*result, NumberChange(one[result], other[result]))
                for result in sorted({*one, *other}, key=_place)
                if one[result] != other[result]
            ],
        )


def _place(result: _Result) -> tuple[str, int, str, str]:
    """The place of a result in a table: by step, and within it by kind."""
    kind, step, detail, rule = result
    return step, _KINDS.index(kind), detail, rule


def _count_kind(counts: Counter[_Result], kind: ResultKind) -> int:
    return sum(number for (of, _, _, _), number in counts.items() if of == kind)


def _count_results(tally: Tally) -> Mapping[str, Counter[_Result]]:
    """Count the results of each campaign over all days."""
    found: dict[str, Counter[_Result]] = {}

    def count(campaign: str, kind: ResultKind, number: int, step: str, detail: str, rule: str = "") -> None:
        found.setdefault(campaign, Counter())[kind, step, detail, rule] += number

    for (campaign, step, channel, state, _), number in tally.messages.items():
        count(campaign, "sent" if state == "sent" else "failed", number, step, channel)
    for (campaign, step, reason, rule), number in tally.non_sends.items():
        count(campaign, "not_sent", number, step, reason, rule)
    for (campaign, step, reason, rule), number in tally.deferrals.items():
        count(campaign, "put_off", number, step, reason, rule)
    for (campaign, reason), number in tally.not_entered.items():
        count(campaign, "not_entered", number, "", reason)
    for (campaign, outcome), number in tally.ends.items():
        count(campaign, "ended", number, "", outcome)
    return found


def _compare_caps(before: Tally, after: Tally) -> Iterable[CapChange]:
    refused = count_by_rule(before.non_sends), count_by_rule(after.non_sends)
    put_off = count_by_rule(before.deferrals), count_by_rule(after.deferrals)
    for rule in sorted(set().union(*refused, *put_off)):
        yield CapChange(
            rule,
            NumberChange(*(counts[rule] for counts in refused)),
            NumberChange(*(counts[rule] for counts in put_off)),
        )
