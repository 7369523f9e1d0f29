"""Campaign states: draft → scheduled → running ⇄ paused → stopping → ended."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from domain.campaign.approvals import BEGIN, CONTINUE, ApprovalAction, PendingApproval
from domain.operations import OperationKind

CampaignState = Literal["draft", "scheduled", "running", "paused", "stopping", "ended", "archived"]
DRAFT: Final = "draft"
SCHEDULED: Final = "scheduled"
RUNNING: Final = "running"
PAUSED: Final = "paused"
STOPPING: Final = "stopping"
ENDED: Final = "ended"
ARCHIVED: Final = "archived"

Transition = Literal["publish", "start", "pause", "resume", "stop", "archive"]
# The choice for the journeys of a stopping campaign.
StopMode = Literal["drain", "exit"]
# The choice for the messages that a pause held up.
Overdue = Literal["send", "skip", "retime"]

# The states in which each transition is allowed.
ALLOWED: Final[Mapping[Transition, tuple[CampaignState, ...]]] = {
    "publish": (DRAFT, SCHEDULED, RUNNING, PAUSED, STOPPING, ENDED),
    "start": (DRAFT, SCHEDULED, RUNNING, STOPPING, ENDED),
    "pause": (RUNNING,),
    "resume": (PAUSED,),
    "stop": (SCHEDULED, RUNNING, PAUSED, STOPPING),
    "archive": (DRAFT, ENDED),
}
# States in which users may enter, within the schedule.
OPEN_STATES: Final = (SCHEDULED, RUNNING, PAUSED)

SHORTEST_POLL, LONGEST_POLL = timedelta(seconds=1), timedelta(minutes=10)


class UnderWay(Struct, frozen=True):
    """An unfinished operation: its kind and progress."""

    kind: OperationKind
    done: int
    total: int | None = None


class HeldEntry(Struct, frozen=True):
    """An audience that has entered as many people as were approved: so many of `done`."""

    id: UUID
    entered: int
    done: int
    total: int | None = None


class CampaignFacts(Struct, frozen=True):
    """The facts about a campaign that decide what is due.

    `starts_at` and `ends_at` are the schedule of the running version; `since` is the last change of the campaign.
    """

    state: CampaignState
    since: datetime
    version: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    operations: tuple[UnderWay, ...] = ()
    held: tuple[HeldEntry, ...] = ()
    approvals: tuple[PendingApproval, ...] = ()
    has_journeys: bool = False

    def wait_at(self, at: datetime) -> tuple[PendingApproval, ...]:
        """Return the approvals that the campaign waits for at an instant."""
        return tuple(approval for approval in self.approvals if approval.expires_at > at)

    def waits_for(self, action: ApprovalAction, at: datetime) -> bool:
        """Return whether a change of the campaign waits for an approval."""
        return any(one.action == action for one in self.wait_at(at))


class AdvanceResult(Struct, frozen=True, omit_defaults=True):
    """The state of a campaign after everything due was done, and when to look again.

    `is_over` means that only a request can change anything more.
    """

    state: CampaignState
    version: int | None = None
    operations: tuple[UnderWay, ...] = ()
    held: tuple[HeldEntry, ...] = ()
    approvals: tuple[PendingApproval, ...] = ()
    look_again_at: datetime | None = None
    is_over: bool = False


def allowed_transitions(state: CampaignState) -> list[Transition]:
    """Return the transitions that this state allows."""
    return [move for move, states in ALLOWED.items() if state in states]


def find_due(facts: CampaignFacts, at: datetime) -> Literal["begin", "stop", "end", "continue"] | None:
    """Return the transition that is due by itself, if any.

    A scheduled campaign begins, and the rest of a held audience is decided about, unless they wait for an approval; a
    campaign whose schedule is over stops, and a stopping one ends with its last journey.
    """
    if facts.state in OPEN_STATES and facts.ends_at is not None and at >= facts.ends_at:
        return "stop"
    if facts.state == SCHEDULED and (facts.starts_at is None or at >= facts.starts_at):
        return None if facts.waits_for(BEGIN, at) else "begin"
    if facts.held and not facts.waits_for(CONTINUE, at):
        return "continue"
    if facts.state == STOPPING and not facts.has_journeys and not facts.operations:
        return "end"
    return None


def summarize(facts: CampaignFacts, at: datetime) -> AdvanceResult:
    """Summarize a campaign of which nothing is due."""
    return AdvanceResult(
        state=facts.state,
        version=facts.version,
        operations=facts.operations,
        held=facts.held,
        approvals=facts.wait_at(at),
        look_again_at=_look_again_at(facts, at),
        is_over=facts.state in (DRAFT, ENDED, ARCHIVED) and not facts.operations,
    )


def describe(result: AdvanceResult) -> str:
    """Describe the result in Markdown, for the reader of the campaign's workflow."""
    until = "" if result.look_again_at is None else f", until {result.look_again_at:%Y-%m-%d %H:%M:%S} UTC"
    version = "" if result.version is None else f", version {result.version}"
    lines = [f"**{result.state.capitalize()}**{version}{until}"]
    lines += [f"- {one.kind}: {_progress(one)}" for one in result.operations]
    lines += [f"- enrol: {_progress(one)}, held; {one.entered:,} have entered" for one in result.held]
    lines += [
        f"- {approval.action}: waits for the approval of another person, for up to {approval.people:,} people, "
        f"until {approval.expires_at:%Y-%m-%d %H:%M:%S} UTC"
        for approval in result.approvals
    ]
    return "\n".join(lines)


def _progress(operation: UnderWay | HeldEntry) -> str:
    return f"{operation.done:,}" + ("" if operation.total is None else f" of {operation.total:,}")


def _look_again_at(facts: CampaignFacts, at: datetime) -> datetime | None:
    """Return when something may be due by itself; None if only by a request.

    The end of the last journey of a stopping campaign is polled, less often the longer it takes.
    """
    if facts.state == STOPPING:
        return at + min(max((at - facts.since) / 10, SHORTEST_POLL), LONGEST_POLL)
    if facts.state not in OPEN_STATES:
        return None
    instants = [facts.ends_at] if facts.state != SCHEDULED else [facts.starts_at, facts.ends_at]
    instants += [approval.expires_at for approval in facts.approvals]
    return min((instant for instant in instants if instant is not None and instant > at), default=None)
