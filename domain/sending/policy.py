"""May this message go now? The one decision before every message of every campaign.

`decide` touches nothing but its arguments. The order of its checks is part of the contract: the first that stands in
the way is the reason that an engineer reads afterwards.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field

from domain.campaign.plan import Send
from domain.people.addresses import is_reachable
from domain.sending import caps
from domain.sending.caps import TRANSACTIONAL, CapRule, Counted


class Granted(Struct, frozen=True, tag="granted", tag_field="answer"):
    """The message is reserved under this id and may be sent."""

    message_id: str


class Deferred(Struct, frozen=True, tag="deferred", tag_field="answer"):
    """Not before `until`; ask again then."""

    until: datetime
    reason: str


class Held(Struct, frozen=True, tag="held", tag_field="answer"):
    """The campaign is paused; ask again when it is resumed."""

    reason: str


class Refused(Struct, frozen=True, tag="refused", tag_field="answer"):
    """This message is not sent. `journey_ended` says that the journey is over, too."""

    reason: str
    journey_ended: bool = False


Answer = Granted | Deferred | Held | Refused


class Decision(Struct, frozen=True):
    """The answer together with the data that decided it. The data stays in the database; the answer may travel."""

    answer: Answer
    data: dict[str, Any] = field(default_factory=dict)


class Recipient(Struct, frozen=True):
    """What the gate knows of a person. `consent` maps a channel to False where they have said no to it.

    `suppressed` maps a channel to why nothing at all may be sent on it (a bounce, a complaint, a request).
    """

    traits: Mapping[str, Any]
    consent: Mapping[str, bool]
    suppressed: Mapping[str, str]


class Objection(Struct, frozen=True):
    """Why a person may not be sent to, apart from time and number: unreachable, suppressed or no_consent."""

    reason: str
    detail: str


class Request(Struct, frozen=True):
    """One question to the gate: a send step that was reached at `reached_at`, asked for at `at`."""

    message_id: str
    step: Send
    reached_at: datetime
    at: datetime


def decide(
    request: Request,
    *,
    journey_state: str,
    ended_by: str | None,
    campaign_state: str,
    recipient: Recipient,
    rules: Sequence[CapRule],
    ledger: Sequence[Counted],
) -> Decision:
    """Journey, campaign, expiry, reachability, suppression, consent and caps, in this order."""
    step, at = request.step, request.at
    expires_at = request.reached_at + timedelta(seconds=step.expires)
    if journey_state != "active":
        return _refused("journey_ended", journey_ended=True, state=journey_state, ended_by=ended_by)
    if campaign_state == "paused":
        return Decision(Held("campaign_paused"))
    if campaign_state not in ("running", "stopping"):
        return _refused("campaign_not_running", campaign_state=campaign_state)
    if at >= expires_at:
        return _refused("expired", expires_at=expires_at, reached_at=request.reached_at)
    if (found := objection(step.channel, step.category, recipient)) is not None:
        return _refused(found.reason, channel=step.channel, detail=found.detail)
    capped = caps.check(rules, ledger, step.channel, step.category, at)
    if capped is None:
        return Decision(Granted(request.message_id))
    data: dict[str, Any] = {
        "rule": capped.rule,
        "limit": capped.limit,
        "window_seconds": capped.window,
        "count": capped.count,
        "frees_at": capped.frees_at,
        "on_capped": step.on_capped,
    }
    if step.on_capped == "wait" and capped.frees_at < expires_at:
        return Decision(Deferred(until=capped.frees_at, reason="capped"), data)
    return _refused("capped", **data)


def objection(channel: str, category: str, recipient: Recipient) -> Objection | None:
    """What in the recipient's own profile forbids a message of this channel and category, if anything does."""
    if (why := _unreachable(channel, recipient.traits)) is not None:
        return Objection("unreachable", why)
    if (reason := recipient.suppressed.get(channel)) is not None:
        return Objection("suppressed", reason)
    if category != TRANSACTIONAL and recipient.consent.get(channel, True) is False:
        return Objection("no_consent", f"the profile refuses {channel}")
    return None


def _unreachable(channel: str, traits: Mapping[str, Any]) -> str | None:
    """Why the channel cannot reach a person with these traits; None if it can."""
    if channel != "email":
        return None
    if not isinstance(address := traits.get("email"), str) or not address:
        return "the profile has no trait email"
    return None if is_reachable(address) else "the trait email is not an e-mail address"


def _refused(reason: str, *, journey_ended: bool = False, **data: Any) -> Decision:
    return Decision(Refused(reason, journey_ended=journey_ended), data)
