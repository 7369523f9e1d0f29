"""Send a message: claim, render, hand over, settle; two transactions."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.structs import replace

from application.accounts import read_account
from application.catalogue import Catalogue, LoadedVersion
from application.channel_choice import has_other_channel, read_recipient
from application.device_deliveries import (
    DeviceProvider,
    DeviceTarget,
    deliver_to_devices,
    find_targets,
    list_outcomes,
)
from application.link_tracking import LinkTracker
from application.message_content import MessageContents
from application.message_outcomes import (
    GONE,
    AfterMessage,
    MessageOutcomes,
    SendOutcome,
    finish,
    lock_message,
)
from application.provider_health import record_delivery
from application.providers import FoundProvider, ProviderSource
from application.rendering import Templates, compile_in_time
from domain.campaign.plan import Send
from domain.channels.kind import Unreachable
from domain.channels.kinds import CHANNELS
from domain.errors import UnavailableError
from domain.journey.position import NextPositions
from domain.journey.step_decisions import find_address_kinds
from domain.people.device_addresses import list_reached
from domain.people.links import LinkPurpose, MessageLink
from domain.people.surroundings import recipient_locale
from domain.people.topics.deployed import DeployedTopics
from domain.sending import claim as sending
from domain.sending.circuit import read_health
from domain.sending.claim import (
    CANCELLED,
    POSTPONED,
    POSTPONING_REASONS,
    RESERVED,
    SENDING,
    ClaimFacts,
    Close,
    Done,
    Proceed,
    ProviderFacts,
    ProviderWait,
    Wait,
)
from domain.sending.deliverability import find_pause
from domain.sending.delivery import (
    TEMPLATE_REFUSED,
    WINDOW,
    Ambiguous,
    Delivery,
    Never,
    Outbound,
    Provider,
    RecallingProvider,
    Rejected,
    Repeats,
    Unavailable,
    combine,
)
from domain.sending.fallbacks import find_reaction
from domain.sending.money import PartsCount
from domain.sending.receiving import MailPurpose, ReceivingDomain
from domain.sending.senders import DeployedSenders
from domain.templates.template_sets import TemplateRenderError
from domain.tracking.event import stored_event
from store import circuits, deliveries, messages, recalls, retries
from store.addresses import find_last_text
from store.database import Connection, Database
from store.message_claims import Claimed

_log = structlog.get_logger(__name__)


class _Taken(Struct, frozen=True):
    """A claimed message, its version and provider, and the addresses that are settled.

    `wrote_at` is the time of the person's last text, on channels with a window after it.
    """

    claimed: Claimed
    version: LoadedVersion
    found: FoundProvider
    settled: dict[str, Delivery]
    is_probe: bool
    senders: DeployedSenders
    wrote_at: datetime | None
    targets: Sequence[DeviceTarget] = ()


class _NotCompiledError(Exception):
    """The message may be claimed once these templates are compiled."""

    def __init__(self, templates: Templates) -> None:
        super().__init__()
        self.templates = templates


class Sender:
    """Sends granted messages.

    `link_url`, `tracker` and `timezone` are those of `MessageContents`. Mails of recipients come to `receiving`; None
    if to none.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        providers: ProviderSource,
        link_url: Callable[[LinkPurpose, MessageLink], str],
        tracker: LinkTracker,
        timezone: str,
        receiving: ReceivingDomain | None = None,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._providers = providers
        self._contents = MessageContents(database, link_url, tracker, timezone)
        self._tracker = tracker
        self._receiving = receiving
        self._outcomes = MessageOutcomes(database, catalogue)

    async def send(
        self,
        message_id: UUID,
        *,
        at: datetime,
        ends_with: str | None,
        next_positions: NextPositions,
    ) -> SendOutcome:
        """Make one attempt. Raises UnavailableError if it is worth repeating.

        `at` is by the journey's clock. The message is dated by its first claim, the same in all attempts, also of
        another process: a provider may refuse a key with another content. `ends_with` is the journey's outcome
        once the message has settled; None if it goes on to `next_positions`.
        """
        then = AfterMessage(at, ends_with, next_positions)
        try:
            taken = await self._take(message_id, at, then)
        except _NotCompiledError as error:
            await compile_in_time(error.templates)
            taken = await self._take(message_id, at, then)
        if isinstance(taken, SendOutcome):
            return taken
        claimed, version, found = taken.claimed, taken.version, taken.found
        provider = found.provider
        by_address: dict[str, Delivery] = {}
        now = claimed.first_claimed_at or at
        rendered = await self._contents.render(claimed, version, taken.senders, now)
        delivery: Delivery | TemplateRenderError
        parts = PartsCount(1, 1)
        if isinstance(rendered, TemplateRenderError | Unavailable):
            delivery = rendered
        elif (closed := CHANNELS[claimed.channel].find_closed_window(rendered, taken.wrote_at, at)) is not None:
            delivery = Rejected(WINDOW, closed)
        else:
            number = CHANNELS[claimed.channel].count_parts(rendered)
            parts = PartsCount(number, version.rules.max_parts.get(claimed.template, 1))
            delivery = await self._hand_over(taken, rendered, now, by_address)
        if isinstance(delivery, Rejected) and delivery.reason == TEMPLATE_REFUSED:
            # Each of its messages fails until the author mends it.
            _log.warning(
                "template refused",
                campaign=claimed.campaign_key,
                step=claimed.step,
                template=claimed.template,
                provider=found.name,
                detail=delivery.detail,
            )
        if not taken.targets and found.has_account and not isinstance(delivery, TemplateRenderError):
            failed_before = claimed.circuit is not None
            await record_delivery(
                self._database, found.name, delivery, has_failures=failed_before, was_probe=taken.is_probe
            )
        if isinstance(delivery, Ambiguous):
            repeats = _repeats(claimed, version, provider)
            first = claimed.first_handed_over_at or at
            if sending.may_repeat(claimed.category, repeats, first, at):
                # The message stays in `sending`, as if this attempt had died, and the next one decides.
                raise UnavailableError(f"{claimed.channel}: the provider's answer was lost")
        if isinstance(delivery, Unavailable) and claimed.state == SENDING:
            # This attempt delivered nothing, but an earlier one may have: the message cannot be returned.
            raise _retry(claimed, found, delivery)
        devices = list_outcomes(taken.targets, by_address)
        outcome = await self._outcomes.settle(claimed, found.name, delivery, by_address, then, devices, parts)
        if isinstance(delivery, Unavailable) and outcome.state in (RESERVED, SENDING):
            raise _retry(claimed, found, delivery)
        return outcome

    async def _take(self, message_id: UUID, at: datetime, then: AfterMessage) -> SendOutcome | _Taken:
        """Claim the message for this attempt, or return its outcome, or raise as `send`."""
        async with self._database.pipeline() as connection:
            claimed = await lock_message(connection, self._catalogue, message_id, at, writes_journey=then.moves_journey)
            if claimed is None:
                return GONE
            segments = await self._catalogue.segments_at(connection, claimed.registry_revision)
            if claimed.holds:
                claimed = replace(claimed, holds=segments.places.select_holds(claimed.holds, claimed.context))
            found = await self._providers.find(connection, claimed.registry_revision, claimed.channel, claimed.provider)
            version = await self._catalogue.version(connection, claimed.campaign_key, claimed.campaign_version)
            if claimed.state == SENDING and not version.templates.are_compiled:
                raise _NotCompiledError(version.templates)
            has_other = await has_other_channel(connection, self._catalogue, claimed, version, at)
            match self._claim(claimed, version, found, segments.topics, at, has_other=has_other):
                case Done(state=state):
                    return await finish(connection, claimed, state, then)
                case Close(state=state, reason=reason, detail=detail):
                    settlement = await messages.settle(
                        connection, message_id, state, attempt=claimed.attempts, reason=reason, detail=detail
                    )
                    state = POSTPONED if reason in POSTPONING_REASONS else settlement.state
                    if claimed.retry_of is not None and state == CANCELLED:
                        await retries.release(connection, claimed.retry_of)
                    return await finish(connection, claimed, state, then)
                case Wait(why=why, until=until):
                    retry_after = None if until is None else (until - at).total_seconds()
                    raise UnavailableError(f"{claimed.campaign_key}: {why}", retry_after=retry_after)
                case Proceed() if found is not None:
                    is_probe = await self._check_provider(connection, claimed, found, at)
                    if isinstance(is_probe, Close):
                        await messages.settle(
                            connection, message_id, is_probe.state, attempt=claimed.attempts, reason=is_probe.reason
                        )
                        return await finish(connection, claimed, POSTPONED, then)
                    if not version.templates.are_compiled:
                        raise _NotCompiledError(version.templates)
                    address = claimed.addresses.get(claimed.channel)
                    await messages.mark_sending(connection, message_id, at, found.name, address)
                    if isinstance(found.provider, RecallingProvider):
                        await recalls.keep(connection, message_id, found.name, found.provider.recall_seconds)
                    now = claimed.first_claimed_at or at
                    claimed = replace(
                        claimed,
                        computed=segments.traits.view(claimed.counted, now),
                        judged_stage=segments.stage_of(claimed.memberships),
                        topic=claimed.category if claimed.category in segments.topics.topics else None,
                    )
                    if version.templates.read_account:
                        entry = stored_event(claimed.entry)
                        account = await read_account(connection, claimed.profile_id, entry, claimed.account_id)
                        claimed = replace(claimed, account=account)
                    devices = list_reached(claimed.devices, at)
                    kind = CHANNELS[claimed.channel]
                    addresses = kind.find_addresses(claimed.traits, devices)
                    # With the claim: a read that fails after it would leave the message unknown and unsent.
                    is_one = not kind.uses_devices and (isinstance(addresses, Unreachable) or len(addresses) < 2)
                    settled = {} if is_one else await deliveries.find_settled(connection, message_id, claimed.channel)
                    wrote_at = None
                    if kind.has_window and address is not None:
                        wrote_at = await find_last_text(connection, (claimed.channel, address), found.name)
                    senders = await self._catalogue.senders_at(connection, claimed.registry_revision)
                    targets: Sequence[DeviceTarget] = ()
                    if kind.uses_devices:
                        granted = DeviceProvider(found, claimed.circuit is not None, is_probe)
                        targets = await find_targets(
                            connection, self._catalogue, self._providers, claimed, granted, devices
                        )
                    return _Taken(claimed, version, found, settled, is_probe, senders, wrote_at, targets)
                case Proceed():
                    raise UnavailableError(f"{claimed.channel}: no provider of this worker can take the message")

    async def _check_provider(
        self, connection: Connection, claimed: Claimed, found: FoundProvider, at: datetime
    ) -> bool | Close:
        """Return whether the message probes its provider; Close to ask the gate again.

        Raises UnavailableError while the circuit is open, or its marketing is paused.
        """
        deployed = await self._catalogue.providers_at(connection, claimed.registry_revision)
        route = (claimed.channel, claimed.category, found.name)
        facts = ProviderFacts(
            is_in_force=found.is_in_force,
            circuit=claimed.circuit if found.has_account else None,
            is_paused=find_pause(claimed.pauses, found.name, claimed.category) is not None,
            has_alternative=deployed.has_alternative(
                *route, claimed.broken, claimed.pauses, find_address_kinds(claimed.channel, claimed.devices, at)
            ),
        )
        is_probe = facts.wants_probe and await circuits.take_probe(connection, found.name)
        match sending.check_provider(claimed.id, claimed.state, facts, is_probe=is_probe):
            case ProviderWait(why=why, seconds=seconds):
                raise UnavailableError(f"{claimed.channel}: {why}", retry_after=seconds)
            case Close() as closed:
                return closed
            case Proceed():
                return is_probe

    def _claim(
        self,
        claimed: Claimed,
        version: LoadedVersion,
        found: FoundProvider | None,
        topics: DeployedTopics,
        at: datetime,
        *,
        has_other: bool,
    ) -> Proceed | Wait | Close | Done:
        # It only matters for a message in `sending`, for which the templates are compiled.
        is_repetition = claimed.state == SENDING
        facts = ClaimFacts(
            claimed.state,
            claimed.reason,
            claimed.channel,
            claimed.category,
            claimed.expires_at,
            claimed.first_handed_over_at,
            claimed.journey_state,
            claimed.campaign_state,
            has_other_channel=has_other,
            reaction=_describe_reaction(claimed, version),
            verdict_seconds=claimed.verdict_seconds,
        )
        return sending.claim(
            facts,
            read_recipient(claimed, version, at),
            window=version.rules.send_window,
            zone=self._contents.find_zone(claimed, version),
            at=at,
            repeats=_repeats(claimed, version, found.provider) if found is not None and is_repetition else Never(),
            topics=topics,
        )

    async def _hand_over(
        self, taken: _Taken, content: Mapping[str, Any], now: datetime, by_address: dict[str, Delivery]
    ) -> Delivery:
        """Hand a rendered message over; with several addresses, fill `by_address`."""
        claimed, version, settled = taken.claimed, taken.version, taken.settled
        provider = taken.found.provider
        unsubscribe_url = self._contents.make_links(claimed).get("unsubscribe")
        message = Outbound(
            str(claimed.id),
            content,
            now,
            unsubscribe_url,
            claimed.topic,
            self._receive("reply", claimed.id, is_wanted=version.rules.replies is not None),
            self._receive("unsubscribe", claimed.id, is_wanted=unsubscribe_url is not None),
            claimed.expires_at,
            report_url=self._tracker.report_url(claimed.id) if taken.targets else None,
        )
        if taken.targets:
            return await deliver_to_devices(self._database, taken.targets, message, settled, by_address)
        addresses = CHANNELS[claimed.channel].addresses(claimed.traits)
        if isinstance(addresses, Unreachable):
            return Rejected("unreachable", addresses.detail)
        if len(addresses) < 2:
            return await provider.deliver(message, addresses[0] if addresses else "")
        # The person's traits may list an address twice.
        left = [address for address in dict.fromkeys(addresses) if address not in settled]
        delivered = await asyncio.gather(*(provider.deliver(message, address) for address in left))
        by_address |= dict(zip(left, delivered, strict=True))
        return combine([*settled.values(), *delivered])

    def _receive(self, purpose: MailPurpose, message_id: UUID, *, is_wanted: bool) -> str | None:
        """Return the address for mails about a message; None if none are wanted."""
        return self._receiving.address(purpose, message_id) if self._receiving is not None and is_wanted else None


def _describe_reaction(claimed: Claimed, version: LoadedVersion) -> str | None:
    """Say why a fallback is not needed any more; None for all other messages."""
    node = version.plan.nodes.get(claimed.step)
    found = find_reaction(node, claimed.before) if isinstance(node, Send) and claimed.before else None
    return None if found is None else f"{found['unless']} at {found['at'].isoformat()}"


def _retry(claimed: Claimed, found: FoundProvider, delivery: Unavailable) -> UnavailableError:
    """Return the error of an attempt that is worth repeating."""
    # After a fault of the account the circuit is open, and says to the next attempt what to do.
    is_faulty = found.has_account and read_health(delivery) == "faulty"
    retry_after = None if is_faulty else delivery.retry_after
    return UnavailableError(f"{claimed.channel}: {delivery.reason}", retry_after=retry_after)


def _repeats(claimed: Claimed, version: LoadedVersion, provider: Provider) -> Repeats:
    """Return the effect of repetition: the provider's, unless the template forbids it."""
    template = version.templates.get(claimed.template)
    return provider.repeats if template.is_repeatable(recipient_locale(claimed.traits, claimed.context)) else Never()
