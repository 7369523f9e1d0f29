"""Choose the providers of granted messages, within their pauses and warm-ups."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from application.catalogue import Catalogue
from domain.campaign.plan import Message, Node
from domain.journey.member_decisions import PageDecision, PageSenders
from domain.journey.requests import MembersRequest
from domain.journey.step_decisions import StepDecision, find_address_kinds
from domain.journey.step_facts import GateFacts, PageFacts
from domain.sending.policy import Answer
from domain.sending.routes import SenderChoice, SenderPick
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
    decide: Callable[[SenderPick | None], StepDecision[Answer]],
) -> StepDecision[Answer]:
    """Decide by the preferred provider; once more without it if its day is full."""
    if not isinstance(step, Message):
        return decide(None)
    deployed = await catalogue.providers_at(connection, facts.registry_revision)
    choices = deployed.choices(
        step.channel,
        step.category,
        bucket=str(facts.bucket),
        broken=facts.broken,
        pauses=facts.pauses,
        at=at,
        zone=ZoneInfo(timezone),
        kinds=find_address_kinds(step.channel, facts.devices, at),
    )
    sender = choices.pick(step.category, is_full=False)
    decision = decide(sender)
    if decision.reservation is None or not isinstance(sender, SenderChoice) or sender.daily_limit is None:
        return decision
    if await warm_up.take(connection, sender.provider, sender.daily_limit, message_id):
        return decision
    return decide(choices.pick(step.category, is_full=True))


async def decide_page_with_senders(
    connection: Connection,
    catalogue: Catalogue,
    request: MembersRequest,
    facts: PageFacts,
    timezone: str,
    decide: Callable[[PageSenders], PageDecision],
) -> PageDecision:
    """Decide about a page; once more if the day of a provider has less room."""
    deployed = await catalogue.providers_at(connection, facts.registry_revision)
    senders = PageSenders(deployed, facts.broken, request.at, ZoneInfo(timezone), pauses=facts.pauses)
    decision = decide(senders)
    if not decision.limited:
        return decision
    first = decision.limited[0]
    if first.daily_limit is None:
        return decision
    ids = [one.id for one in decision.reservations if one.provider == first.provider]
    kept = await warm_up.count_kept(connection, first.provider, first.daily_limit, ids)
    wanted = len(decision.limited)
    room = kept + await warm_up.take_many(connection, first.provider, first.daily_limit, wanted - kept)
    if room == wanted:
        return decision
    return decide(replace(senders, room=room))
