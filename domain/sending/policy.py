"""The gate: the one decision before every message of every campaign.

`decide` touches nothing but its arguments. The order of its checks is part of the contract: the first that fails is the
reason that an engineer reads afterwards.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from domain.campaign.life import CampaignState, Overdue
from domain.campaign.plan import Message, MessagePriority, Send
from domain.channels.kinds import CHANNELS
from domain.journey.state import OVER_BUDGET, StoredState
from domain.local_time.windows import LocalWindow
from domain.people.topics.deployed import NO_TOPICS, DeployedTopics
from domain.people.topics.subscription import PACE, WEEKLY
from domain.sending import caps
from domain.sending.budgets import BudgetCharge, BudgetFull
from domain.sending.caps import Capped, CapRule, CountedMessage
from domain.sending.deliverability import ProviderPause
from domain.sending.fallbacks import NOT_NEEDED, EarlierMessage, find_reaction
from domain.sending.gate_answers import Answer, DeferReason, Deferred, Granted, Held, RefusalReason, Refused
from domain.sending.holds import Hold, find_hold
from domain.sending.objections import Recipient, find_objection
from domain.sending.routes import DayFull, NoProvider, SenderChoice, SenderPick
from domain.sending.send_hours import SendHours, find_hours

ON_HOLD: Final = "on_hold"
PAUSED: Final = "paused"
PROVIDER_PAUSED: Final = "provider_paused"
# The cap of those who want messages less often. The store reads as much of the ledger for them.
WEEKLY_PACE: Final = CapRule("pace of the person", limit=1, window=7 * 86_400)
# The states of a campaign in which its messages go. The users of a scheduled one entered before it was stopped.
SENDING_STATES: Final = ("scheduled", "running", "stopping")


class Reservation(Struct, frozen=True):
    """A message that the gate has granted.

    A retry repeats the failed message `retry_of`, by the step of the version `retry_version`, if that is not the
    journey's. `fallback_of` is the message that a fallback follows. `cost` is in millionths of the currency's unit, and
    `charges` are what it takes from budgets.
    """

    id: UUID
    journey_id: UUID
    profile_id: UUID
    campaign_key: str
    step: str
    visit: int
    channel: str
    category: str
    priority: MessagePriority
    template: str
    at: datetime
    expires_at: datetime
    provider: str | None = None
    retry_of: UUID | None = None
    retry_version: int | None = None
    fallback_of: UUID | None = None
    cost: int | None = None
    currency: str | None = None
    charges: tuple[BudgetCharge, ...] | None = None


class JourneyFacts(Struct, frozen=True):
    """The facts about the journey of a message and its campaign.

    `held_at` is the last request for the message, if a pause held it; with `overdue` "skip" such a message is not sent
    after the resumption.
    """

    state: StoredState
    ended_by: str | None
    campaign_state: CampaignState
    overdue: Overdue
    held_at: datetime | None


class GateDecision(Struct, frozen=True):
    """The answer and the data that decided it.

    The data stays in the database; Temporal gets the answer. Instants that depend on the recipient's zone have its
    offset.
    """

    answer: Answer
    data: dict[str, Any] = field(default_factory=dict)


class Request(Struct, frozen=True):
    """A request to the gate, at `at`, for a send step reached at `reached_at`.

    `ends_at` is the end of the campaign's schedule; None if journeys may finish after it. `due` is when a fallback may
    go at the earliest, from which on its time to expire is counted.
    """

    message_id: str
    step: Message
    reached_at: datetime
    at: datetime
    ends_at: datetime | None = None
    due: datetime | None = None

    @property
    def expires_at(self) -> datetime:
        """The instant from which the message is not sent any more."""
        begins_at = self.reached_at if self.due is None else max(self.reached_at, self.due)
        expires_at = begins_at + timedelta(seconds=self.step.expires)
        return expires_at if self.ends_at is None else min(expires_at, self.ends_at)


def decide(
    request: Request,
    journey: JourneyFacts,
    recipient: Recipient,
    *,
    window: LocalWindow | None,
    zone: ZoneInfo,
    rules: Sequence[CapRule],
    ledger: Sequence[CountedMessage],
    topics: DeployedTopics = NO_TOPICS,
    sender: SenderPick | None = None,
    before: Sequence[EarlierMessage] = (),
) -> GateDecision:
    """Decide whether a message may go.

    The checks are journey, campaign, schedule, expiry, the reaction to the messages `before` a fallback, reachability,
    suppression, consent, hold, send window with the hours of law, caps and provider, in this order. `zone` is the
    recipient's, for the window and for calendar caps. Without a `sender`, the attempt chooses the provider.
    """
    found = check_journey(request, journey) or check_reaction(request, before, zone)
    if found is not None:
        return found
    return decide_recipient(
        request, recipient, window=window, zone=zone, rules=rules, ledger=ledger, topics=topics, sender=sender
    )


def check_journey(request: Request, journey: JourneyFacts) -> GateDecision | None:
    """Return the decision that does not depend on the recipient, if there is one."""
    at, expires_at = request.at, request.expires_at
    if journey.state != "active":
        return _refuse("journey_ended", journey_ended=True, state=journey.state, ended_by=journey.ended_by)
    if journey.campaign_state == PAUSED:
        held = GateDecision(Held("campaign_paused"))
        return _not_later(held) if request.step.at_once else held
    if journey.campaign_state not in SENDING_STATES:
        return _refuse("campaign_not_running", campaign_state=journey.campaign_state)
    if request.ends_at is not None and at >= request.ends_at:
        return _refuse("schedule_ended", ends_at=request.ends_at)
    if journey.overdue == "skip" and journey.held_at is not None:
        return _refuse("paused", held_at=journey.held_at)
    if at >= expires_at:
        return _refuse("expired", expires_at=expires_at, reached_at=request.reached_at)
    return None


def check_reaction(request: Request, before: Sequence[EarlierMessage], zone: ZoneInfo) -> GateDecision | None:
    """Return the decision about a fallback that is needless or not due; else None."""
    step = request.step
    if not isinstance(step, Send):
        return None
    if (reaction := find_reaction(step, before)) is not None:
        return _refuse(NOT_NEEDED, **reaction)
    due = request.due
    return _defer("fallback", due, zone) if due is not None and due > request.at else None


def decide_recipient(
    request: Request,
    recipient: Recipient,
    *,
    window: LocalWindow | None,
    zone: ZoneInfo,
    rules: Sequence[CapRule],
    ledger: Sequence[CountedMessage],
    topics: DeployedTopics = NO_TOPICS,
    sender: SenderPick | None = None,
) -> GateDecision:
    """Decide whether a message of an active journey may go to this recipient."""
    decision = _decide_recipient(
        request, recipient, window=window, zone=zone, rules=rules, ledger=ledger, topics=topics, sender=sender
    )
    return _not_later(decision) if request.step.at_once else decision


def _decide_recipient(
    request: Request,
    recipient: Recipient,
    *,
    window: LocalWindow | None,
    zone: ZoneInfo,
    rules: Sequence[CapRule],
    ledger: Sequence[CountedMessage],
    topics: DeployedTopics,
    sender: SenderPick | None,
) -> GateDecision:
    step, at, expires_at = request.step, request.at, request.expires_at
    if (found := find_objection(step.channel, step.category, recipient, topics)) is not None:
        return _refuse(found.reason, channel=step.channel, **found.data())
    if (hold := find_hold(recipient.holds, step.category, at)) is not None:
        return _hold(hold, at, expires_at, zone)
    hours = find_hours(step.channel, step.category, recipient.traits, window, zone)
    if (opens := hours.next_open(at)) > at:
        return _check_hours(hours, at, opens, expires_at)
    # One that waits for its person is counted when it is given to them (`domain.sending.inbox`).
    limits = () if CHANNELS[step.channel].waits_for_person else (*rules, *find_pace(recipient.preferences))
    capped = caps.check(
        limits,
        ledger,
        channel=step.channel,
        category=step.category,
        priority=step.priority,
        at=at,
        zone=zone,
    )
    if capped is not None:
        return _check_caps(capped, request, hours.next_open(capped.frees_at), zone)
    match sender:
        case NoProvider():
            return _refuse("no_provider", channel=step.channel)
        case DayFull(provider=provider, until=until):
            return _check_day(provider, max(until, hours.next_open(until)), request, zone)
        case BudgetFull(until=until):
            may_go_at = None if until is None else max(until, hours.next_open(until))
            return _check_budget(sender, may_go_at, request, zone)
        case ProviderPause():
            return _hold_for_provider(sender, expires_at, zone)
        case SenderChoice(provider=provider, is_paced=is_paced):
            granted = Granted(request.message_id, provider if is_paced else None)
            return GateDecision(granted, {"provider": provider})
    return GateDecision(Granted(request.message_id))


def find_pace(preferences: Mapping[str, Any]) -> Sequence[CapRule]:
    """Return the cap that a person has asked for; none by default."""
    return (WEEKLY_PACE,) if preferences.get(PACE) == WEEKLY else ()


def _not_later(decision: GateDecision) -> GateDecision:
    """Refuse a message that goes at once or not at all, where it would have to wait."""
    answer = decision.answer
    if not isinstance(answer, Deferred | Held):
        return decision
    return GateDecision(Refused(answer.reason), {**decision.data, "at_once": True})


def _hold(hold: Hold, at: datetime, expires_at: datetime, zone: ZoneInfo) -> GateDecision:
    """Hold a message, at most until it expires: the hold may be released before."""
    data = {
        "hold": str(hold.id),
        "subject": hold.subject,
        "why": hold.why,
        "until": hold.until.astimezone(zone),
        "timezone": zone.key,
    }
    return GateDecision(Held(ON_HOLD, min(hold.asked_again_at(at), expires_at)), data)


def _hold_for_provider(pause: ProviderPause, expires_at: datetime, zone: ZoneInfo) -> GateDecision:
    """Hold a message until its provider's marketing is resumed, or it expires."""
    data = {
        "pause": str(pause.id),
        "provider": pause.provider,
        "cause": pause.cause,
        "number": pause.number,
        "messages": pause.messages,
        "rate": pause.number / pause.messages,
        "limit": pause.limit,
        "paused_at": pause.paused_at.astimezone(zone),
        "until": expires_at.astimezone(zone),
        "timezone": zone.key,
    }
    return GateDecision(Held(PROVIDER_PAUSED, expires_at), data)


