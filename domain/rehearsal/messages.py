"""The ledger of a simulated person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from domain.channels.kinds import CHANNELS
from domain.journey.active import VersionRef
from domain.sending.caps import CountedMessage
from domain.sending.channel_choice import ENGAGEMENT_DAYS, Engagement
from domain.sending.claim import SENT, AttemptState
from domain.sending.fallbacks import EarlierMessage
from domain.sending.ledger_marks import LedgerMarks
from domain.sending.policy import Reservation

# The states of messages that caps count.
COUNTED_STATES = ("reserved", "sending", "sent", "unknown")


@dataclass(slots=True)
class SimulatedMessage:
    """A granted message, its outcome, and the reactions to it."""

    granted: Reservation
    version: VersionRef
    state: AttemptState
    marks: LedgerMarks
    reason: str | None = None

    @property
    def id(self) -> UUID:
        """The id of the message."""
        return self.granted.id

    @property
    def counted(self) -> CountedMessage:
        """The message as caps see it."""
        one = self.granted
        return CountedMessage(one.at, one.channel, one.category, one.priority, one.campaign_key)

    def mark(self, marks: LedgerMarks) -> None:
        """Note reactions, the earliest of each kind."""
        self.marks = self.marks.merge(replace(marks, id=self.id))

    def describe(self) -> str:
        """Return the outcome as conditions read it."""
        if self.marks.opened_at is not None:
            return "opened"
        return "ignored" if self.state == SENT else self.state

    def as_earlier(self) -> EarlierMessage:
        """Return the message as a fallback sees the one before it."""
        one, marks = self.granted, self.marks
        return EarlierMessage(
            one.id, one.channel, one.at, marks.delivered_at, marks.opened_at, marks.clicked_at, marks.replied_at
        )


def list_counted(messages: Iterable[SimulatedMessage]) -> list[CountedMessage]:
    """Return the messages that caps count.

    One of the inbox counts when it is given to its person, which no simulated visit does.
    """
    return [
        one.counted
        for one in messages
        if one.state in COUNTED_STATES and not CHANNELS[one.granted.channel].waits_for_person
    ]


def describe_messages(messages: Sequence[SimulatedMessage]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the outcomes and the clicked links of a journey's messages, by step.

    They are those of the last visit; a fallback counts as the message that it follows, and the one that went furthest
    stands for both.
    """
    first = {one.id: one for one in messages}
    outcomes: dict[str, str] = {}
    clicks: dict[str, tuple[int, str]] = {}
    placed = [(first.get(one.granted.fallback_of or one.id, one).granted, one) for one in messages]
    for of, one in sorted(
        placed, key=lambda pair: (pair[0].visit, pair[1].marks.opened_at is not None, _is_sent(pair[1]))
    ):
        outcomes[of.step] = one.describe()
    for of, one in sorted(placed, key=lambda pair: pair[0].visit):
        if one.marks.clicked_at is not None and (of.step not in clicks or clicks[of.step][0] < of.visit):
            clicks[of.step] = (of.visit, one.marks.clicked_link or "")
    return outcomes, {step: link for step, (_, link) in clicks.items()}


def list_before(messages: Iterable[SimulatedMessage], step: str, message_id: UUID) -> list[EarlierMessage]:
    """Return the messages that a fallback follows, the first one first."""
    known = list(messages)
    firsts = [one for one in known if one.granted.step == step]
    if not firsts:
        return []
    first = max(firsts, key=lambda one: one.granted.visit)
    chain = [one for one in known if one is first or one.granted.fallback_of == first.id]
    return [one.as_earlier() for one in chain if one.id != message_id and one.state in ("sent", "unknown")]


def count_engagement(
    messages: Iterable[SimulatedMessage], channels: Sequence[str], at: datetime
) -> Mapping[str, Engagement]:
    """Count the latest messages by channel, and those with a reaction."""
    since = at - timedelta(days=ENGAGEMENT_DAYS)
    found: dict[str, Engagement] = {}
    for one in messages:
        channel = one.granted.channel
        if channel in channels and one.state == SENT and since < one.granted.at <= at:
            known, marks = found.get(channel, Engagement(0, 0)), one.marks
            has_reacted = any((marks.opened_at, marks.clicked_at, marks.replied_at))
            found[channel] = Engagement(known.messages + 1, known.reactions + has_reacted)
    return found


def _is_sent(one: SimulatedMessage) -> bool:
    return one.state == SENT
