"""Write the outcome of a message, and end or move its journey in one transaction."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from time import monotonic
from typing import Final
from uuid import UUID

import psycopg
from msgspec import Struct
from msgspec.structs import asdict, replace

from application.catalogue import Catalogue
from application.channel_choice import has_other_channel
from application.device_deliveries import DeviceOutcomes
from application.ingest import Ingest
from application.reports import Reports
from application.retries import follow_completed
from domain.campaign.plan import Message
from domain.channels.kinds import CHANNELS
from domain.errors import UnavailableError
from domain.journey.position import NextPositions, position_after_send
from domain.journey.records import Ending
from domain.journey.state import COMPLETED
from domain.sending.address_reports import report_refusal
from domain.sending.attempt_outcome import judge_attempt
from domain.sending.claim import (
    CANCELLED,
    FAILED,
    NEXT_CHANNEL,
    POSTPONED,
    POSTPONING_REASONS,
    RESERVED,
    SENDING,
    SENT,
    AttemptState,
)
from domain.sending.delivery import Accepted, Delivery, Rejected
from domain.sending.money import PartsCount
from domain.sending.retries import RetriedJourney
from domain.sending.saved_values import SavedReply, merge_saved
from domain.templates.template_sets import TemplateRenderError
from store import budgets, deliveries, device_addresses, inbox, journeys, message_claims, messages
from store.database import Connection, Database
from store.message_claims import Claimed

# A channel takes at most 50 s and an activity 90 s: the rest, with room for the last retry.
SETTLE_SECONDS = 30.0
SETTLE_PAUSE = 0.5


class SendOutcome(Struct, frozen=True):
    """The state of a message after an attempt, and whether its journey has ended.

    It may be postponed: since the grant its send window has closed, or the person is on hold, and the gate is asked
    again.
    """

    state: AttemptState
    journey_ended: bool


# A message whose recipient was erased while the journey of their account goes on.
GONE: Final = SendOutcome(CANCELLED, journey_ended=False)


class AfterMessage(Struct, frozen=True):
    """The journey after the message's outcome: it ends, or goes to a next position.

    Without a next position, it stays where it is: a message to one of many members moves nothing.
    """

    at: datetime
    ends_with: str | None
    next_positions: NextPositions

    @property
    def moves_journey(self) -> bool:
        """Whether the outcome is written to the journey's row as well."""
        return self.ends_with is not None or bool(self.next_positions.positions)


