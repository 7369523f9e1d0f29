"""Breakpoints of RFM by day: requested at midnight, computed, and put in force."""

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct, convert, to_builtins

from application.computed_traits import find_counted
from application.segments import SegmentText, apply_segments
from application.trait_sweeper import SweepResult
from domain.access import SOJOURN, Actor
from domain.deployment_documents import RFM as RFM_DOCUMENT
from domain.local_time.instants import DAY, instant, local_day
from domain.people.rfm.rule import LAST, ORDERS, RFM, SPENT, TRAITS, RfmRule
from domain.people.rfm.scores import Breakpoints, find_breakpoints
from domain.people.rfm.segments import list_changed
from domain.tracking.event import SOJOURN_SOURCE
from store import campaigns, computed_traits, documents, operations, rfm, segments
from store.computed_traits import StoredTrait
from store.database import Connection, Database
from store.operations import Operation, Page
from store.rfm import RfmDay
from store.segments import StoredSegment

# The pause of an operation that waits for the history of its traits, or for a judgement.
WAIT_SECONDS: Final = 1.0


class ScoreParameters(Struct, frozen=True):
    """The local day of which the scores are."""

    day: date


async def request_scores(connection: Connection, rule: RfmRule, by: str) -> Operation:
    """Request the scores of today, in an operation."""
    day = local_day(connection.clock.now(), ZoneInfo(rule.timezone))
    await rfm.claim_day(connection, day)
    parameters = to_builtins(ScoreParameters(day))
    return await operations.insert_for_deployment(connection, "score", parameters, requested_by=by)


class ScoreDay(Struct, frozen=True):
    """A day in the zone of the scores; `is_due` until its scores are requested."""

    day: date
    begins_at: datetime
    ends_at: datetime
    is_due: bool


async def find_score_day(connection: Connection) -> ScoreDay | None:
    """Return the day of now; None without a rule."""
    rules = (await documents.latest(connection, RFM_DOCUMENT)).rules
    if not rules:
        return None
    zone = ZoneInfo(rules[0].timezone)
    day = local_day(connection.clock.now(), zone)
    begins_at, ends_at = (instant(each, time(), zone) for each in (day, day + DAY))
    return ScoreDay(day, begins_at, ends_at, is_due=not await rfm.is_claimed(connection, day))


class ScoreSchedule:
    """Requests new breakpoints at each local midnight; any number may run.

    The row of a day and the request are one transaction: a day is requested once, also if a worker is killed.
    """

    name = RFM

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sweep(self) -> SweepResult:
        """Request the scores of today, unless they are."""
        async with self._database.transaction() as connection:
            today = await find_score_day(connection)
            if today is None:
                return SweepResult(0, 0.0, None)
            now = connection.clock.now()
            seconds = (today.ends_at - now).total_seconds()
            if not today.is_due or not await rfm.claim_day(connection, today.day):
                return SweepResult(0, 0.0, seconds)
            parameters = to_builtins(ScoreParameters(today.day))
            await operations.insert_for_deployment(connection, "score", parameters, requested_by=SOJOURN_SOURCE)
        return SweepResult(1, (now - today.begins_at).total_seconds(), seconds)


class ScoreHandler:
    """Computes breakpoints, and puts segments of scores in force by them.

    It waits until the computed traits are counted, and until earlier breakpoints have judged everyone. All else is one
    transaction. It ends without scores if the count was cancelled.
    """

    async def total(self, connection: Connection, operation: Operation) -> None:
        """Return None: the number of buyers is the result."""

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Compute the breakpoints, as soon as that is possible."""
        document = await documents.latest(connection, RFM_DOCUMENT)
        if not document.rules:
            return Page(None, is_last=True)
        stored = {one.definition.key: one for one in await load_traits(connection)}
        if await is_count_cancelled(connection, stored.values()):
            return Page(None, is_last=True)
        if not await _can_score(connection, stored.values()):
            return Page(None, pause=WAIT_SECONDS)
        now = connection.clock.now()
        [rule], ids = document.rules, {key: one.definition.id for key, one in stored.items()}
        population = await rfm.measure(connection, ids[LAST], ids[ORDERS], ids[SPENT], window=rule.within, at=now)
        await campaigns.lock_registry_exclusive(connection)
        found = await rfm.latest(connection)
        if (await documents.latest_version(connection, RFM_DOCUMENT)) != document.version:
            return Page(None)
        if found is None or found.as_of < now:
            breakpoints = find_breakpoints(population)
            day = convert(operation.parameters, ScoreParameters).day
            await rfm.write(connection, day, RfmDay(now, population, breakpoints))
            await put_segments(connection, breakpoints, day, SOJOURN)
        return Page(None, done=population.buyers, counts={"buyers": population.buyers}, is_last=True)


async def _can_score(connection: Connection, traits: Iterable[StoredTrait]) -> bool:
    """Return whether people can be scored.

    The traits are counted, and everyone was judged by earlier breakpoints. It does not wait for a judgement that was
    cancelled.
    """
    if any(one.ready_at is None for one in traits):
        return False
    is_judged = all(one.ready_at is not None for one in await load_segments(connection))
    return is_judged or not await operations.is_open(connection, "judge")


async def is_count_cancelled(connection: Connection, traits: Iterable[StoredTrait]) -> bool:
    """Return whether the traits are not counted, and nothing counts them."""
    uncounted = {one.definition.id for one in traits if one.ready_at is None}
    return bool(uncounted) and not uncounted <= await find_counted(connection)


async def put_segments(connection: Connection, breakpoints: Breakpoints | None, day: date | None, by: Actor) -> None:
    """Put the segments in force whose condition changes by new breakpoints.

    The caller holds the registry's exclusive lock.
    """
    stored = {one.definition.key: one.definition.rule for one in await load_segments(connection)}
    changed = list_changed(stored, breakpoints, day)
    if changed:
        texts = [SegmentText(segment.key, segment.title, segment.text, rule) for segment, rule in changed]
        await apply_segments(connection, texts, by)


async def load_traits(connection: Connection) -> list[StoredTrait]:
    """Return the computed traits of the rule."""
    return [one for one in await computed_traits.load(connection) if one.definition.key in TRAITS]


async def load_segments(connection: Connection) -> list[StoredSegment]:
    """Return the segments of scores."""
    return [one for one in await segments.load(connection) if one.definition.rule.exclusive == RFM]
