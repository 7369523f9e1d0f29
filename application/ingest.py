"""Ingest of events: one transaction a batch, in a fixed number of statements."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from psycopg.errors import DeadlockDetected, UniqueViolation

from application.catalogue import Catalogue
from application.holds import end_holds_by_events
from application.identity_locks import IdentityMovedError
from application.ingest_claims import BatchPart, claim_part, screen_part
from application.ingest_effects import apply_effects, record_effects
from application.ingest_people import link_people, resolve_people
from application.people_due import report_due
from application.settled_people import PeopleDueError
from domain.errors import UnavailableError
from domain.journey.part_statements import read_statements
from domain.long_work import TooMuchWork
from domain.people.address_statements import LinkStatement
from domain.tracking.event import Event, Reject
from domain.tracking.rejects import ALL_RECORDED, Unrecorded
from domain.tracking.traits import CONSENT, TOPICS
from store import events, message_marks
from store import rejects as reject_log
from store.database import Connection, Database

# Makes the part of a transaction, which has begun.
PartMaker = Callable[[Connection], Awaitable[BatchPart]]
# Batches with the same new people take turns: one succeeds in each round.
ATTEMPTS = 12
# Events of one transaction: each stage processes all at once, in some 25 µs an event.
MAX_EVENTS = 500
# Traits and consents of one transaction, except those of its first event: folded, stored and kept as history in 5 to 10
# µs each.
MAX_TRAITS_SAID = 5_000


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The number of new events, and the message ids of repeated ones.

    `left_out` are the parts of new events for which their profile had no room, and the events that name a person erased
    since; `unnamed` counts further ones.
    """

    accepted: int
    duplicates: list[str]
    left_out: list[Reject] = field(default_factory=list)
    unnamed: int = 0


class Ingest:
    """Ingests events. After the call, they are stored and their effects are decided."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue
        # As the last batch found it: only then are erased ids looked up with the others.
        self._remembers_erased = False

    async def __call__(
        self,
        batch: Sequence[Event],
        rejects: Sequence[Reject] = (),
        *,
        received_at: datetime,
        unrecorded: Unrecorded = ALL_RECORDED,
        places: Sequence[int] | None = None,
        by_link: LinkStatement | None = None,
    ) -> IngestResult:
        """Store events, with their effects and the rejects of their request.

        `places` are those of the events in their request, which may have had rejects or repetitions. `by_link` is the
        use of a link, which the batch reports.

        More work than fits into one transaction is done in parts, in order. Raises psycopg.OperationalError if the
        database is away; then neither the current part nor later ones are stored.
        """
        places = range(len(batch)) if places is None else places
        total = IngestResult(0, [])
        first, number = 0, MAX_EVENTS
        while True:
            taken = _take_within_traits(batch[first : first + number])
            places_taken = places[first : first + len(taken)]
            part = BatchPart(taken, places_taken, rejects, unrecorded, received_at, by_link)
            try:
                result = await self._ingest_part(part)
            except TooMuchWork as too_much:
                number = part.find_place(too_much.event_id)
                continue
            total = IngestResult(
                total.accepted + result.accepted,
                total.duplicates + result.duplicates,
                total.left_out + result.left_out,
                total.unnamed + result.unnamed,
            )
            first += len(taken)
            if first >= len(batch):
                return total
            # The rejects of an event stay with it; other rejects were stored with the first part.
            rejects, unrecorded = [one for one in rejects if one.event_id is not None], unrecorded.select_events()
            # Events resemble those before them, so the next part begins at this size.
            number = min(2 * number, MAX_EVENTS)

    async def ingest_prepared(self, prepare: PartMaker) -> IngestResult:
        """Ingest the events that `prepare` makes, in one transaction with its own work.

        The work is done anew at each attempt. Raises TooMuchWork beyond one transaction.
        """
        return await self._repeat(prepare)

    async def _ingest_part(self, part: BatchPart) -> IngestResult:
        async def prepare(_connection: Connection) -> BatchPart:
            return part

        return await self._repeat(prepare)

    async def _repeat(self, prepare: PartMaker) -> IngestResult:
        exclusive = False
        for attempt in range(ATTEMPTS):
            try:
                async with self._database.pipeline() as connection:
                    return await self._ingest(connection, await prepare(connection), exclusive=exclusive)
            except IdentityMovedError:
                exclusive = True
            except PeopleDueError as due:
                await report_due(self._database, self._catalogue, due.ids, due.at)
            except (DeadlockDetected, UniqueViolation):
                # Two concurrent merges of the same people: the second finds the work of the first.
                exclusive = True
                if attempt == ATTEMPTS - 1:
                    raise
        raise UnavailableError("the people of this batch keep changing; send it again", retry_after=1)

    async def _ingest(self, connection: Connection, part: BatchPart, *, exclusive: bool) -> IngestResult:
        """Do one transaction. Each phase hands its result to the next.

        A round trip ends where a phase awaits an answer: in the claim, then for new ids, in a merge, and for the locks
        before the effects.
        """
        received_at = part.received_at
        if not part.events:
            if part.rejects:
                await reject_log.insert(connection, part.rejects, part.unrecorded, received_at)
            if part.marks:
                await message_marks.mark(connection, part.marks)
            return IngestResult(0, [])
        claim = await claim_part(
            connection, self._catalogue, part, exclusive=exclusive, looks_up_erased=self._remembers_erased
        )
        self._remembers_erased = claim.remembers_erased
        listeners, traits, segments = claim.listeners, claim.traits, claim.segments
        screened = await screen_part(connection, part, claim)
        if not screened.new:
            if part.marks:
                await message_marks.mark(connection, part.marks)
            return IngestResult(0, screened.duplicates, screened.forgotten, screened.more_forgotten)
        people = resolve_people(screened.new, claim.identities, exclusive=exclusive)
        statements = read_statements(
            people.effective,
            people.resolution,
            listeners,
            traits,
            segments,
            received_at,
            part.by_link,
            part.refusals,
        )
        linked = await link_people(
            connection, people, claim.identities, statements, listeners, traits, segments.topics, received_at
        )
        await events.insert(connection, people.stored, received_at)
        effects = await apply_effects(connection, people, statements, linked, claim, received_at)
        left_out, more = await record_effects(connection, self._catalogue, claim, part, people, effects)
        if claim.may_end_holds:
            await end_holds_by_events(connection, people.effective)
        return IngestResult(
            len(people.stored),
            screened.duplicates,
            screened.forgotten + left_out,
            screened.more_forgotten + more.number,
        )


def _take_within_traits(batch: Sequence[Event]) -> Sequence[Event]:
    """Return the first event, and those after it within MAX_TRAITS_SAID."""
    said = 0
    for number, event in enumerate(batch):
        if event.type in ("identify", "group"):
            said += len(event.properties)
            said += _count_consents(event) if event.type == "identify" else 0
            if said > MAX_TRAITS_SAID and number > 0:
                return batch[:number]
    return batch


def _count_consents(event: Event) -> int:
    consent = event.properties.get(CONSENT) or {}
    return len(consent) + sum(map(len, consent.get(TOPICS, {}).values()))