class MessageOutcomes:
    """Writes what came of attempts."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue
        self._reports = Reports(database, catalogue, Ingest(database, catalogue))

    async def settle(
        self,
        claimed: Claimed,
        provider: str,
        delivery: Delivery | TemplateRenderError,
        by_address: Mapping[str, Delivery],
        then: AfterMessage,
        devices: DeviceOutcomes = DeviceOutcomes(),  # noqa: B008 -- it is frozen
        parts: PartsCount = PartsCount(1, 1),  # noqa: B008 -- it is frozen
    ) -> SendOutcome:
        """Write an attempt's outcome, retrying if the database is briefly away.

        The message costs what its `parts` do.

        A refused address is suppressed before, and devices that are gone are removed: once the message has failed,
        no other goes there.
        """
        give_up_at = monotonic() + SETTLE_SECONDS
        while True:
            try:
                if devices.dead:
                    async with self._database.transaction() as connection:
                        await device_addresses.remove(connection, devices.dead)
                if isinstance(delivery, Rejected) and delivery.scope == "address":
                    await self._report_refusal(claimed.id, provider, delivery)
                return await self._write(claimed, provider, delivery, by_address, then, devices.providers, parts)
            except (psycopg.OperationalError, UnavailableError):
                if monotonic() > give_up_at:
                    raise
                await asyncio.sleep(SETTLE_PAUSE)

    async def _write(
        self,
        claimed: Claimed,
        provider: str,
        delivery: Delivery | TemplateRenderError,
        by_address: Mapping[str, Delivery],
        then: AfterMessage,
        providers: Mapping[str, str],
        parts: PartsCount,
    ) -> SendOutcome:
        reply = delivery.saved if isinstance(delivery, Accepted) else SavedReply()
        waiting = delivery.waiting if isinstance(delivery, Accepted) else None
        async with self._database.pipeline() as connection:
            writes_journey = then.moves_journey or bool(reply.values)
            found = await lock_message(connection, self._catalogue, claimed.id, then.at, writes_journey=writes_journey)
            if found is None:
                return GONE
            is_active = found.journey_state == "active"
            # The inbox is written below: an attempt that died has left nothing there.
            is_repetition = claimed.state == SENDING and not CHANNELS[claimed.channel].waits_for_person
            settled = judge_attempt(delivery, journey_is_active=is_active, is_repetition=is_repetition)
            version = await self._catalogue.version(connection, found.campaign_key, found.campaign_version)
            node = version.plan.nodes.get(claimed.step)
            has_choice = isinstance(node, Message) and node.has_choice
            if settled.state == FAILED and is_active and has_choice:
                tried = replace(found, channel=claimed.channel)
                if await has_other_channel(connection, self._catalogue, tried, version, then.at):
                    settled = settled.passed_on()
            saved, detail = merge_saved(found.saved, reply)
            if detail is not None:
                settled = replace(settled, detail=detail)
            settlement = await messages.settle(connection, claimed.id, attempt=claimed.attempts + 1, **asdict(settled))
            if settlement.is_written and settled.state == SENT and waiting is not None:
                await inbox.insert(connection, claimed.id, waiting)
            if parts.number < parts.most and claimed.cost is not None:
                await budgets.charge_parts(connection, claimed.id, claimed.cost, parts)
            if settlement.is_written and saved != found.saved:
                await journeys.save(connection, found.journey_id, saved)
            if has_choice and not by_address:
                by_address = {claimed.addresses.get(claimed.channel, ""): _as_delivery(delivery)}
            if by_address:
                by_provider = {address: providers.get(address, provider) for address in by_address}
                await deliveries.write(connection, claimed.id, claimed.channel, by_provider, by_address)
            # An attempt before may have written it, and lost the answer.
            was_postponed = found.state == CANCELLED and found.reason in POSTPONING_REASONS
            is_passed_on = was_postponed or (settlement.is_written and settled.reason == NEXT_CHANNEL)
            return await finish(connection, found, POSTPONED if is_passed_on else settlement.state, then)

    async def _report_refusal(self, message_id: UUID, provider: str, refused: Rejected) -> None:
        """Report that the provider refuses the address, once a message."""
        now = await self._database.now()
        await self._reports.apply(provider, [report_refusal(message_id, refused.reason, now)], received_at=now)


def _as_delivery(delivery: Delivery | TemplateRenderError) -> Delivery:
    """Return a failed rendering as the refusal that it comes to."""
    return Rejected("template_error", str(delivery)) if isinstance(delivery, TemplateRenderError) else delivery


async def lock_message(
    connection: Connection, catalogue: Catalogue, message_id: UUID, at: datetime, *, writes_journey: bool
) -> Claimed | None:
    """Lock a message with its recipient and journey; None if they were erased."""
    claimed = await message_claims.lock_for_claim(connection, message_id, at, writes_journey=writes_journey)
    if claimed == "moved":
        raise UnavailableError(f"message {message_id} is being moved to another profile; try again")
    if claimed == "gone":
        return None
    if claimed.retry_of is None or claimed.journey_state != COMPLETED or claimed.ended_recorded_at is None:
        return claimed
    ended = RetriedJourney(
        claimed.profile_id, claimed.account_id, claimed.ended_recorded_at, is_exiting=claimed.is_exiting
    )
    own = await catalogue.version(connection, claimed.campaign_key, claimed.journey_version)
    version = await catalogue.version(connection, claimed.campaign_key, claimed.campaign_version)
    end = await follow_completed(connection, ended, (own, version))
    return replace(claimed, journey_state=end.state)


async def finish(connection: Connection, claimed: Claimed, state: AttemptState, then: AfterMessage) -> SendOutcome:
    """Move or end the journey with the message's outcome, without a further action."""
    if claimed.journey_state == "active" and state not in (RESERVED, SENDING, POSTPONED):
        if then.ends_with is not None:
            await journeys.end(connection, [Ending(claimed.journey_id, COMPLETED, then.ends_with, None, then.at)])
        elif then.moves_journey:
            position = position_after_send(then.next_positions, state)
            await journeys.place(connection, claimed.journey_id, position, then.next_positions.move, then.at)
    # This message completed the journey, in an attempt whose answer did not arrive.
    return SendOutcome(state, journey_ended=claimed.journey_state == "exited")
