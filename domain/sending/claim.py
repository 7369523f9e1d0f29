"""The claim of a message: whether an attempt may hand it over."""

from datetime import datetime, timedelta
from typing import Final, Literal, assert_never
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.life import CampaignState
from domain.journey.state import StoredState
from domain.local_time.windows import LocalWindow
from domain.people.topics.deployed import NO_TOPICS, DeployedTopics
from domain.sending.caps import TRANSACTIONAL
from domain.sending.circuit import CircuitView
from domain.sending.delivery import Keyed, Never, Repeats, Replaces
from domain.sending.holds import find_hold
from domain.sending.objections import Recipient, find_objection
from domain.sending.policy import ON_HOLD, PROVIDER_PAUSED, SEND_WINDOW, find_opening

# The states of a message in the ledger.
MessageState = Literal["reserved", "sending", "sent", "failed", "cancelled", "unknown"]
RESERVED: Final = "reserved"
SENDING: Final = "sending"
SENT: Final = "sent"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
UNKNOWN: Final = "unknown"
# A state of attempts, not of the ledger: since the grant, the window has closed, a hold has begun, or the provider has
# become unavailable or its marketing is paused, and the gate is asked again.
POSTPONED: Final = "postponed"
PROVIDER_UNAVAILABLE: Final = "provider_unavailable"
POSTPONING_REASONS: Final = (SEND_WINDOW, ON_HOLD, PROVIDER_UNAVAILABLE, PROVIDER_PAUSED)
# How soon a message is tried again that its paused provider may have already.
PAUSED_SECONDS: Final = 300.0
AttemptState = Literal[MessageState, "postponed"]


class ClaimFacts(Struct, frozen=True):
    """A message of the ledger, and the states of its journey and its campaign."""

    state: MessageState
    reason: str | None
    channel: str
    category: str
    expires_at: datetime
    first_handed_over_at: datetime | None
    journey_state: StoredState
    campaign_state: CampaignState


class Proceed(Struct, frozen=True):
    """Claim it and hand it over."""


class Wait(Struct, frozen=True):
    """Hand nothing over, and try again later; `until` is known for a send window only."""

    why: str
    until: datetime | None = None


class ProviderWait(Struct, frozen=True):
    """Hand nothing over, and try again after `seconds` by the clock on the wall."""

    why: str
    seconds: float


class Close(Struct, frozen=True):
    """Do not hand it over: the message ends in this state, for this reason."""

    state: MessageState
    reason: str
    detail: str | None = None


class Done(Struct, frozen=True):
    """The message has its outcome already."""

    state: AttemptState


def claim(
    message: ClaimFacts,
    recipient: Recipient,
    *,
    window: LocalWindow | None,
    zone: ZoneInfo,
    at: datetime,
    repeats: Repeats,
    topics: DeployedTopics = NO_TOPICS,
) -> Proceed | Wait | Close | Done:
    """Decide what one attempt may do. `at` is on the journey's clock.

    A message whose window has closed since the grant, or whose recipient is on hold since, is cancelled: the gate is
    asked again, and may grant it anew.

    A message in `sending` was left by an attempt that died, perhaps after the provider had accepted. It is handed over
    again only if that cannot reach a person twice, or twice is better than never, and only while its journey is active
    and the person allows it: after an acknowledged exit or refusal, nothing is handed over. In quiet hours and on hold
    it is not cancelled, since it may have gone out: it waits for their end and continues to count, under the key by
    which the provider knows it.
    """
    if message.state == CANCELLED and message.reason in POSTPONING_REASONS:
        return Done(POSTPONED)
    if message.state not in (RESERVED, SENDING):
        return Done(message.state)
    refusal = find_objection(message.channel, message.category, recipient, topics)
    hold = find_hold(recipient.holds, message.category, at)
    opens = find_opening(window, message.category, at, zone)
    paused = message.campaign_state == "paused"
    if message.state == SENDING:
        repeatable = may_repeat(message.category, repeats, message.first_handed_over_at, at)
        due = message.journey_state == "active" and opens < message.expires_at and refusal is None
        if not repeatable or not due:
            return Close(UNKNOWN, "attempt_died")
        if hold is not None:
            return Wait("the person is on hold")
        if opens > at:
            return Wait("quiet hours", opens)
        return Wait("the campaign is paused") if paused else Proceed()
    if message.journey_state != "active":
        return Close(CANCELLED, "journey_ended")
    if at >= message.expires_at:
        return Close(CANCELLED, "expired")
    if refusal is not None:
        return Close(CANCELLED, refusal.reason, refusal.detail)
    if hold is not None:
        return Close(CANCELLED, ON_HOLD)
    if opens > at:
        return Close(CANCELLED, SEND_WINDOW)
    return Wait("the campaign is paused") if paused else Proceed()


def check_provider(
    state: MessageState,
    circuit: CircuitView | None,
    *,
    is_in_force: bool,
    is_paused: bool,
    is_probe: bool,
    has_alternative: bool,
) -> Proceed | ProviderWait | Close:
    """Decide whether the provider gets a message that may be handed over.

    One that it cannot have yet goes back to the gate, which chooses another provider: once the document has removed
    this one, or while its circuit is open and another is there. All others wait for the circuit. With `is_paused`, its
    marketing is paused, and so is this message: the gate holds it.
    """
    if is_paused and state == RESERVED:
        return Close(CANCELLED, PROVIDER_PAUSED)
    if is_paused:
        return ProviderWait("the marketing of its provider is paused", PAUSED_SECONDS)
    is_open = circuit is not None and circuit.is_open and not is_probe
    if state == RESERVED and (not is_in_force or (is_open and has_alternative)):
        return Close(CANCELLED, PROVIDER_UNAVAILABLE)
    if circuit is not None and is_open:
        return ProviderWait("the circuit of its provider is open", seconds=circuit.seconds)
    return Proceed()


def may_repeat(category: str, repeats: Repeats, first_handed_over_at: datetime | None, at: datetime) -> bool:
    """Whether a message that the provider may have may be handed over again."""
    if category == TRANSACTIONAL:
        return True
    match repeats:
        case Never():
            return False
        case Replaces():
            return True
        case Keyed(seconds=seconds):
            known_since = first_handed_over_at or at
            return seconds is None or at < known_since + timedelta(seconds=seconds)
        case _:
            assert_never(repeats)