def _check_hours(hours: SendHours, at: datetime, opens: datetime, expires_at: datetime) -> GateDecision:
    reason, data = hours.find_reason(at), hours.data(at)
    zone = ZoneInfo(data["timezone"])
    if opens < expires_at:
        return _defer(reason, opens, zone, **data)
    return _refuse(reason, opens_at=opens.astimezone(zone), expires_at=expires_at.astimezone(zone), **data)


def _check_day(provider: str, may_go_at: datetime, request: Request, zone: ZoneInfo) -> GateDecision:
    """Decide a message for which the warm-up of its provider has no room today."""
    if may_go_at < request.expires_at:
        return _defer("warm_up", may_go_at, zone, provider=provider)
    return _refuse("warm_up", provider=provider, opens_at=may_go_at.astimezone(zone), timezone=zone.key)


def _check_budget(full: BudgetFull, may_go_at: datetime | None, request: Request, zone: ZoneInfo) -> GateDecision:
    """Decide a message for which a budget has no room before `may_go_at`, if ever."""
    data = {**full.data(), "on_capped": request.step.on_capped}
    if may_go_at is not None and request.step.on_capped == "wait" and may_go_at < request.expires_at:
        return _defer(OVER_BUDGET, may_go_at, zone, **data)
    return _refuse(OVER_BUDGET, **data)


