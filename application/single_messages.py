"""Request single messages, hand them over in the same process, and show them.

A request is one transaction: recipient, journey, the gate's decision, and the start of a workflow, which is due where
this process does not end the journey itself. The workflow asks the same questions, and gets the answers that were
stored: at whatever point a process dies, it goes on from there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, assert_never
from uuid import UUID, uuid4, uuid5

import psycopg
import structlog
from msgspec import to_builtins
from uuid_utils.compat import uuid7

from application.catalogue import Catalogue, LoadedVersion
from application.explain import TimelineItem, timeline_items
from application.ingest import Ingest
from application.message_templates import unknown_template
from application.people import lock_person, unknown_person
from application.send import Sender
from application.step_decisions import StepDecisions
from domain.access import Actor
from domain.campaign.plan import Plan, Send
from domain.channels.kinds import CHANNELS
from domain.errors import NotFoundError, UnavailableError
from domain.journey import machine
from domain.journey.decision import Decision
from domain.journey.position import next_positions, position_at_entry
from domain.journey.protocol import Answered, Authorize, Dispatch
from domain.journey.records import Journey, seed_of, user_reference, workflow_id
from domain.journey.requests import AuthorizeRequest
from domain.journey.state import JourneyState
from domain.people.identity import PersonRef
from domain.people.operator_changes import OperatorChanges
from domain.people.profile import Profile
from domain.sending.claim import CANCELLED, POSTPONED, POSTPONING_REASONS, RESERVED, SENDING
from domain.sending.gate_answers import Answer, Deferred, Granted, Held, Refused
from domain.sending.single_messages import (
    MESSAGE_KEY,
    REQUESTED,
    STEP,
    SingleMessage,
    address_traits,
    entry_of,
    normalize_address,
    read_data,
    require_category,
    require_data,
    template_key,
)
from store import audit, campaigns, decisions, journeys, leased_starts, outbox, single_messages, timeline
from store.database import Connection, Database, describe_error
from store.outbox import OutboxMessage
from store.single_messages import StoredMessage

log = structlog.get_logger()

# Without a sign of life for so long, a worker takes the message up, as for an activity's heartbeats. A slow hand-over
# renews its lease, and most are shorter than the first interval. Seconds.
LEASE_SECONDS: Final = 20.0
RENEWAL_SECONDS: Final = 5.0
# Hand-overs of one process at a time; the messages of further requests are left to the workers.
MAX_HAND_OVERS: Final = 100
# The first pause of a worker's attempts.
PAUSE_SECONDS: Final = 1.0
# Lines of an explanation: a message that waits for a cap has one for each attempt.
MAX_LINES: Final = 100


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """A request for one message, to a user or to an address on its channel.

    Without a category, it is that of the template. `expires` is in seconds.
    """

    channel: str
    template: str
    user_id: str | None
    address: str | None
    data: Mapping[str, Any]
    category: str | None
    expires: int
    on_capped: Literal["skip", "wait"]

    def normalized_address(self) -> str | None:
        """Return the key of the address; None for a user. Raises InvalidRequestError."""
        return None if self.address is None else normalize_address(self.channel, self.address)


@dataclass(frozen=True, slots=True)
class HandOver:
    """A granted message, which this process hands over."""

    message_id: UUID
    workflow_id: str
    at: datetime
    plan: Plan
    granted: Granted


@dataclass(frozen=True, slots=True)
class RequestedMessage:
    """The answer to a request, and what is to be done once it has been committed."""

    id: UUID
    state: Literal["reserved", "deferred", "held", "refused"]
    reason: str | None
    until: datetime | None
    hand_over: HandOver | None


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message and what became of it; `explanation` are its lines of the timeline.

    `state` is that of the ledger, or requested, deferred, held or refused while the message is not, or never was,
    granted; `until` is the end of a deferral or a hold.
    """

    stored: StoredMessage
    state: str
    reason: str | None
    until: str | None
    explanation: list[TimelineItem]


