"""Answers of the gate, as journeys get them."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

# The reasons that this build gives. Answers take any: after a roll-back, journeys meet those of a later build.
RefusalReason = Literal[
    "journey_ended",
    "campaign_not_running",
    "schedule_ended",
    "paused",
    "expired",
    "not_needed",
    "left_account",
    "unreachable",
    "address_changed",
    "suppressed",
    "no_consent",
    "send_window",
    "legal_hours",
    "capped",
    "warm_up",
    "over_budget",
    "no_provider",
]
DeferReason = Literal["fallback", "send_window", "legal_hours", "capped", "warm_up", "over_budget"]


class Granted(Struct, frozen=True, tag="granted", tag_field="answer", omit_defaults=True):
    """The message is reserved under this id and may be sent.

    `paced_by` is its provider if the sends of that have a queue of their own. `channel` is that of a step which has a
    choice. With `has_fallback`, another channel is left for a message that is sent without a reaction.
    """

    message_id: str
    paced_by: str | None = None
    channel: str | None = None
    has_fallback: bool = False


class Deferred(Struct, frozen=True, tag="deferred", tag_field="answer"):
    """Not before `until`: the gate is asked again then, by the facts of then."""

    until: datetime
    reason: str


class Held(Struct, frozen=True, tag="held", tag_field="answer", omit_defaults=True):
    """The campaign or the provider's marketing is paused, or the person is on hold.

    The gate is asked again when it is resumed or the hold released, and at `until` if there is one.
    """

    reason: str
    until: datetime | None = None


class Refused(Struct, frozen=True, tag="refused", tag_field="answer"):
    """The message is not sent. With `journey_ended`, the journey is over, too."""

    reason: str
    journey_ended: bool = False


Answer = Granted | Deferred | Held | Refused


class MembersPage(Struct, frozen=True, tag="page", tag_field="answer", omit_defaults=True):
    """A page of members, and the messages that are reserved and may be sent.

    `after` is the cursor of the next page; None after the last one. At `until`, the earliest end of the deferrals and
    holds of the page, the gate is asked again about those members. With `is_held`, some of them are on hold.
    `paced_by` are the providers of the messages whose sends have a queue of their own.
    """

    message_ids: tuple[str, ...] = ()
    after: str | None = None
    until: datetime | None = None
    is_held: bool = False
    paced_by: dict[str, str] = {}


# The answer about a page of members: a page, or an answer that concerns the journey and so all of them.
MembersAnswer = MembersPage | Held | Refused
