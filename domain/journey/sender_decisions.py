"""Decide a message by its provider, within the provider's day and the budgets.

A decision asks for room where it needs some: the caller takes it, from the database or in memory, and says what it got.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.plan import Message
from domain.journey.step_decisions import StepDecision, find_address_kinds
from domain.journey.step_facts import GateFacts
from domain.sending.budgets import BudgetCharge, BudgetFull
from domain.sending.gate_answers import Answer
from domain.sending.routes import DailyLimit, DeployedProviders, SenderChoice, SenderChoices, SenderPick


class TakePlace(Struct, frozen=True):
    """Take a place on a day of the provider's warm-up."""

    provider: str
    limit: DailyLimit


class LeavePlace(Struct, frozen=True):
    """Give the place that was just taken to another message."""


class Charge(Struct, frozen=True):
    """Charge the budgets that concern a message by this provider."""

    sender: SenderChoice


class Taken(Struct, frozen=True):
    """There is room; the `charges` are what the message takes from budgets."""

    charges: tuple[BudgetCharge, ...] = ()


class NoPlace(Struct, frozen=True):
    """The day of the warm-up is full."""


RoomRequest = TakePlace | LeavePlace | Charge
Room = Taken | NoPlace | BudgetFull
TAKEN: Final = Taken()
# Asks for room, and returns the decision.
SenderDecision = Generator[RoomRequest, Room, StepDecision[Answer]]
Decide = Callable[[SenderPick | None], StepDecision[Answer]]


def find_senders(
    deployed: DeployedProviders,
    step: Message,
    at: datetime,
    facts: GateFacts,
    zone: ZoneInfo,
    max_parts: Mapping[str, int],
) -> SenderChoices:
    """Return the providers that may take the message of a step.

    `zone` is the deployment's, and `max_parts` are the rules' of the message.
    """
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


def decide_by_sender(
    choices: SenderChoices, category: str, broken: Mapping[str, datetime], decide: Decide
) -> SenderDecision:
    """Decide by the preferred provider; once more if its day, or a budget, is full."""

    def decide_by(sender: SenderPick) -> StepDecision[Answer]:
        return _tell_passed_over(decide(sender), sender, choices.passed_over, broken)

    sender = choices.pick(category, is_full=False)
    decision = decide_by(sender)
    if decision.reservation is None or not isinstance(sender, SenderChoice):
        return decision
    limit = sender.daily_limit
    if limit is not None and isinstance((yield TakePlace(sender.provider, limit)), NoPlace):
        sender = choices.pick(category, is_full=True)
        decision = decide_by(sender)
    if decision.reservation is None or not isinstance(sender, SenderChoice):
        return decision
    match (yield Charge(sender)):
        case BudgetFull() as full:
            if limit is not None:
                yield LeavePlace()
            return decide(full)
        case Taken(charges=charges) if charges:
            return replace(decision, reservation=replace(decision.reservation, charges=charges))
    return decision


def _tell_passed_over(
    decision: StepDecision[Answer], sender: SenderPick, passed_over: Sequence[str], broken: Mapping[str, datetime]
) -> StepDecision[Answer]:
    """Return a grant with the open circuits that another provider is chosen for."""
    if decision.reservation is None or not isinstance(sender, SenderChoice) or sender.provider in passed_over:
        return decision
    since = {name: broken[name].isoformat() for name in passed_over}
    return replace(decision, data={**decision.data, "open_circuits": since}) if since else decision