def _check_caps(capped: Capped, request: Request, may_go_at: datetime, zone: ZoneInfo) -> GateDecision:
    """Decide a capped message. `may_go_at` is the first open window after the caps."""
    numbers = {"window_seconds": capped.window, "calendar": capped.calendar, "min_gap_seconds": capped.min_gap}
    data: dict[str, Any] = {
        "rule": capped.rule,
        "limit": capped.limit,
        "count": capped.count,
        **{name: number for name, number in numbers.items() if number is not None},
        "frees_at": capped.frees_at.astimezone(zone),
        "on_capped": request.step.on_capped,
        "taken": dict(capped.taken),
    }
    if may_go_at > capped.frees_at:
        data["opens_at"] = may_go_at.astimezone(zone)
    if request.step.on_capped == "wait" and may_go_at < request.expires_at:
        return _defer("capped", may_go_at, zone, **data)
    return _refuse("capped", **data, timezone=zone.key)


def _defer(reason: DeferReason, until: datetime, zone: ZoneInfo, **data: Any) -> GateDecision:
    return GateDecision(Deferred(until, reason), {"until": until.astimezone(zone), "timezone": zone.key, **data})


def _refuse(reason: RefusalReason, *, journey_ended: bool = False, **data: Any) -> GateDecision:
    return GateDecision(Refused(reason, journey_ended=journey_ended), data)
