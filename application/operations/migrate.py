"""Migrate many journeys: by an update of the workflow, or by its pending start."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final, Literal, Protocol
from uuid import UUID

from msgspec import Struct, convert

from application.catalogue import Catalogue, LoadedVersion
from application.migrations import STAYED, MigrationRef, decision
from domain.campaign.plan import Plan
from domain.journey import machine
from domain.journey.decision import Decision
from domain.journey.migration import (
    ENDED,
    MOVED,
    SUPERSEDED,
    CannotMigrate,
    Migration,
    find_common_obstacle,
    find_shared_subscriptions,
)
from domain.journey.position import position
from domain.journey.records import seed_of
from store import campaigns, decisions, journey_versions
from store.database import Connection
from store.journey_versions import Candidate, JourneyStart
from store.operations import Operation, Page

# As many as run concurrently: a page takes as long as its slowest one.
PAGE = 50
# The delay before undecided journeys are checked again, in seconds.
OPEN_INTERVAL = 0.2
# The journey awaits an activity, and migrates when it rests, or stays then.
WAITING: Final = "waiting"
AT_REST: Final = ("waiting", "deferred", "held")
# No workflow runs under its name: the journey is over, or has not begun.
GONE: Final = "gone"
NO_WORKFLOW = CannotMigrate("no_workflow", "nothing runs for this journey in Temporal")

MigrationAnswer = Literal["moved", "ended", "waiting", "gone"] | CannotMigrate
Fates = dict[UUID, Literal["moved", "ended", "waiting"] | CannotMigrate]


class Migrator(Protocol):
    """Migrates the workflows of journeys."""

    async def move(self, migrations: Mapping[str, Migration], update: str) -> dict[str, MigrationAnswer]:
        """Return the answers by workflow id. A repeated update has its first answer.

        Raises UnavailableError while Temporal does not answer.
        """


class MigrateParameters(Struct, frozen=True):
    """The parameters of an operation of this kind."""

    to_version: int


class MigrateHandler:
    """Counts `moved`, `ended`, `waiting`, `stayed`, also by step and reason."""

    def __init__(self, catalogue: Catalogue, mover: Migrator) -> None:
        self._catalogue = catalogue
        self._mover = mover

    async def total(self, connection: Connection, operation: Operation) -> int:
        return await journey_versions.count_candidates(connection, _candidates_filter(operation))

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Process a page. A repeated page finds the same journeys and counts them once."""
        sought = _candidates_filter(operation)
        campaign = await campaigns.campaign(connection, operation.campaign)
        if campaign is None or campaign.running_version != sought.version:
            # Another version is running since, and its start decided about journeys on others.
            return Page(operation.cursor, counts={SUPERSEDED: 1}, is_last=True)
        found = await journey_versions.candidates(connection, sought, operation.cursor, PAGE)
        if not found:
            return Page(operation.cursor, is_last=True)
        fates: Fates = {}
        for journey in found:
            if journey.is_moved:
                fates[journey.id] = MOVED
            elif not journey.is_active:
                fates[journey.id] = ENDED
        if active := [journey for journey in found if journey.id not in fates]:
            fates |= await self._move(connection, operation, sought.version, active)
        # Stop at the first undecided journey (its start is still queued, or the worker died during the update):
        # the next page resumes there.
        done = list(takewhile(lambda journey: journey.id in fates, found))
        await _record_those_who_stay(connection, operation, sought.version, done, fates)
        return Page(
            done[-1].id if done else operation.cursor,
            done=len(done),
            counts=_counts(done, fates),
            pause=0.0 if len(done) == len(found) else OPEN_INTERVAL,
        )

    async def _move(
        self, connection: Connection, operation: Operation, version: int, found: Sequence[Candidate]
    ) -> Fates:
        new = await self._catalogue.version(connection, operation.campaign, version)
        migrations: dict[int, Migration] = {}
        fates: Fates = {}
        for number in sorted({journey.campaign_version for journey in found}):
            old = await self._catalogue.version(connection, operation.campaign, number)
            if (kept_by := find_common_obstacle(old.rules, new.rules)) is None:
                migrations[number] = _migration(old, new, operation.id)
            else:
                fates |= {journey.id: kept_by for journey in found if journey.campaign_version == number}
        movable = [journey for journey in found if journey.campaign_version in migrations]
        # Includes pending starts: a relay that died while delivering one may have reached Temporal.
        fates |= await self._tell(connection, operation, migrations, movable)
        waiting = [journey for journey in movable if not journey.is_started and journey.id not in fates]
        return fates | await _migrate_starts(connection, operation, migrations, waiting)

    async def _tell(
        self,
        connection: Connection,
        operation: Operation,
        migrations: Mapping[int, Migration],
        found: Sequence[Candidate],
    ) -> Fates:
        if not found:
            return {}
        asked = {journey.workflow_id: migrations[journey.campaign_version] for journey in found}
        answers = await self._mover.move(asked, f"migrate-{operation.id}")
        gone = [journey.id for journey in found if answers[journey.workflow_id] == GONE]
        over = await journey_versions.find_ended(connection, gone) if gone else set()
        fates: Fates = {}
        for journey in found:
            answer = answers[journey.workflow_id]
            if answer == GONE:
                if journey.id in over:
                    fates[journey.id] = ENDED
                elif journey.is_started:
                    fates[journey.id] = NO_WORKFLOW
            elif answer != WAITING or journey.status not in AT_REST:
                fates[journey.id] = answer
        return fates


