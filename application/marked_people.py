"""Judge people whose address another person has refused, or allowed again."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from application.catalogue import Catalogue
from application.derived_events import JudgeRequest, judge_people, report_caused
from application.settled_people import settle_people
from application.trait_sweeper import SweepResult
from domain.long_work import TooMuchWork
from domain.people.derived_events import Cause
from domain.people.profile_state import Source
from domain.people.segments.inputs import CONSENT
from store import audience, campaigns, marked_people, profiles
from store.database import Database

# People of one transaction: their events wait meanwhile.
PAGE: Final = 200


@dataclass(slots=True)
class MarkedPeople:
    """Judges marked people; any number may run."""

    database: Database
    catalogue: Catalogue
    name: str = "addresses"

    async def sweep(self) -> SweepResult:
        """Judge a page of marked people, in one transaction."""
        async with self.database.transaction() as connection:
            first = await marked_people.find_first(connection)
        if first is None:
            return SweepResult(0, 0.0, None)
        limit = PAGE
        while True:
            try:
                number = await self._page(limit)
                break
            except TooMuchWork:
                if limit == 1:
                    raise
                limit //= 2
        return SweepResult(number, max(0.0, (self.database.clock.now() - first).total_seconds()), 0.0)

    async def _page(self, limit: int) -> int:
        async with self.database.transaction() as connection:
            await campaigns.lock_registry_shared(connection)
            affected = (await self.catalogue.load_segments(connection)).find_affected(CONSENT)
            marks = await marked_people.find(connection, limit)
            ids = {mark.profile_id for mark in marks}
            gone = ids - (await profiles.read(connection, ids)).keys()
            # Those that another transaction locks are taken in the next round.
            people = await profiles.lock_free(connection, ids)
            settled = await settle_people(connection, self.catalogue, people)
            names = await audience.anonymous_ids(connection, [id for id, one in people.items() if one.user_id is None])
            source = Source("address", "", settled.at)
            causes = {id: Cause(uuid7(), one.user_id, names.get(id), settled.at) for id, one in people.items()}
            requests = {id: JudgeRequest(affected, cause, source) for id, cause in causes.items()}
            judged = await judge_people(connection, self.catalogue, requests, settled)
            await report_caused(connection, self.catalogue, [*settled.changes, *judged])
            done: set[UUID] = gone | people.keys()
            taken = [mark.id for mark in marks if mark.profile_id in done]
            await marked_people.unmark(connection, taken)
        return len(taken)
