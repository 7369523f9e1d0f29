"""Choose the providers of granted messages, within their pauses and warm-ups."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from application.budget_charges import charge, charge_page, look_for_room
from application.catalogue import Catalogue
from domain.campaign.plan import Message, Node, SendMembers
from domain.journey.member_decisions import PageDecision, PageSenders
from domain.journey.requests import MembersRequest
from domain.journey.sender_decisions import (
    TAKEN,
    Charge,
    LeavePlace,
    NoPlace,
    Room,
    RoomRequest,
    SenderDecision,
    TakePlace,
    decide_by_sender,
    find_senders,
)
from domain.journey.step_decisions import StepDecision
from domain.journey.step_facts import GateFacts, PageFacts
from domain.sending.gate_answers import Answer
from domain.sending.routes import SenderPick
from domain.sending.spending import Spending
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
    deployed = await catalogue.providers_at(connection, facts.registry_revision)
    choices = find_senders(deployed, step, at, facts, zone, max_parts)
    spending = Spending(step, facts.campaign_key, facts.rules, at, zone)
    deciding = decide_by_sender(choices, step.category, facts.broken, decide)
    return await _decide(deciding, lambda asked: _take_room(connection, asked, spending, facts.profile_id, message_id))


async def foresee_with_sender(
    connection: Connection,
    catalogue: Catalogue,
    step: Message,
    at: datetime,
    facts: GateFacts,
    timezone: str,
    max_parts: Mapping[str, int],
    decide: Callable[[SenderPick | None], StepDecision[Answer]],
) -> StepDecision[Answer]:
    """Decide as `decide_with_sender` by the room that there is now, and take none."""
    zone = ZoneInfo(timezone)
    deployed = await catalogue.providers_at(connection, facts.registry_revision)
    choices = find_senders(deployed, step, at, facts, zone, max_parts)
    spending = Spending(step, facts.campaign_key, facts.rules, at, zone)
    deciding = decide_by_sender(choices, step.category, facts.broken, decide)
    return await _decide(deciding, lambda asked: _look_for_room(connection, asked, spending, facts.profile_id))


async def _decide(deciding: SenderDecision, answer: Callable[[RoomRequest], Awaitable[Room]]) -> StepDecision[Answer]:
    """Answer the requests for room of a decision until it is made."""
    try:
        asked = next(deciding)
        while True:
            asked = deciding.send(await answer(asked))
    except StopIteration as done:
        decision: StepDecision[Answer] = done.value
        return decision


async def _look_for_room(connection: Connection, asked: RoomRequest, spending: Spending, profile_id: UUID) -> Room:
    match asked:
        case TakePlace(provider=provider, limit=limit):
            return TAKEN if await warm_up.has_room(connection, provider, limit) else NoPlace()
        case LeavePlace():
            return TAKEN
        case Charge(sender=sender):
            return await look_for_room(connection, spending, sender, profile_id)
        case _:
            assert_never(asked)


async def _take_room(
    connection: Connection, asked: RoomRequest, spending: Spending, profile_id: UUID, message_id: UUID
) -> Room:
    match asked:
        case TakePlace(provider=provider, limit=limit):
            await connection.execute("SAVEPOINT place")
            return TAKEN if await warm_up.take(connection, provider, limit, message_id) else NoPlace()
        case LeavePlace():
            await connection.execute("ROLLBACK TO SAVEPOINT place")
            return TAKEN
        case Charge(sender=sender):
            return await charge(connection, spending, sender, profile_id, message_id)
        case _:
            assert_never(asked)


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
