"""The inbox: the messages that a page or an app of their person is given.

They wait for their person, who is there when they show: caps are asked when one is given, and not before.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.plan import MessagePriority
from domain.channels.kinds import CHANNELS
from domain.sending import caps
from domain.sending.caps import CapRule, CountedMessage

# The kind of message that takes the place of a part of the page.
SLOT: Final = "slot"
# The kind of message that asks questions.
SURVEY: Final = "survey"
# How soon a page asks again, in seconds.
POLL_SECONDS: Final = 30.0
MIN_POLL_SECONDS: Final = 1.0


class InboxMessage(Struct, frozen=True, kw_only=True):
    """A message in the inbox, with what was reported of it.

    `seq` is its place among all that were given; `given_at` is None for one that waits. It `interrupts` if it shows
    itself to a person who has not asked for it. `priority` is 0 to 100, that of the template. `shows` is how often it
    was shown.
    """

    message_id: UUID
    seq: int
    kind: str
    interrupts: bool
    placement: str | None
    priority: int
    content: Mapping[str, Any]
    expires_at: datetime
    given_at: datetime | None
    shows: int
    shown_at: datetime | None
    clicked_at: datetime | None
    dismissed_at: datetime | None
    completed_at: datetime | None


class InboxState(Struct, frozen=True, kw_only=True):
    """A message in the inbox without its content, with what was reported of it.

    `every` is how often it is shown, by its template; `shows` are the latest times at which it was. `size` is that of
    its content, in bytes.
    """

    message_id: UUID
    seq: int
    channel: str
    kind: str
    placement: str | None
    priority: int
    every: Mapping[str, Any]
    size: int
    expires_at: datetime
    given_at: datetime | None
    shows: Sequence[datetime]
    shown_at: datetime | None
    clicked_at: datetime | None
    dismissed_at: datetime | None
    completed_at: datetime | None

    @property
    def interrupts(self) -> bool:
        """Whether it shows itself to a person who has not asked for it."""
        return CHANNELS[self.channel].interrupts(self.kind)

    def message(self, content: Mapping[str, Any]) -> InboxMessage:
        """Return the message as a page gets it."""
        return InboxMessage(
            message_id=self.message_id,
            seq=self.seq,
            kind=self.kind,
            interrupts=self.interrupts,
            placement=self.placement,
            priority=self.priority,
            content=content,
            expires_at=self.expires_at,
            given_at=self.given_at,
            shows=len(self.shows),
            shown_at=self.shown_at,
            clicked_at=self.clicked_at,
            dismissed_at=self.dismissed_at,
            completed_at=self.completed_at,
        )


class WaitingMessage(Struct, frozen=True):
    """A message that may be given, as caps see it."""

    id: UUID
    channel: str
    category: str
    priority: MessagePriority
    zone: ZoneInfo
    is_interrupting: bool


class GiveResult(Struct, frozen=True):
    """The messages that are given now, and when caps allow another; None if all are."""

    given: tuple[UUID, ...]
    frees_at: datetime | None = None


def choose_given(
    waiting: Sequence[WaitingMessage], rules: Sequence[CapRule], ledger: Sequence[CountedMessage], at: datetime
) -> GiveResult:
    """Return which messages the caps of their person allow, taken in this order.

    One that does not interrupt passes them all, and counts in none.
    """
    counted = list(ledger)
    given: list[UUID] = []
    frees: list[datetime] = []
    for one in waiting:
        if one.is_interrupting:
            capped = caps.check(
                rules,
                counted,
                channel=one.channel,
                category=one.category,
                priority=one.priority,
                at=at,
                zone=one.zone,
            )
            if capped is not None:
                frees.append(capped.frees_at)
                continue
            counted.append(CountedMessage(at, one.channel, one.category, one.priority))
        given.append(one.id)
    return GiveResult(tuple(given), min(frees, default=None))


def is_used_up(message: InboxState, at: datetime) -> bool:
    """Return whether a message is not to be shown any more, by its template's `every`.

    Sessions are counted by the page.
    """
    if message.completed_at is not None:
        return True
    every = message.every
    match every["kind"]:
        case "once":
            return message.shown_at is not None
        case "until_clicked":
            return message.clicked_at is not None
        case "until_dismissed":
            return message.dismissed_at is not None
        case "times":
            seconds = every.get("per_seconds")
            since = None if seconds is None else at - timedelta(seconds=seconds)
            times: int = every["times"]
            return sum(since is None or one > since for one in message.shows) >= times
        case _:
            return False


def find_next_poll(frees_at: datetime | None, at: datetime) -> float:
    """Return in how many seconds a page asks again."""
    if frees_at is None:
        return POLL_SECONDS
    return min(POLL_SECONDS, max(MIN_POLL_SECONDS, (frees_at - at).total_seconds()))
