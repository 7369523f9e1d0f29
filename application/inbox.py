"""The inbox of a person: read it, and give what the caps allow.

Giving a message to a page or an app is its claim: it counts in the caps from then on, under the lock by which the gate
counts. A message that does not fit goes on waiting.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from application.catalogue import Catalogue
from domain.channels.kinds import CHANNELS
from domain.local_time.zones import recipient_zone
from domain.sending.holds import find_hold
from domain.sending.inbox import SLOT, InboxMessage, WaitingMessage, choose_given, find_next_poll, is_used_up
from domain.sending.objections import Recipient, find_objection
from domain.sending.policy import find_pace
from store import inbox
from store.database import Connection, Database
from store.inbox import InboxFacts, InboxRow


class InboxView(Struct, frozen=True):
    """The answer to a page: the messages beyond its place, and all that it may keep.

    `seq` is its next place. `open` has the messages that are not withdrawn, also those that are not to be shown again:
    a page that shows one goes on. It asks again after `next_poll` seconds.
    """

    seq: int
    messages: list[InboxMessage]
    open: list[UUID]
    next_poll: float


class Inboxes:
    """Reads inboxes. `timezone` is the deployment's, as for the gate."""

    def __init__(self, database: Database, catalogue: Catalogue, timezone: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._timezone = timezone

    async def read(self, person: UUID, at: datetime, *, placement: str | None = None, since: int = 0) -> InboxView:
        """Return a person's messages given after `since`, and give them those that fit.

        Without waiting messages it is one statement without locks.
        """
        rows, next_poll = await self._find(person, at, lambda row: placement in (None, row.placement))
        shown = [row for row in rows if row.given_at is not None]
        new = [row.message() for row in shown if row.seq > since and not _is_used_up(row, at)]
        return InboxView(
            max([since, *(row.seq for row in shown)]),
            sorted(new, key=lambda one: (-one.priority, one.seq)),
            [row.message_id for row in shown],
            next_poll,
        )

    async def slots(self, person: UUID, names: Collection[str], at: datetime) -> dict[str, InboxMessage | None]:
        """Return the message of each slot; None where the page keeps its own content.

        The highest priority holds, then the latest message.
        """
        rows, _ = await self._find(person, at, lambda row: row.kind == SLOT and row.placement in names)
        left = [row.message() for row in rows if row.given_at is not None and not _is_used_up(row, at)]
        ranked = sorted(left, key=lambda one: (one.priority, one.seq))
        return dict.fromkeys(names) | {one.placement: one for one in ranked if one.placement is not None}

    async def _find(
        self, person: UUID, at: datetime, is_wanted: Callable[[InboxRow], bool]
    ) -> tuple[list[InboxRow], float]:
        """Return the wanted messages, after giving those that fit, and the next poll."""
        async with self._database.pipeline() as connection:
            facts = await inbox.read(connection, person, at)
            rows = await self._select(connection, facts, at, is_wanted)
        if all(row.given_at is not None for row in rows):
            return rows, find_next_poll(None, at)
        return await self._give(person, at, is_wanted)

    async def _give(
        self, person: UUID, at: datetime, is_wanted: Callable[[InboxRow], bool]
    ) -> tuple[list[InboxRow], float]:
        """Give what fits, in one transaction, under the locks of the gate."""
        async with self._database.pipeline() as connection:
            facts = await inbox.lock_and_read(connection, person, at)
            rows = await self._select(connection, facts, at, is_wanted)
            if facts is None:
                return [], find_next_poll(None, at)
            left = sorted((row for row in rows if row.given_at is None), key=lambda row: (-row.priority, row.seq))
            waiting = [await self._as_waiting(connection, facts, row) for row in left]
            rules = (*facts.rules, *find_pace(facts.preferences))
            giving = choose_given(waiting, rules, facts.ledger, at)
            given = {one.id: one.is_interrupting for one in waiting if one.id in giving.given}
            places = await inbox.give(connection, given, at) if given else {}
        seen = [
            replace(row, given_at=at, seq=places[row.message_id]) if row.message_id in places else row for row in rows
        ]
        return seen, find_next_poll(giving.frees_at, at)

    async def _select(
        self, connection: Connection, facts: InboxFacts | None, at: datetime, is_wanted: Callable[[InboxRow], bool]
    ) -> list[InboxRow]:
        """Return the wanted messages that the person does not refuse."""
        if facts is None or not facts.messages:
            return []
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
        return [row for row in facts.messages if is_wanted(row) and (row.channel, row.category) not in refused]

    async def _as_waiting(self, connection: Connection, facts: InboxFacts, row: InboxRow) -> WaitingMessage:
        version = await self._catalogue.version(connection, row.campaign_key, row.campaign_version)
        zone = recipient_zone(facts.traits, facts.context.get("timezone"), version.rules.timezone, self._timezone)
        return WaitingMessage(row.message_id, row.channel, row.category, row.step_priority, zone, _is_interrupting(row))


def _is_interrupting(row: InboxRow) -> bool:
    return CHANNELS[row.channel].interrupts(row.kind)


def _is_used_up(row: InboxRow, at: datetime) -> bool:
    return is_used_up(row.message(), row.shows, at)
