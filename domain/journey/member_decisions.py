"""Decide to which members of an account a message may go, page by page."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.plan import Plan, SendMembers
from domain.campaign.rules import Rules
from domain.errors import ConflictError
from domain.journey.position import Position, position_after_gate
from domain.journey.requests import MembersRequest
from domain.journey.step_decisions import GateOutcome, find_address_kinds, gate_outcome
from domain.journey.step_facts import MemberFacts, PageFacts
from domain.people.device_addresses import list_reached
from domain.people.topics.deployed import NO_TOPICS, DeployedTopics
from domain.sending import policy
from domain.sending.budgets import BudgetFull
from domain.sending.deliverability import ProviderPause
from domain.sending.gate_answers import Deferred, Granted, Held, MembersPage, Refused
from domain.sending.objections import Recipient
from domain.sending.policy import GateDecision, JourneyFacts, Reservation
from domain.sending.routes import DeployedProviders, SenderChoice, SenderPick, price_of


class GateRecord(Struct, frozen=True, kw_only=True):
    """A decision of the gate for the records: about one member, or about all at once.

    `answer` is the one to a repeated request; None about a member: a repetition passes over them.
    """

    id: UUID
    profile_id: UUID
    outcome: GateOutcome
    reason: str | None
    data: dict[str, Any]
    answer: Held | Refused | None = None


class PageDecision(Struct, frozen=True, kw_only=True):
    """The decisions about a page of members, and the position of the journey's row.

    `answer` is about all members at once; if it is None, each has a decision of their own. `until` is the earliest end
    of a deferral or a hold; with `is_held`, some are on hold. `limited` are the choices that count in a daily limit.
    """

    answer: Held | Refused | None = None
    records: tuple[GateRecord, ...]
    reservations: tuple[Reservation, ...] = ()
    until: datetime | None = None
    is_held: bool = False
    limited: tuple[SenderChoice, ...] = ()
    position: Position | None


class PageSenders(Struct, frozen=True):
    """The providers in force at an instant for a page, with circuits and pauses.

    The limited provider of the route has room for `room` messages; without a number, for all. `personal` are the
    budgets of people that have no room, by profile. A shared budget that `is_over` has room for those that are
    `affordable`, the first ones. A message has at most `max_parts` parts that are charged one by one.
    """

    deployed: DeployedProviders
    broken: Collection[str]
    at: datetime
    zone: ZoneInfo
    room: int | None = None
    pauses: Sequence[ProviderPause] = ()
    personal: Mapping[UUID, BudgetFull] = {}
    is_over: BudgetFull | None = None
    affordable: int = 0
    max_parts: int = 1

    def pick(self, step: SendMembers, member: MemberFacts, taken: int, granted: int) -> SenderPick:
        """Return the provider of a member's message, after so many that are limited.

        `granted` are the messages before it.
        """
        if (own := self.personal.get(member.profile_id)) is not None:
            return own
        if self.is_over is not None and granted >= self.affordable:
            return self.is_over
        choices = self.deployed.choices(
            step.channel,
            step.category,
            bucket=str(member.bucket),
            broken=self.broken,
            pauses=self.pauses,
            at=self.at,
            zone=self.zone,
            kinds=find_address_kinds(step.channel, member.devices, self.at),
            max_parts=self.max_parts,
        )
        return choices.pick(step.category, is_full=self.room is not None and taken >= self.room)


def members_step(plan: Plan, step: str) -> SendMembers:
    """Return the step of a request. Raises ConflictError for a step of another kind."""
    node = plan.node(step)
    if not isinstance(node, SendMembers):
        raise ConflictError(f"step {step} sends nothing to members")
    return node


def decide_page(
    request: MembersRequest,
    plan: Plan,
    rules: Rules,
    facts: PageFacts,
    members: Sequence[MemberFacts],
    timezone: str,
    topics: DeployedTopics = NO_TOPICS,
    senders: PageSenders | None = None,
) -> PageDecision:
    """Decide about a page of members. `timezone` and `topics` are the deployment's.

    A pause, an expiry or the end of the journey concerns all members and is one decision, recorded with the journey's
    person. Members are decided about once a visit: a deferred one again in the next round.
    """
    step = members_step(plan, request.step)
    asked = policy.Request("", step, request.reached_at, request.at, plan.ends_at)
    journey = JourneyFacts(
        facts.journey_state, facts.ended_by, facts.campaign_state, rules.on_resume.overdue, facts.held_at
    )
    shared = policy.check_journey(asked, journey)
    if shared is not None:
        return _for_all(request, plan, facts, shared)
    records, reservations, ends, is_held = [], list[Reservation](), [], False
    limited = list[SenderChoice]()
    for member in members:
        if member.is_decided:
            continue
        sender = None if senders is None else senders.pick(step, member, len(limited), len(reservations))
        decision = policy.decide_recipient(
            asked,
            Recipient(
                member.traits,
                member.consent,
                member.suppressed,
                member.refused_addresses,
                holds=member.holds,
                devices=list_reached(member.devices, request.at),
                preferences=member.preferences,
            ),
            window=rules.send_window,
            zone=member.zone(rules.timezone, timezone),
            rules=facts.rules,
            ledger=member.ledger,
            topics=topics,
            sender=sender,
        )
        records.append(_record(request, step.role, member.profile_id, decision))
        if isinstance(decision.answer, Granted):
            choice = sender if isinstance(sender, SenderChoice) else None
            name = None if choice is None else choice.provider
            reservation = _reservation(request, step, facts, member.profile_id, asked.expires_at, name)
            reservations.append(replace(reservation, **price_of(sender)))
            if choice is not None and choice.daily_limit is not None:
                limited.append(choice)
        if isinstance(decision.answer, Deferred | Held) and decision.answer.until is not None:
            ends.append(decision.answer.until)
        is_held |= isinstance(decision.answer, Held)
    return PageDecision(
        records=tuple(records),
        reservations=tuple(reservations),
        until=min(ends, default=None),
        is_held=is_held,
        limited=tuple(limited),
        position=position_after_gate(request.next_positions, step.id, MembersPage(), request.at, plan.ends_at),
    )


def _for_all(request: MembersRequest, plan: Plan, facts: PageFacts, decision: GateDecision) -> PageDecision:
    answer = decision.answer
    if not isinstance(answer, Held | Refused):
        raise TypeError(f"{answer} concerns one member")
    record = GateRecord(
        id=request.decision_id,
        profile_id=facts.profile_id,
        outcome=gate_outcome(answer),
        reason=answer.reason,
        data=decision.data,
        answer=answer,
    )
    is_over = isinstance(answer, Refused) and answer.journey_ended
    position = position_after_gate(request.next_positions, request.step, answer, request.at, plan.ends_at)
    return PageDecision(answer=answer, records=(record,), position=None if is_over else position)


def _record(request: MembersRequest, role: str, profile_id: UUID, decision: GateDecision) -> GateRecord:
    answer = decision.answer
    is_final = isinstance(answer, Refused)
    return GateRecord(
        id=request.refusal_id(profile_id) if is_final else request.member_decision_id(profile_id),
        profile_id=profile_id,
        outcome=gate_outcome(answer),
        reason=None if isinstance(answer, Granted) else answer.reason,
        data={"role": role, **decision.data},
    )


def _reservation(
    request: MembersRequest,
    step: SendMembers,
    facts: PageFacts,
    profile_id: UUID,
    expires_at: datetime,
    provider: str | None,
) -> Reservation:
    return Reservation(
        id=request.message_id(profile_id),
        journey_id=request.journey_id,
        profile_id=profile_id,
        campaign_key=facts.campaign_key,
        step=request.step,
        visit=request.visit,
        channel=step.channel,
        category=step.category,
        priority=step.priority,
        template=step.template,
        at=request.at,
        expires_at=expires_at,
        provider=provider,
    )
