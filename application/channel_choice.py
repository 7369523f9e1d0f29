"""Choose the channel of a message, at the gate and after an attempt."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from msgspec.structs import replace

from application.catalogue import Catalogue, LoadedVersion
from domain.campaign.plan import Message, Node, Send
from domain.journey.step_facts import GateFacts
from domain.people.device_addresses import list_reached
from domain.sending.channel_choice import ChannelChoice, ChannelHistory, choose_channel, list_used
from domain.sending.claim import find_departure
from domain.sending.objections import Recipient
from domain.sending.single_messages import find_asked_address
from store import message_chains
from store.database import Connection
from store.message_claims import Claimed

F = TypeVar("F", bound=GateFacts)


async def read_earlier(connection: Connection, node: Node | Message, message_id: UUID, journey_id: UUID, facts: F) -> F:
    """Add the messages that a fallback follows."""
    if not isinstance(node, Send) or node.fallback_of is None:
        return facts
    return replace(facts, before=await message_chains.find_before(connection, message_id, journey_id, node.fallback_of))


async def choose_for(
    connection: Connection, catalogue: Catalogue, node: Node | Message, message_id: UUID, at: datetime, facts: GateFacts
) -> ChannelChoice | None:
    """Choose the channel for a person; None if the step has one, or all were used."""
    if not isinstance(node, Message) or not node.has_choice:
        return None
    used = await message_chains.find_used_channels(connection, message_id)
    engagement = (
        await message_chains.count_engagement(connection, facts.profile_id, node.channels, at)
        if node.is_preferred
        else {}
    )
    history = ChannelHistory(list_used(used, facts.before), engagement)
    deployed = await catalogue.providers_at(connection, facts.registry_revision)
    return choose_channel(node, history, facts.recipient(at), facts.topics, deployed)


async def has_other_channel(
    connection: Connection, catalogue: Catalogue, claimed: Claimed, version: LoadedVersion, at: datetime
) -> bool:
    """Whether another channel of the step reaches the person of a claimed message."""
    node = version.plan.nodes.get(claimed.step)
    if not isinstance(node, Message) or not node.has_choice:
        return False
    used = await message_chains.find_used_channels(connection, claimed.id)
    deployed = await catalogue.providers_at(connection, claimed.registry_revision)
    segments = await catalogue.segments_at(connection, claimed.registry_revision)
    history = ChannelHistory(list_used({*used, claimed.channel}, claimed.before))
    choice = choose_channel(node, history, read_recipient(claimed, version, at), segments.topics, deployed)
    return choice is not None and choice.reaches


def read_recipient(claimed: Claimed, version: LoadedVersion, at: datetime) -> Recipient:
    """Return the person of a claimed message as the policy sees them at an instant."""
    return Recipient(
        claimed.traits,
        claimed.consent,
        claimed.suppressed,
        claimed.refused_addresses,
        find_departure(
            claimed.account_id,
            version.plan.nodes.get(claimed.step),
            is_member=claimed.is_member,
            role=claimed.role,
        ),
        claimed.holds,
        claimed.preferences,
        find_asked_address(claimed.campaign_key, claimed.entry),
        list_reached(claimed.devices, at),
    )