class SingleMessages:
    """Use cases of single messages. `journey_url` contains {workflow_id}."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        ingest: Ingest,
        step_decisions: StepDecisions,
        sender: Sender,
        journey_url: str,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._ingest = ingest
        self._step_decisions = step_decisions
        self._sender = sender
        self._journey_url = journey_url
        self._under_way = 0

    async def request(self, asked: MessageRequest, *, by: Actor) -> RequestedMessage:
        """Ask the gate for a message in one transaction, which an Idempotency-Key joins.

        Raises NotFoundError for an unknown template or user, InvalidRequestError, and UnavailableError during a merge.
        """
        now = await self._database.now()
        read = read_data(asked.data, now, uuid7)
        async with self._database.one_transaction():
            async with self._database.transaction() as connection:
                version, message = await self._load(connection, asked)
                require_data(asked.template, version.rules.needs, read.properties)
                person = await self._find_recipient(connection, asked, now, by)
                if person.is_erased:
                    raise unknown_person(PersonRef(asked.user_id or ""))
                id = uuid7()
                plan = message.plan()
                workflow = workflow_id(version.key, user_reference(person.user_id, None, person.id), id)
                begun = machine.begin(plan, now, seed_of(workflow, version.key))
                request = _first_request(plan, begun, id, now)
                journey = Journey(
                    id=id,
                    campaign_key=version.key,
                    campaign_version=version.version,
                    profile_id=person.id,
                    # One for each message, however many a person has open.
                    entry_key=str(request.message_id),
                    workflow_id=workflow,
                    entry=entry_of(read, message, person.user_id, asked.normalized_address()),
                    entered_at=now,
                )
                position = position_at_entry(plan, journey)
                await journeys.insert(connection, [journey], {}, {} if position is None else {id: position})
                await decisions.insert(connection, [_build_decision(journey, by)])
            answer = await self._step_decisions.authorize(request)
            async with self._database.transaction() as connection:
                hand_over = await self._start(connection, journey, message, request, answer)
            return _answer(request.message_id, answer, hand_over)

    async def hand_over(self, message: HandOver) -> None:
        """Claim, hand over and settle a granted message; leave the rest to a worker.

        If this process dies meanwhile, or is frozen beyond the lease, a worker takes the message up. Beyond
        MAX_HAND_OVERS it does so at once: requests that are answered together have all found room.
        """
        if self._under_way >= MAX_HAND_OVERS:
            await self._change_start(lambda connection: leased_starts.end(connection, message.workflow_id, 0.0))
            return
        self._under_way += 1
        attempt = asyncio.create_task(self._attempt(message))
        try:
            while not (await asyncio.wait([attempt], timeout=RENEWAL_SECONDS))[0]:
                await self._change_start(
                    lambda connection: leased_starts.renew(connection, message.workflow_id, LEASE_SECONDS)
                )
            pause = attempt.result()
            if pause is None:
                await self._change_start(lambda connection: outbox.remove_starts(connection, [message.workflow_id]))
            else:
                await self._change_start(lambda connection: leased_starts.end(connection, message.workflow_id, pause))
        finally:
            self._under_way -= 1

    async def get(self, id: UUID, *, by: Actor) -> MessageView:
        """Return a message of the ledger, or one that the gate has not granted.

        The audit log says who has looked at its person. Raises NotFoundError.
        """
        async with self._database.transaction() as connection:
            found = await single_messages.find(connection, id)
            if found is None:
                raise NotFoundError(f"there is no message {id}", message_id=str(id))
            recorded = await timeline.latest(
                connection, [found.profile_id], MAX_LINES + 1, None, journey_id=found.journey_id
            )
            await audit.record_look(connection, by, "user.read", found.user_id or str(found.profile_id))
        items, _ = timeline_items(recorded, MAX_LINES, self._journey_url)
        return _view(found, [item for item in items if item.step == found.step])

    async def _load(self, connection: Connection, asked: MessageRequest) -> tuple[LoadedVersion, SingleMessage]:
        revision = await campaigns.lock_registry_shared(connection)
        key = template_key(asked.channel, asked.template)
        number = await single_messages.find_running_version(connection, key)
        if number is None:
            raise await unknown_template(connection, asked.channel, asked.template)
        version = await self._catalogue.version(connection, key, number)
        node = version.plan.node(STEP)
        if not isinstance(node, Send):
            raise TypeError(f"{key} sends nothing")
        category = asked.category or node.category
        require_category(category, (await self._catalogue.segments_at(connection, revision)).topics)
        return version, SingleMessage(asked.channel, asked.template, category, asked.expires, asked.on_capped)

    async def _find_recipient(self, connection: Connection, asked: MessageRequest, now: datetime, by: Actor) -> Profile:
        """Lock the user, or the profile of the address, which may be new.

        Raises UnavailableError if the profile was just given another address: a repeat finds the owner of then.
        """
        if asked.address is None:
            return await lock_person(connection, PersonRef(asked.user_id or "", "user"))
        traits = address_traits(asked.channel, asked.address)
        address = normalize_address(asked.channel, asked.address)
        found = await self._find_owner(connection, asked.channel, address)
        if found is None:
            await single_messages.lock_address(connection, asked.channel, address)
            found = await self._find_owner(connection, asked.channel, address)
        if found is None:
            anonymous_id = str(uuid4())
            event = OperatorChanges(traits=traits).event(
                user_id=None, anonymous_id=anonymous_id, by=by.name, at=now, new_id=uuid7
            )
            await self._ingest([event] if event is not None else [], received_at=now)
            return await lock_person(connection, PersonRef(anonymous_id, "anonymous"))
        person = await lock_person(connection, PersonRef(str(found), "profile"))
        if CHANNELS[asked.channel].normalized_address(person.traits) != address:
            raise UnavailableError("the address is being changed in the person's profile; try again", retry_after=1)
        return person

    async def _find_owner(self, connection: Connection, channel: str, address: str) -> UUID | None:
        """Return the profile with the address as a server has stated it.

        Anyone can state an address in a browser, with other traits that the message may print.
        """
        [trait] = address_traits(channel, address)
        return await single_messages.find_owner(connection, channel, address, trait)

    async def _start(
        self,
        connection: Connection,
        journey: Journey,
        message: SingleMessage,
        request: AuthorizeRequest,
        answer: Answer,
    ) -> HandOver | None:
        """Write the start of the workflow; return what this process hands over itself.

        A refused message has ended its journey. One that waits, or whose provider has a pace of its own, which
        Temporal keeps, is the workflow's.
        """
        if isinstance(answer, Refused):
            return None
        payload = {
            "journey_id": str(journey.id),
            "campaign": journey.campaign_key,
            "version": journey.campaign_version,
            MESSAGE_KEY: to_builtins(message),
        }
        start = OutboxMessage(journey.workflow_id, "start", payload)
        if isinstance(answer, Granted) and answer.paced_by is None and self._under_way < MAX_HAND_OVERS:
            await leased_starts.append(connection, start, LEASE_SECONDS)
            return HandOver(request.message_id, journey.workflow_id, request.at, message.plan(), answer)
        await outbox.append(connection, [start])
        return None

    async def _attempt(self, message: HandOver) -> float | None:
        """Make the first attempt; return when a worker goes on, in seconds.

        None if the journey is over.
        """
        plan, at = message.plan, message.at
        begun = machine.begin(plan, at)
        granted = machine.after(plan, begun, Answered(message.granted), at)
        command = machine.next_command(plan, granted)
        if not isinstance(command, Dispatch):
            raise TypeError(f"a granted message is followed by {command}")
        try:
            outcome = await self._sender.send(
                message.message_id,
                at=await self._database.now(),
                ends_with=command.ends_with,
                next_positions=next_positions(plan, granted, command, at, 2),
            )
        except UnavailableError as error:
            log.info("message postponed", message=str(message.message_id), reason=error.detail)
            return float(error.data.get("retry_after") or PAUSE_SECONDS)
        except psycopg.OperationalError as error:
            log.warning("failed to settle message", message=str(message.message_id), error=describe_error(error))
            return PAUSE_SECONDS
        return 0.0 if outcome.state in (RESERVED, SENDING, POSTPONED) else None

    async def _change_start(self, change: Callable[[Connection], Awaitable[None]]) -> None:
        """Change the start of a workflow, if the database is there.

        The workflow of one that stays as it is finds later that all is done.
        """
        try:
            async with self._database.transaction() as connection:
                await change(connection)
        except psycopg.OperationalError as error:
            log.warning("failed to change start", error=describe_error(error))


def _build_decision(journey: Journey, by: Actor) -> Decision:
    return Decision(
        id=uuid5(journey.id, REQUESTED),
        profile_id=journey.profile_id,
        campaign_key=journey.campaign_key,
        kind="request",
        outcome="requested",
        at=journey.entered_at,
        journey_id=journey.id,
        step=STEP,
        data={"by": by.name},
    )


def _answer(id: UUID, answer: Answer, hand_over: HandOver | None) -> RequestedMessage:
    match answer:
        case Granted():
            return RequestedMessage(id, "reserved", None, None, hand_over)
        case Deferred(until=until, reason=reason):
            return RequestedMessage(id, "deferred", reason, until, hand_over)
        case Held(reason=reason, until=until):
            return RequestedMessage(id, "held", reason, until, hand_over)
        case Refused(reason=reason):
            return RequestedMessage(id, "refused", reason, None, hand_over)
        case _:
            assert_never(answer)


def _view(found: StoredMessage, explanation: list[TimelineItem]) -> MessageView:
    was_postponed = found.state == CANCELLED and found.reason in POSTPONING_REASONS
    if found.state is not None and not was_postponed:
        return MessageView(found, found.state, found.reason, None, explanation)
    return MessageView(found, found.decision or "requested", found.decision_reason, found.until, explanation)


def _first_request(plan: Plan, begun: JourneyState, journey_id: UUID, at: datetime) -> AuthorizeRequest:
    """Return the request of the journey's workflow, which gets the same answer."""
    command = machine.next_command(plan, begun)
    if not isinstance(command, Authorize):
        raise TypeError(f"a single message begins with {command}")
    return AuthorizeRequest(
        journey_id=journey_id,
        step=command.step,
        visit=command.visit,
        attempt=command.attempt,
        reached_at=command.reached_at,
        at=at,
        ends_with=command.ends_with,
        next_positions=next_positions(plan, begun, command, at, 1),
    )
