"""A report as it is kept: what names people stands apart, and is erased with them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from domain.rehearsal.report import BacktestReport
from domain.rehearsal.trace_line import TraceLine

# `trace`: asked for by their ids. The others are in the report: an example of a difference, or one of those who have a
# fault, or of those whose real journey was another.
PersonPartKind = Literal["trace", "example", "fault", "fidelity"]
_PLACE: Final = "place"


class PersonPart(Struct, frozen=True):
    """The part of a report that names a person. People without a user id have none."""

    user_id: str
    part: PersonPartKind
    content: dict[str, Any]


class KeptReport(Struct, frozen=True):
    """A report in JSON that names no person, and the people of it."""

    report: dict[str, Any]
    people: Sequence[PersonPart]


def split_report(report: BacktestReport, traces: Mapping[str, Sequence[TraceLine]]) -> KeptReport:
    """Take the people out of a report."""
    people = [PersonPart(user, "trace", {"lines": to_builtins(lines)}) for user, lines in traces.items()]
    people += _name_people("fault", [one.user_id for one in report.faults])
    kept = replace(report, faults=[replace(one, user_id=None) for one in report.faults])
    if (fidelity := report.head.fidelity) is not None:
        people += _name_people("fidelity", [one.user_id for one in fidelity.examples])
        nameless = replace(fidelity, examples=[replace(one, user_id=None) for one in fidelity.examples])
        kept = replace(kept, head=replace(report.head, fidelity=nameless))
    if report.difference is not None:
        people += [
            PersonPart(one.user_id, "example", to_builtins(one))
            for one in report.difference.examples
            if one.user_id is not None
        ]
        kept = replace(kept, difference=replace(report.difference, examples=()))
    return KeptReport(to_builtins(kept, str_keys=True), people)


def join_report(report: dict[str, Any], people: Iterable[PersonPart]) -> dict[str, Any]:
    """Put those of the people into a report in JSON who are still there."""
    for one in people:
        match one.part:
            case "fault":
                report["faults"][one.content[_PLACE]]["user_id"] = one.user_id
            case "fidelity":
                report["head"]["fidelity"]["examples"][one.content[_PLACE]]["user_id"] = one.user_id
            case "example":
                report["difference"]["examples"].append(one.content)
            case "trace":
                pass
    return report


def read_report(report: dict[str, Any]) -> BacktestReport:
    """Return a report of its JSON."""
    return convert(report, BacktestReport, strict=False, dec_hook=lambda _, value: Counter(value))


def _name_people(part: PersonPartKind, users: Sequence[str | None]) -> list[PersonPart]:
    return [PersonPart(user, part, {_PLACE: place}) for place, user in enumerate(users) if user is not None]
