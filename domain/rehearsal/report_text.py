"""The report of a backtest in Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from msgspec import convert

from domain.rehearsal.fidelity import CAUSES, DifferenceCause, Fidelity
from domain.rehearsal.markdown import TableRow, write_table
from domain.rehearsal.report import BacktestReport, CampaignReport, ReportHead, StepRefusals

_SKIPPED = {"reactions": "reactions to real messages", "caused": "events that rules had made"}


def write_report(report: BacktestReport) -> str:
    """Write a report as Markdown."""
    parts = [
        ["# Backtest", "", *describe_head(report.head), ""],
        _write_campaigns(report.campaigns),
        *(_write_campaign(one) for one in report.campaigns),
        _write_caps(report),
        _write_people(report),
        _write_samples(report),
    ]
    return "\n".join("\n".join(lines) for lines in parts if lines)


def describe_head(head: ReportHead) -> list[str]:
    """Return the period, the people and the limits of a backtest, as a list."""
    zone = ZoneInfo(head.timezone)
    since, until = (f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in (head.since, head.until))
    replaced = ", ".join(f"`{file}`" for file in head.files) or "what runs"
    people = ("1 person" if head.people == 1 else f"{head.people:,} people") + (
        f", {head.sample:.0%} of all" if head.sample < 1 else ""
    )
    people += f", members of `{head.segment}` now" if head.segment is not None else ""
    missing = head.missing
    first = missing.first_kept
    return [
        f"- Simulated: {replaced}, from {since} to {until} ({head.timezone}), for {people}.",
        f"- History: {missing.cut:,} people came before the events that are kept"
        + (f" ({first.astimezone(zone):%Y-%m-%d})" if first is not None else "")
        + f", {missing.merged:,} were merged by hand in the period, {missing.erased:,} were erased.",
        *([_describe_fidelity(head.fidelity)] if head.fidelity is not None else []),
        *([f"- Left out: {_list_numbers(_SKIPPED, head.skipped)}."] if head.skipped else []),
        *(f"- Not simulated: {one}" for one in head.omissions),
        *(f"- Assumed: {one}" for one in head.assumptions),
    ]


def _describe_fidelity(fidelity: Fidelity) -> str:
    """Describe how well what runs is simulated: `98.7% of 41,200 decisions are equal`."""
    if not fidelity.decisions:
        return "- Fidelity: no real decision to compare with."
    share = fidelity.equal / fidelity.decisions
    named = [f"{number:,} {CAUSES[convert(cause, DifferenceCause)]}" for cause, number in fidelity.causes.most_common()]
    said = f"; {fidelity.causes.total():,} differ: {', '.join(named)}" if named else ""
    return (
        f"- Fidelity: {share:.1%} of {fidelity.decisions:,} decisions about {fidelity.people:,} people are equal{said}."
    )


def _list_numbers(names: Mapping[str, str], numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {names.get(name, name)}" for name, number in numbers.items())


def _write_campaigns(campaigns: Sequence[CampaignReport]) -> list[str]:
    rows: list[TableRow] = [
        [one.campaign, one.entered, one.sent, sum(part.number for part in one.not_sent), one.goals] for one in campaigns
    ]
    return write_table(["Campaign", "Entered", "Sent", "Not sent", "Goals reached anyway"], rows)


def _write_campaign(one: CampaignReport) -> list[str]:
    rows = list(_iter_results(one))
    days: dict[str, int] = {}
    for step in one.messages:
        for day, number in step.days.items():
            days[day] = days.get(day, 0) + number
    by_day = (
        [f"Sent by day: {', '.join(f'{day} {number:,}' for day, number in sorted(days.items()))}", ""] if days else []
    )
    return [f"## {one.campaign}", "", *write_table(["Step", "Result", "Number"], rows), *by_day] if rows else []


def _iter_results(one: CampaignReport) -> Iterator[TableRow]:
    for step in one.messages:
        if step.sent:
            yield [step.step, f"sent by {step.channel}", step.sent]
        if step.failed:
            yield [step.step, f"failed by {step.channel}", step.failed]
    yield from _refusals("not sent", one.not_sent)
    yield from _refusals("put off", one.put_off)
    for reason, number in one.not_entered.items():
        yield ["", f"not let in: {reason}", number]
    for outcome, number in one.ends.items():
        yield ["", f"ended: {outcome}", number]


def _refusals(what: str, refusals: Iterable[StepRefusals]) -> Iterator[TableRow]:
    for one in refusals:
        rule = f" ({one.rule})" if one.rule else ""
        yield [one.step, f"{what}: {one.reason}{rule}", one.number]


def _write_caps(report: BacktestReport) -> list[str]:
    rows: list[TableRow] = [
        [one.rule, one.refused, one.put_off, ", ".join(f"{key} {number:,}" for key, number in one.taken_by.items())]
        for one in report.caps
    ]
    return ["## Caps", "", *write_table(["Rule", "Refused", "Put off", "Room taken by"], rows)] if rows else []


def _write_people(report: BacktestReport) -> list[str]:
    people: list[TableRow] = [[f"{number:,}", count] for number, count in report.messages_per_person.items()]
    none: list[TableRow] = [[reason, count] for reason, count in report.without_message.items()]
    return [
        "## People",
        "",
        *write_table(["Messages", "People"], people),
        *(write_table(["Without a message", "People"], none) if none else []),
    ]


def _write_samples(report: BacktestReport) -> list[str]:
    if not report.rendered:
        return []
    rows: list[TableRow] = [
        [
            one.campaign,
            one.step,
            one.channel,
            ("fails: " if one.fails else "") + one.said,
            one.number,
            one.user_id or "",
        ]
        for one in report.faults
    ]
    said = f"{report.rendered:,} messages were rendered" + ("." if rows else ", without a fault.")
    table = write_table(["Campaign", "Step", "Channel", "Fault", "Messages", "Such as"], rows) if rows else []
    return ["## Texts", "", said, "", *table]
