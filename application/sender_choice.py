"""Choose the providers of granted messages, within their pauses and warm-ups."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from application.budget_charges import Spending, charge, charge_page
from application.catalogue import Catalogue
from domain.campaign.plan import Message, Node, SendMembers
from domain.journey.member_decisions import PageDecision, PageSenders
from domain.journey.requests import MembersRequest
from domain.journey.step_decisions import StepDecision, find_address_kinds
from domain.journey.step_facts import GateFacts, PageFacts
from domain.sending.budgets import BudgetFull
from domain.sending.gate_answers import Answer
from domain.sending.routes import SenderChoice, SenderChoices, SenderPick
from store import warm_up
from store.database import Connection


async def decide_with_sender(
    connection: Connection,
    catalogue: Catalogue,
    step: Node | Message,
    message_id: UUID,
    at: datetime,
    facts: GateFacts,
    timezone: str,
    max_parts: Mapping[str, int],
    decide: Callable[[SenderPick | None], StepDecision[Answer]],
) -> StepDecision[Answer]:
    """Decide by the preferred provider; once more if its day, or a budget, is full.

    `max_parts` are the rules' of the message.
    """
    if not isinstance(step, Message):
        return decide(None)
    zone = ZoneInfo(timezone)
    choices = await find_senders(connection, catalogue, step, at, facts, zone, max_parts)

    def decide_by(sender: SenderPick) -> StepDecision[Answer]:
        return _tell_passed_over(decide(sender), sender, choices.passed_over, facts.broken)

    sender = choices.pick(step.category, is_full=False)
    decision = decide_by(sender)
    if decision.reservation is None or not isinstance(sender, SenderChoice):
        return decision
    limit = sender.daily_limit
    if limit is not None:
        await connection.execute("SAVEPOINT place")
        if not await warm_up.take(connection, sender.provider, limit, message_id):
            sender = choices.pick(step.category, is_full=True)
            decision = decide_by(sender)
    if decision.reservation is None or not isinstance(sender, SenderChoice):
        return decision
    spending = Spending(step, facts.campaign_key, facts.rules, at, zone)
    charged = await charge(connection, spending, sender, facts.profile_id, message_id)
    if isinstance(charged, BudgetFull):
        if limit is not None:
            # Its place in the warm-up is for another message.
            await connection.execute("ROLLBACK TO SAVEPOINT place")
        return decide(charged)
    if not charged.charges:
        return decision
    return replace(decision, reservation=replace(decision.reservation, charges=charged.charges))


async def find_senders(
    connection: Connection,
    catalogue: Catalogue,
    step: Message,
    at: datetime,
    facts: GateFacts,
    zone: ZoneInfo,
    max_parts: Mapping[str, int],
) -> SenderChoices:
    """Return the providers that may take the message of a step."""
    deployed = await catalogue.providers_at(connection, facts.registry_revision)
    return deployed.choices(
        step.channel,
        step.category,
        bucket=str(facts.bucket),
        broken=facts.broken,
        pauses=facts.pauses,
        at=at,
        zone=zone,
        kinds=find_address_kinds(step.channel, facts.devices, at),
        max_parts=max_parts.get(step.template, 1),
    )


def _tell_passed_over(
    decision: StepDecision[Answer], sender: SenderPick, passed_over: Sequence[str], broken: Mapping[str, datetime]
) -> StepDecision[Answer]:
    """Return a grant with the open circuits that another provider is chosen for."""
    if decision.reservation is None or not isinstance(sender, SenderChoice) or sender.provider in passed_over:
        return decision
    since = {name: broken[name].isoformat() for name in passed_over}
    return replace(decision, data={**decision.data, "open_circuits": since}) if since else decision


async def decide_page_with_senders(
    connection: Connection,
    catalogue: Catalogue,
    request: MembersRequest,
    step: SendMembers,
    facts: PageFacts,
    timezone: str,
    max_parts: Mapping[str, int],
    decide: Callable[[PageSenders], PageDecision],
) -> PageDecision:
    """Decide about a page; once more if a provider's day, or a budget, has less room.

    `max_parts` are the rules' of the messages.
    """
    deployed = await catalogue.providers_at(connection, facts.registry_revision)
    zone = ZoneInfo(timezone)
    senders = PageSenders(
        deployed, facts.broken, request.at, zone, pauses=facts.pauses, max_parts=max_parts.get(step.template, 1)
    )
    decision = decide(senders)
    first = decision.limited[0] if decision.limited else None
    if first is not None and first.daily_limit is not None:
        ids = [one.id for one in decision.reservations if one.provider == first.provider]
        kept = await warm_up.count_kept(connection, first.provider, first.daily_limit, ids)
        wanted = len(decision.limited)
        room = kept + await warm_up.take_many(connection, first.provider, first.daily_limit, wanted - kept)
        if room != wanted:
            senders = replace(senders, room=room)
            decision = decide(senders)
    if not any(one.cost is not None for one in decision.reservations):
        return decision
    spending = Spending(step, facts.campaign_key, facts.rules, request.at, zone)
    charged = await charge_page(connection, spending, decision.reservations)
    if charged.personal or charged.full is not None:
        number = len(charged.reservations)
        if first is not None and first.daily_limit is not None:
            left = {one.id for one in charged.reservations}
            at_limit = [one.id for one in decision.reservations if one.provider == first.provider]
            dropped = [id for id in at_limit if id not in left]
            if dropped:
                await warm_up.give_back(connection, first.provider, first.daily_limit, dropped)
                # A later member is not to have the place: nothing is charged for them.
                senders = replace(senders, room=len(at_limit) - len(dropped))
        decision = decide(replace(senders, personal=charged.personal, is_over=charged.full, affordable=number))
    return replace(decision, reservations=charged.reservations)
