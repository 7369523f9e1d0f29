"""The difference between two versions in Markdown, short enough for a comment."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import convert

from domain.rehearsal.comparison import PERSON_CHANGES, ComparedChange
from domain.rehearsal.difference import (
    CampaignChange,
    DifferenceExample,
    DifferenceReport,
    NumberChange,
    ResultChange,
    ResultKind,
)
from domain.rehearsal.limits import LIMITS, LimitFinding
from domain.rehearsal.markdown import TableRow, write_table
from domain.rehearsal.report import BacktestReport
from domain.rehearsal.report_text import describe_head
from domain.rehearsal.samples import MessageFault
from domain.rehearsal.trace_line import TraceLine

# Lines of a trace that are printed; the JSON form has all.
MAX_LINES: Final = 20
_RESULTS: Final[dict[ResultKind, str]] = {
    "sent": "sent by {}",
    "failed": "failed by {}",
    "not_sent": "not sent: {}",
    "put_off": "put off: {}",
    "not_entered": "not let in: {}",
    "ended": "ended: {}",
}


def write_difference(report: BacktestReport, difference: DifferenceReport) -> str:
    """Write the difference of a report as Markdown."""
    against = ", ".join(f"`{file}`" for file in difference.against) or "what runs"
    parts = [
        ["# Backtest of a change", "", _summarize(difference), ""],
        _write_limits(report.limits),
        _write_faults(report.faults),
        _write_people(difference),
        _write_campaigns(difference.campaigns),
        *(_write_campaign(one) for one in difference.campaigns),
        _write_caps(difference),
        *_write_examples(difference.examples, ZoneInfo(report.head.timezone)),
        ["## About this backtest", "", f"- Compared with {against}.", *describe_head(report.head)],
    ]
    return "\n".join("\n".join(lines) for lines in parts if lines)


def _summarize(difference: DifferenceReport) -> str:
    """Return the difference in a sentence."""
    sent = difference.sent
    if not any(number for change, number in difference.people.items() if change != "same"):
        return (
            f"**No person gets another message, or one at another time.** {_number(sent.after, 'message')} either way."
        )
    share = f" ({(sent.after - sent.before) / sent.before:+.1%})" if sent.before else ""
    people = ", ".join(
        f"{number:,} {PERSON_CHANGES[change]}" for change, number in difference.people.items() if change != "same"
    )
    return f"**{_number(sent.after, 'message')} instead of {sent.before:,}{share}.** People: {people}."


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _write_limits(limits: Sequence[LimitFinding]) -> list[str]:
    rows: list[TableRow] = [
        [LIMITS[one.name], one.most, one.found, "exceeded" if one.is_exceeded else "kept"] for one in limits
    ]
    return write_table(["Limit", "At most", "Found", ""], rows) if rows else []


def _write_faults(faults: Sequence[MessageFault]) -> list[str]:
    """Name the messages that fail, and not their values: others may read a comment."""
    failing: Counter[tuple[str, str, str]] = Counter()
    for one in faults:
        if one.fails:
            failing[one.campaign, one.step, one.channel] += one.number
    rows: list[TableRow] = [[*place, number] for place, number in sorted(failing.items())]
    return write_table(["Campaign", "Step", "Channel", "Rendered messages that fail"], rows) if rows else []


def _write_people(difference: DifferenceReport) -> list[str]:
    rows: list[TableRow] = [[PERSON_CHANGES[change], number] for change, number in difference.people.items()]
    most = difference.most_per_person
    return [
        *write_table(["People", "Number"], rows),
        f"{_arrow(difference.without_message)} get none; the person with most gets {_arrow(most)}.",
        "",
    ]


def _arrow(change: NumberChange) -> str:
    return f"{change.after:,}" if change.before == change.after else f"{change.before:,} → {change.after:,}"


def _write_campaigns(campaigns: Sequence[CampaignChange]) -> list[str]:
    rows: list[TableRow] = [
        [one.campaign, _arrow(one.entered), _arrow(one.sent), _arrow(one.goals)] for one in campaigns
    ]
    return write_table(["Campaign", "Entered", "Sent", "Goals reached anyway"], rows) if rows else []


def _write_campaign(one: CampaignChange) -> list[str]:
    rows: list[TableRow] = [
        [result.step, _describe_result(result), result.number.before, result.number.after, _sign(result.number)]
        for result in one.results
    ]
    return [f"## {one.campaign}", "", *write_table(["Step", "Result", "Before", "After", ""], rows)] if rows else []


def _describe_result(result: ResultChange) -> str:
    return _RESULTS[result.kind].format(result.detail) + (f" ({result.rule})" if result.rule else "")


def _sign(number: NumberChange) -> str:
    return f"{number.after - number.before:+,}"


def _write_caps(difference: DifferenceReport) -> list[str]:
    rows: list[TableRow] = [[one.rule, _arrow(one.refused), _arrow(one.put_off)] for one in difference.caps]
    return ["## Caps", "", *write_table(["Rule", "Refused", "Put off"], rows)] if rows else []


def _write_examples(examples: Sequence[DifferenceExample], zone: ZoneInfo) -> Iterator[list[str]]:
    if examples:
        yield ["## Examples", ""]
    for one in examples:
        lines = list(_compare_traces(one.before, one.after, zone))
        left = [f"  … {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else []
        name = f"`{one.user_id}`" if one.user_id is not None else "A person without a user id"
        said = PERSON_CHANGES[convert(one.change, ComparedChange)]
        yield [f"{name}, one of those who {said}:", "", "```diff", *lines[:MAX_LINES], *left, "```", ""]


def _compare_traces(before: Sequence[TraceLine], after: Sequence[TraceLine], zone: ZoneInfo) -> Iterator[str]:
    """Iterate over the lines of both traces, marked like a diff."""
    first, second = (Counter((one.at, f"{one.campaign}: {one.summary}") for one in trace) for trace in (before, after))
    # Lines of one instant stay in the order of their trace.
    for line in sorted({**first, **second}, key=lambda line: line[0]):
        at, said = line
        marks = {" ": (first & second)[line], "-": (first - second)[line], "+": (second - first)[line]}
        for mark in Counter(marks).elements():
            yield f"{mark} {at.astimezone(zone):%Y-%m-%d %H:%M} {said}"
