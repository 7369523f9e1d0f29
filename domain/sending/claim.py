"""The claim of a message: whether an attempt may hand it over."""

from datetime import datetime, timedelta
from typing import Final, Literal, assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.life import CampaignState
from domain.campaign.plan import Node, SendMembers
from domain.channels.kinds import CHANNELS
from domain.journey.state import StoredState
from domain.local_time.windows import LocalWindow
from domain.people.topics.deployed import NO_TOPICS, DeployedTopics
from domain.sending.caps import is_transactional
from domain.sending.circuit import CircuitView
from domain.sending.delivery import Keyed, Never, Repeats, Replaces
from domain.sending.fallbacks import NOT_NEEDED
from domain.sending.holds import find_hold
from domain.sending.objections import Recipient, find_objection
from domain.sending.policy import ON_HOLD, PROVIDER_PAUSED
from domain.sending.send_hours import LEGAL_HOURS, SEND_WINDOW, find_hours

# The states of a message in the ledger.
MessageState = Literal["reserved", "sending", "sent", "failed", "cancelled", "unknown"]
RESERVED: Final = "reserved"
SENDING: Final = "sending"
SENT: Final = "sent"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
UNKNOWN: Final = "unknown"
# A state of attempts, not of the ledger: since the grant, the window has closed, a hold has begun, or the provider has
# become unavailable or its marketing is paused, or its channel does not reach the person, and the gate is asked again.
POSTPONED: Final = "postponed"
PROVIDER_UNAVAILABLE: Final = "provider_unavailable"
# It certainly did not get through by its channel, and another one of its step is left.
NEXT_CHANNEL: Final = "next_channel"
POSTPONING_REASONS: Final = (
    SEND_WINDOW,
    LEGAL_HOURS,
    ON_HOLD,
    PROVIDER_UNAVAILABLE,
    PROVIDER_PAUSED,
    NEXT_CHANNEL,
)
# How soon a message is tried again that its paused provider may have already.
PAUSED_SECONDS: Final = 300.0
AttemptState = Literal[MessageState, "postponed"]


def may_have_arrived(state: AttemptState) -> bool:
    """Whether a settled message was taken by its provider, for all that is known."""
    return state in (SENT, UNKNOWN)


class ClaimFacts(Struct, frozen=True):
    """A message of the ledger, and the states of its journey and its campaign.

    With `has_other_channel`, another channel of its step reaches the person as well. `reaction` is why a fallback is
    not needed any more; None if it is, and for all other messages. In `verdict_seconds` it is known whether a person or
    a machine has opened the message before it; None if nothing is to be judged.
    """

    state: MessageState
    reason: str | None
    channel: str
    category: str
    expires_at: datetime
    first_handed_over_at: datetime | None
    journey_state: StoredState
    campaign_state: CampaignState
    has_other_channel: bool = False
    reaction: str | None = None
    verdict_seconds: float | None = None


class Proceed(Struct, frozen=True):
    """Claim it and hand it over."""


class Wait(Struct, frozen=True):
    """Hand nothing over, and try again later; at `until`, if that is known."""

    why: str
    until: datetime | None = None


class ProviderWait(Struct, frozen=True):
    """Hand nothing over, and try again after `seconds` by the clock on the wall."""

    why: str
    seconds: float


class ProviderFacts(Struct, frozen=True, kw_only=True):
    """The provider of a claimed message. One without an account has no circuit."""

    is_in_force: bool
    circuit: CircuitView | None
    is_paused: bool
    has_alternative: bool

    @property
    def is_open(self) -> bool:
        """Whether its circuit is open."""
        return self.circuit is not None and self.circuit.is_open

    @property
    def wants_probe(self) -> bool:
        """Whether a message is to find out if it takes messages again."""
        return self.is_open and not self.is_paused


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

    A message of the inbox is put there with its outcome: an attempt that died has left nothing.

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
    hours = find_hours(message.channel, message.category, recipient.traits, window, zone)
    opens = hours.next_open(at)
    paused = message.campaign_state == "paused"
    verdict = _find_verdict(message, at)
    if message.state == SENDING and not CHANNELS[message.channel].waits_for_person:
        repeatable = may_repeat(message.category, repeats, message.first_handed_over_at, at)
        due = message.journey_state == "active" and opens < message.expires_at
        due = due and refusal is None and message.reaction is None
        if not repeatable or not due:
            return Close(UNKNOWN, "attempt_died")
        if hold is not None:
            return Wait("the person is on hold")
        if opens > at:
            return Wait("quiet hours", opens)
        if verdict is not None:
            return verdict
        return Wait("the campaign is paused") if paused else Proceed()
    if message.journey_state != "active":
        return Close(CANCELLED, "journey_ended")
    if at >= message.expires_at:
        return Close(CANCELLED, "expired")
    if message.reaction is not None:
        return Close(CANCELLED, NOT_NEEDED, message.reaction)
    if refusal is not None and message.has_other_channel:
        return Close(CANCELLED, NEXT_CHANNEL, f"{refusal.reason}: {refusal.detail}")
    if refusal is not None:
        return Close(CANCELLED, refusal.reason, refusal.detail)
    if hold is not None:
        return Close(CANCELLED, ON_HOLD)
    if opens > at:
        return Close(CANCELLED, hours.find_reason(at))
    if verdict is not None:
        return verdict
    return Wait("the campaign is paused") if paused else Proceed()


def _find_verdict(message: ClaimFacts, at: datetime) -> Wait | None:
    """Return the wait of a fallback for the verdict on what was opened before it."""
    if message.verdict_seconds is None:
        return None
    return Wait("a click or an opening is being judged", at + timedelta(seconds=message.verdict_seconds))


def find_departure(account_id: str | None, node: Node | None, *, is_member: bool, role: str | None) -> str | None:
    """Describe what the recipient has left since the grant: the account, or the role."""
    if account_id is None:
        return None
    if not is_member:
        return "the person is no longer a member of the account"
    if isinstance(node, SendMembers) and role != node.role:
        return f"the person no longer has the role {node.role} in the account"
    return None


def check_provider(
    message_id: UUID, state: MessageState, provider: ProviderFacts, *, is_probe: bool
) -> Proceed | ProviderWait | Close:
    """Decide whether the provider gets a message that may be handed over.

    One that it cannot have yet goes back to the gate, which chooses another provider: once the document has removed
    this one, or while its circuit is open and another is there. All others wait for the circuit, each a little longer
    or shorter. While its marketing is paused, so is this message: the gate holds it.
    """
    if provider.is_paused and state == RESERVED:
        return Close(CANCELLED, PROVIDER_PAUSED)
    spread = message_id.int % 1_000 / 100
    if provider.is_paused:
        return ProviderWait("the marketing of its provider is paused", PAUSED_SECONDS + spread)
    is_open = provider.is_open and not is_probe
    if state == RESERVED and (not provider.is_in_force or (is_open and provider.has_alternative)):
        return Close(CANCELLED, PROVIDER_UNAVAILABLE)
    if provider.circuit is not None and is_open:
        return ProviderWait("the circuit of its provider is open", provider.circuit.seconds + spread)
    return Proceed()


def may_repeat(category: str, repeats: Repeats, first_handed_over_at: datetime | None, at: datetime) -> bool:
    """Whether a message that the provider may have may be handed over again."""
    if is_transactional(category):
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