def _candidates_filter(operation: Operation) -> journey_versions.Sought:
    version = convert(operation.parameters, MigrateParameters).to_version
    return journey_versions.Sought(operation.campaign, operation.id, version, operation.created_at)


def _migration(old: LoadedVersion, new: LoadedVersion, operation: UUID) -> Migration:
    return Migration(
        from_version=old.version,
        to_version=new.version,
        plan=new.plan,
        shared_subscriptions=find_shared_subscriptions(old.rules, new.rules),
        operation=operation,
    )


async def _migrate_starts(
    connection: Connection, operation: Operation, migrations: Mapping[int, Migration], found: Sequence[Candidate]
) -> Fates:
    """Start pending journeys on the new version: they have no state to lose."""
    taken: Fates = {}
    for number, migration in migrations.items():
        here = {journey.id: journey for journey in found if journey.campaign_version == number}
        if not here:
            continue
        ids = await journey_versions.take_starts(
            connection, list(here), migration.to_version, migration.shared_subscriptions
        )
        moved = [_decision(operation, migration.to_version, here[id], connection.clock.now()) for id in ids]
        if moved:
            await decisions.insert(connection, moved)
            beginnings = [_journey_start(operation, migration.plan, here[id]) for id in ids]
            await journey_versions.begin_on_version(connection, migration.to_version, beginnings)
        for id in ids:
            taken[id] = MOVED
    return taken


async def _record_those_who_stay(
    connection: Connection, operation: Operation, version: int, found: Sequence[Candidate], fates: Fates
) -> None:
    stays = [
        _decision(operation, version, journey, connection.clock.now(), fate)
        for journey in found
        if isinstance(fate := fates[journey.id], CannotMigrate)
    ]
    if stays:
        await decisions.insert(connection, stays)


def _journey_start(operation: Operation, plan: Plan, journey: Candidate) -> JourneyStart:
    begun = machine.begin(plan, journey.entered_at, seed_of(journey.workflow_id, operation.campaign))
    if (here := position(plan, begun, journey.entered_at)) is None:
        return JourneyStart(journey.id, None, None, None)
    wakes_at = None if here.rest is None else journey.entered_at + timedelta(seconds=here.rest)
    return JourneyStart(journey.id, here.step, here.status, wakes_at)


def _decision(
    operation: Operation, version: int, journey: Candidate, at: datetime, kept_by: CannotMigrate | None = None
) -> Decision:
    ref = MigrationRef(
        journey_id=journey.id,
        from_version=journey.campaign_version,
        to_version=version,
        operation=operation.id,
        step=journey.step if kept_by is None or kept_by.step is None else kept_by.step,
        at=at,
    )
    return decision(ref, journey.profile_id, operation.campaign, kept_by)


def _counts(found: Sequence[Candidate], fates: Fates) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for journey in found:
        match fates[journey.id]:
            case CannotMigrate(reason=reason, step=step):
                counts[STAYED] += 1
                counts[f"{STAYED}/{step or journey.step or '-'}/{reason}"] += 1
            case fate:
                counts[fate] += 1
    return dict(counts)
