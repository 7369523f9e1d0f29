"""The inbox of a person: read it, and give what the caps allow.

Giving a message to a page or an app is its claim: it counts in the caps from then on, under the lock by which the gate
counts. A message that does not fit goes on waiting.
"""

from asyncio import Semaphore
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from application.catalogue import Catalogue
from application.joint_reads import JointReads
from domain.local_time.zones import recipient_zone
from domain.people.identity import Identity
from domain.sending.holds import find_hold
from domain.sending.inbox import (
    SLOT,
    InboxMessage,
    InboxState,
    WaitingMessage,
    choose_given,
    find_next_poll,
    is_used_up,
)
from domain.sending.objections import Recipient, find_objection
from domain.sending.policy import find_pace
from store import inbox
from store.database import Connection, Database
from store.inbox import InboxFacts, InboxRow

# People who are given messages at a time, of pages that ask for all, and for their slots; the API bounds the latter
# likewise. Events need the other connections.
MAX_GIVEN_AT_A_TIME: Final = 2
MAX_GIVEN_SLOTS: Final = 4

# A person whose inbox is read, and as of when.
PersonAt = tuple[Identity, datetime]
# Contents of messages by their ids.
Contents = Mapping[UUID, Mapping[str, Any]]


class InboxView(Struct, frozen=True):
    """The answer to a page: the messages beyond its place, and all that it may keep.

    `messages` have no contents yet: `Inboxes.load` reads those of the messages that are sent. `seq` is the next place.
    `open` has the messages that are not withdrawn, also those that are not to be shown again: a page that shows one
    goes on. It asks again after `next_poll` seconds.
    """

    seq: int
    messages: Sequence[InboxState]
    open: list[UUID]
    next_poll: float


class OpenInbox(Struct, frozen=True):
    """The messages in force of a person, without those that the person refuses."""

    profile_id: UUID
    rows: list[InboxRow]


class _Lane:
    """The statements and places of one kind of callers, who wait for no other."""

    def __init__(
        self,
        read: Callable[[Sequence[PersonAt]], Awaitable[Sequence[OpenInbox | None]]],
        load: Callable[[Sequence[Sequence[UUID]]], Awaitable[Sequence[Contents]]],
        most_given: int,
    ) -> None:
        self.reads = JointReads(read)
        self.loads = JointReads(load)
        self.giving = Semaphore(most_given)


