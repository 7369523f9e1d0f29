"""Observations of a journey, as scenarios expect them, and where the two differ."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.durations import format_duration
from domain.journey.decision import Decision
from domain.rehearsal.records import EndedJourney, GoalReached, MessageSettled, Record
from domain.rehearsal.scenarios import ExpectedKind, ExpectedLine

# These are expected in full; the others only by a scenario that names one of their kind.
ALWAYS_EXPECTED: Final[frozenset[ExpectedKind]] = frozenset({"sent", "not_sent", "ends"})
_GATE: Final[dict[str, ExpectedKind]] = {"refused": "not_sent", "deferred": "waits", "held": "waits"}


class Observed(Struct, frozen=True):
    """One thing that came of a scenario, with the words of `ExpectedLine`."""

    at: datetime
    kind: ExpectedKind
    subject: str
    because: str | None = None
    channel: str | None = None

    def describe(self, zone: ZoneInfo) -> str:
        """Return it as one writes it in a scenario."""
        parts = [f"{self.kind}: {self.subject}"]
        parts += [f"because: {self.because}"] if self.because is not None else []
        parts += [f"channel: {self.channel}"] if self.channel is not None else []
        return f"{{{', '.join([*parts, f'at: {self.at.astimezone(zone):%a %H:%M:%S}'])}}}"


class Difference(Struct, frozen=True):
    """A line of a scenario that came otherwise, or something that it does not expect."""

    line: int
    said: str


def observe(record: Record, campaign: str, at: datetime) -> Iterator[Observed]:
    """Return what a result is in the words of scenarios, if it is of the campaign."""
    match record:
        case Decision(kind="send", campaign_key=key, outcome=outcome, step=step, reason=reason):
            if key == campaign and outcome in _GATE:
                yield Observed(record.at, _GATE[outcome], step or "", reason)
        case Decision(kind="entry", campaign_key=key, outcome="refused", reason=reason) if key == campaign:
            yield Observed(record.at, "not_entered", reason or "")
        case MessageSettled(message=message) if message.granted.campaign_key == campaign:
            kind: ExpectedKind = "sent" if message.state == "sent" else "not_sent"
            because = None if message.state == "sent" else message.state
            channel = message.granted.channel if message.state == "sent" else None
            yield Observed(record.at, kind, message.granted.step, because, channel)
        case EndedJourney(journey=journey, ending=ending) if journey.campaign_key == campaign:
            yield Observed(ending.ended_at, "ends", ending.outcome)
        case GoalReached(journey=journey, event=event) if journey.campaign_key == campaign:
            yield Observed(at, "goal", event.trigger.label)
        case _:
            return


def compare(
    expected: Sequence[ExpectedLine], observed: Iterable[Observed], began_at: datetime, zone: ZoneInfo, line: int
) -> list[Difference]:
    """Return where the observations differ. `line` is the scenario's."""
    kinds = ALWAYS_EXPECTED.union(one.kind for one in expected)
    seen = [one for one in observed if one.kind in kinds]
    since = began_at
    for place, wanted in enumerate(expected):
        if place >= len(seen):
            return [Difference(wanted.line, f"expected {describe(wanted)}, and nothing more came")]
        found = seen[place]
        if not (_is_same(wanted, found) and _is_then(wanted, found.at, since, zone)):
            return [Difference(wanted.line, f"expected {describe(wanted)}, and {found.describe(zone)} came")]
        since = found.at
    last = expected[-1].line if expected else line
    return [Difference(last, f"{one.describe(zone)} came, which is not expected") for one in seen[len(expected) :]]


def describe(expected: ExpectedLine) -> str:
    """Return an expectation as its document has it."""
    parts = [f"{expected.kind}: {expected.subject}"]
    after = None if expected.after is None else format_duration(int(expected.after.total_seconds()))
    named = {"because": expected.because, "channel": expected.channel, "at": expected.at, "after": after}
    return f"{{{', '.join([*parts, *(f'{name}: {value}' for name, value in named.items() if value is not None)])}}}"


def list_unlike(one: Sequence[Observed], other: Sequence[Observed], apart: timedelta) -> list[tuple[int, bool]]:
    """Return the places at which two lists differ, or whose times are `apart`."""
    found: list[tuple[int, bool]] = []
    for place in range(max(len(one), len(other))):
        if place >= len(one) or place >= len(other) or _forget_time(one[place]) != _forget_time(other[place]):
            return [*found, (place, False)]
        if abs(one[place].at - other[place].at) > apart:
            found.append((place, True))
    return found


def _forget_time(one: Observed) -> tuple[str, str, str | None, str | None]:
    return one.kind, one.subject, one.because, one.channel


def _is_then(wanted: ExpectedLine, at: datetime, since: datetime, zone: ZoneInfo) -> bool:
    if wanted.at is not None and not wanted.at.shows(at, zone):
        return False
    return wanted.after is None or abs(at - since - wanted.after) < timedelta(seconds=1)


def _is_same(wanted: ExpectedLine, found: Observed) -> bool:
    return (
        wanted.kind == found.kind
        and wanted.subject == found.subject
        and wanted.because in (None, found.because)
        and wanted.channel in (None, found.channel)
    )
