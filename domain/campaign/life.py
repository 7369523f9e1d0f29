"""The life of a campaign: draft → scheduled → running ⇄ paused → stopping → ended, then archived."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

DRAFT, SCHEDULED, RUNNING, PAUSED = "draft", "scheduled", "running", "paused"
STOPPING, ENDED, ARCHIVED = "stopping", "ended", "archived"

Transition = Literal["publish", "start", "pause", "resume", "stop", "archive"]

# From which states a campaign may be moved, by the name of the move.
ALLOWED: Final[Mapping[Transition, tuple[str, ...]]] = {
    "publish": (DRAFT, SCHEDULED, RUNNING, PAUSED, STOPPING, ENDED),
    "start": (DRAFT, SCHEDULED, RUNNING, STOPPING, ENDED),
    "pause": (RUNNING,),
    "resume": (PAUSED,),
    "stop": (SCHEDULED, RUNNING, PAUSED, STOPPING),
    "archive": (DRAFT, ENDED),
}
# States in which users may enter; the schedule says from when until when.
OPEN_STATES: Final = (SCHEDULED, RUNNING, PAUSED)

SHORTEST_POLL, LONGEST_POLL = timedelta(seconds=1), timedelta(minutes=10)


class UnderWay(Struct, frozen=True):
    """An operation that is not finished: what is done to how many, and to how many of them it is."""

    kind: str
    done: int
    total: int | None = None


class CampaignFacts(Struct, frozen=True):
    """What is known of a campaign at the time of a look at what is due.

    `starts_at` and `ends_at` are the schedule of the version that runs; `since` is when the campaign was last changed.
    """

    state: str
    since: datetime
    version: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    operations: tuple[UnderWay, ...] = ()
    has_journeys: bool = False


class AdvanceResult(Struct, frozen=True, omit_defaults=True):
    """How a campaign stands once what was due has been done, and when something more may be.

    `is_over` says that only a request can change anything more.
    """

    state: str
    version: int | None = None
    operations: tuple[UnderWay, ...] = ()
    look_again_at: datetime | None = None
    is_over: bool = False


def allowed_transitions(state: str) -> list[Transition]:
    """The moves that this state allows."""
    return [move for move, states in ALLOWED.items() if state in states]


def due(facts: CampaignFacts, at: datetime) -> Literal["begin", "stop", "end"] | None:
    """What has become due by itself: a scheduled campaign begins, one whose schedule is over stops, and one that stops
    has ended once nobody is in it."""
    if facts.state in OPEN_STATES and facts.ends_at is not None and at >= facts.ends_at:
        return "stop"
    if facts.state == SCHEDULED and (facts.starts_at is None or at >= facts.starts_at):
        return "begin"
    if facts.state == STOPPING and not facts.has_journeys and not facts.operations:
        return "end"
    return None


def summarize(facts: CampaignFacts, at: datetime) -> AdvanceResult:
    """What is to be expected of a campaign of which nothing is due."""
    return AdvanceResult(
        state=facts.state,
        version=facts.version,
        operations=facts.operations,
        look_again_at=_look_again_at(facts, at),
        is_over=facts.state in (DRAFT, ENDED, ARCHIVED) and not facts.operations,
    )


def describe(summarize: AdvanceResult) -> str:
    """The result in Markdown, for the reader of the campaign's workflow."""
    until = "" if summarize.look_again_at is None else f", until {summarize.look_again_at:%Y-%m-%d %H:%M:%S} UTC"
    version = "" if summarize.version is None else f", version {summarize.version}"
    lines = [f"**{summarize.state.capitalize()}**{version}{until}"]
    for operation in summarize.operations:
        total = "" if operation.total is None else f" of {operation.total:,}"
        lines.append(f"- {operation.kind}: {operation.done:,}{total}")
    return "\n".join(lines)


def _look_again_at(facts: CampaignFacts, at: datetime) -> datetime | None:
    """When something may become due by itself; None if only a request can change anything.

    Nobody says when the last journey of a campaign that stops has ended: one looks, more seldom the longer it takes.
    """
    if facts.state == STOPPING:
        return at + min(max((at - facts.since) / 10, SHORTEST_POLL), LONGEST_POLL)
    if facts.state not in OPEN_STATES:
        return None
    instants = [facts.ends_at] if facts.state != SCHEDULED else [facts.starts_at, facts.ends_at]
    return min((instant for instant in instants if instant is not None and instant > at), default=None)