class Inboxes:
    """Reads inboxes. `timezone` is the deployment's, as for the gate."""

    def __init__(self, database: Database, catalogue: Catalogue, timezone: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._timezone = timezone
        self._pages = _Lane(self._read_all, self._load_all, MAX_GIVEN_AT_A_TIME)
        # A page that is rendered waits for its slots, and its time is short.
        self._slots = _Lane(self._read_all, self._load_all, MAX_GIVEN_SLOTS)

    async def read(
        self,
        who: Identity,
        at: datetime,
        *,
        placement: str | None = None,
        since: int = 0,
        held: Collection[UUID] = frozenset(),
    ) -> InboxView:
        """Return a person's messages given after `since`, and give them those that fit.

        Without waiting messages it is a part of one statement without locks. So it is if one of `held`, which the page
        has, is withdrawn: the page hears of that at once, and then asks again.
        """
        rows, next_poll = await self._find(self._pages, who, at, lambda row: placement in (None, row.placement), held)
        shown = [row for row in rows if row.given_at is not None]
        new = [row for row in shown if row.seq > since and not is_used_up(row, at)]
        return InboxView(
            max([since, *(row.seq for row in shown)]),
            sorted(new, key=lambda row: (-row.priority, row.seq)),
            [row.message_id for row in shown],
            next_poll,
        )

    async def load(self, messages: Sequence[InboxState]) -> list[InboxMessage]:
        """Return messages with their contents, but for those that were deleted meanwhile."""
        return await self._load(self._pages, messages)

    async def read_slots(self, who: Identity, names: Collection[str], at: datetime) -> dict[str, InboxMessage | None]:
        """Return the message of each slot; None where the page keeps its own content.

        The highest priority holds, then the latest message.
        """
        rows, _ = await self._find(self._slots, who, at, lambda row: row.kind == SLOT and row.placement in names)
        left = [row for row in rows if row.given_at is not None and not is_used_up(row, at)]
        first = {row.placement: row for row in sorted(left, key=lambda row: (row.priority, row.seq))}
        loaded = await self._load(self._slots, list(first.values()))
        return dict.fromkeys(names) | {one.placement: one for one in loaded if one.placement is not None}

    async def _find(
        self,
        lane: _Lane,
        who: Identity,
        at: datetime,
        is_wanted: Callable[[InboxRow], bool],
        held: Collection[UUID] = frozenset(),
    ) -> tuple[list[InboxRow], float]:
        """Return the wanted messages, after giving those that fit, and the next poll."""
        found = await lane.reads.ask((who, at))
        rows = [] if found is None else [row for row in found.rows if is_wanted(row)]
        given = {row.message_id for row in rows if row.given_at is not None}
        if found is None or len(given) == len(rows) or not given.issuperset(held):
            return rows, find_next_poll(None, at)
        async with lane.giving:
            return await self._give(found.profile_id, at, is_wanted)

    async def _load(self, lane: _Lane, messages: Sequence[InboxState]) -> list[InboxMessage]:
        if not messages:
            return []
        contents = await lane.loads.ask([one.message_id for one in messages])
        return [one.message(contents[one.message_id]) for one in messages if one.message_id in contents]

    async def _read_all(self, asked: Sequence[PersonAt]) -> list[OpenInbox | None]:
        async with self._database.pipeline() as connection:
            found = await inbox.read(connection, asked)
            return [
                None if facts is None else OpenInbox(facts.profile_id, await self._select(connection, facts, at))
                for facts, (_, at) in zip(found, asked, strict=True)
            ]

    async def _load_all(self, asked: Sequence[Sequence[UUID]]) -> list[Contents]:
        async with self._database.pipeline() as connection:
            contents = await inbox.load_contents(connection, {id for ids in asked for id in ids})
        return [{id: contents[id] for id in ids if id in contents} for ids in asked]

    async def _give(
        self, person: UUID, at: datetime, is_wanted: Callable[[InboxRow], bool]
    ) -> tuple[list[InboxRow], float]:
        """Give what fits, in one transaction, under the locks of the gate."""
        async with self._database.pipeline() as connection:
            facts = await inbox.lock_and_read(connection, person, at)
            if facts is None:
                return [], find_next_poll(None, at)
            rows = [row for row in await self._select(connection, facts, at) if is_wanted(row)]
            left = sorted((row for row in rows if row.given_at is None), key=lambda row: (-row.priority, row.seq))
            waiting = [await self._as_waiting(connection, facts, row) for row in left]
            rules = (*facts.rules, *find_pace(facts.preferences))
            chosen = choose_given(waiting, rules, facts.ledger, at)
            given = {one.id: one.is_interrupting for one in waiting if one.id in chosen.given}
            places = await inbox.give(connection, given, at) if given else {}
        seen = [
            replace(row, given_at=at, seq=places[row.message_id]) if row.message_id in places else row for row in rows
        ]
        return seen, find_next_poll(chosen.frees_at, at)

    async def _select(self, connection: Connection, facts: InboxFacts, at: datetime) -> list[InboxRow]:
        """Return the messages that the person does not refuse."""
        segments = await self._catalogue.segments_at(connection, facts.registry_revision)
        holds = segments.places.select_holds(facts.holds, facts.context) if facts.holds else facts.holds
        recipient = Recipient(facts.traits, facts.consent, facts.suppressed, holds=holds, preferences=facts.preferences)
        subjects = {(row.channel, row.category) for row in facts.messages}
        refused = {
            (channel, category)
            for channel, category in subjects
            if find_objection(channel, category, recipient, segments.topics) is not None
            or find_hold(holds, category, at) is not None
        }
        return [row for row in facts.messages if (row.channel, row.category) not in refused]

    async def _as_waiting(self, connection: Connection, facts: InboxFacts, row: InboxRow) -> WaitingMessage:
        version = await self._catalogue.version(connection, row.campaign_key, row.campaign_version)
        zone = recipient_zone(facts.traits, facts.context.get("timezone"), version.rules.timezone, self._timezone)
        return WaitingMessage(row.message_id, row.channel, row.category, row.step_priority, zone, row.interrupts)
