"""RFM of the deployment: the rule put in force, breakpoints by day, and numbers."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct, convert, to_builtins

from application.computed_traits import replace_traits
from application.references import describe_readers, find_segment_readers
from application.segments import SegmentText, apply_segments
from application.trait_sweeper import SweepResult
from domain.access import SOJOURN, Actor
from domain.deployment_documents import RFM as RFM_DOCUMENT
from domain.deployment_documents import RuleReader
from domain.document.yaml_source import read
from domain.epoch import to_microseconds
from domain.errors import ConflictError, NotFoundError, Problem
from domain.local_time.instants import DAY, instant, local_day
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.traits import ComputedState
from domain.people.rfm.rule import LAST, ORDERS, RFM, RFM_PREFIX, SPENT, TRAITS, RfmRule, list_traits
from domain.people.rfm.scores import (
    MIN_BUYERS,
    Breakpoints,
    Cell,
    RfmScores,
    RfmValues,
    explain_refusal,
    find_breakpoints,
    read_values,
    score,
)
from domain.people.rfm.segments import NEVER, SEGMENTS, average_spent, make_segment_rule, segment_of
from domain.people.rfm.value import BuyerOrders, ExpectedValue, ValueModel, expect_value, make_history, read_orders
from domain.people.stage_flow import CountedMove
from domain.tracking.event import SOJOURN_SOURCE
from store import audit, campaigns, computed_traits, documents, operations, rfm, seen, segments, stage_flow
from store.computed_traits import StoredTrait
from store.database import Connection, Database
from store.operations import Operation, Page
from store.rfm import RfmDay
from store.segments import StoredSegment

# The pause of an operation that waits for the history of its traits, or for a judgement.
WAIT_SECONDS: Final = 1.0
# The period of transitions that are shown without another.
DEFAULT_DAYS: Final = 7
_DAY_SECONDS: Final = 86_400
# Orders of a sample: an answer of some 20 MB. No more buyers are drawn beyond it.
MAX_DRAWN_ORDERS: Final = 500_000


class ScoreParameters(Struct, frozen=True):
    """The local day of which the scores are."""

    day: date


async def apply_rfm(connection: Connection, rules: Sequence[RfmRule], by: Actor) -> None:
    """Put a rule in force, or end the scores.

    The caller holds the registry's exclusive lock. The rule's computed traits count earlier events, and then an
    operation scores everyone. With another event, value or window it begins anew. Raises ConflictError if something
    reads a segment that would be removed.
    """
    stored = await _load_traits(connection)
    wanted = list_traits(rules[0]) if rules else {}
    if {one.definition.key: one.definition.rule for one in stored} == wanted:
        return
    await rfm.forget(connection)
    if rules:
        # Without breakpoints until the traits are counted. People leave without triggers.
        await _put_segments(connection, None, None, by)
    else:
        await _require_unread(connection)
        await segments.retire(connection, [one.definition.id for one in await _load_segments(connection)])
    await replace_traits(connection, stored, wanted, by)
    if rules:
        await request_scores(connection, rules[0], by.name)


async def find_rfm_readers(connection: Connection, names: Sequence[str]) -> dict[str, Sequence[RuleReader]]:
    """Return what names a segment of scores, by the rule; also open holds."""
    found = await find_segment_readers(connection, [segment.key for segment in SEGMENTS])
    readers = list(dict.fromkeys(reader for known in found.values() for reader in known))
    return {name: readers for name in names if readers}


async def _require_unread(connection: Connection) -> None:
    if readers := await find_segment_readers(connection, [segment.key for segment in SEGMENTS]):
        raise ConflictError(
            f"{describe_readers(readers)}: keep the scores. To end them, first apply versions that do not read them "
            "and end the journeys of the others, or stop the campaign; release their holds",
            read_by=to_builtins(readers),
        )


async def warn_of_rfm(connection: Connection, rules: Sequence[RfmRule], text: str, file: str) -> list[Problem]:
    """Warn of a rule for which there are too few orders, as far as that is known."""
    if not rules:
        return []
    source, [rule] = read(text, file), rules
    remedy = "Apply it all the same: people are scored once there are enough, at midnight"
    found = await rfm.latest(connection)
    stored = {one.definition.key: one.definition.rule for one in await _load_traits(connection)}
    if found is not None and stored == list_traits(rule):
        refusal = explain_refusal(found.population)
        return [] if refusal is None else [source.problem(("rfm",), f"there are no scores: {refusal}", remedy)]
    if "track" in await seen.find_crowded(connection):
        return []
    known = await seen.page(connection, limit=1_000, after=None, source=None, type="track", name=rule.event)
    if (orders := sum(one.seen.count for one in known)) >= MIN_BUYERS:
        return []
    said = f"`{rule.event}` was reported {orders:,} times, and scores need {MIN_BUYERS} buyers"
    return [source.problem(("rfm", "event"), said, remedy)]


async def describe_rfm(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Return when people were scored last, by which breakpoints, or why not."""
    found = await rfm.latest(connection)
    if found is None:
        return {RFM: {"ready_at": None}}
    return {
        RFM: {
            "ready_at": found.as_of,
            "buyers": found.population.buyers,
            "breakpoints": None if found.breakpoints is None else to_builtins(found.breakpoints),
            "refusal": explain_refusal(found.population),
        }
    }


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
    transaction.
    """

    async def total(self, connection: Connection, operation: Operation) -> None:
        """Return None: the number of buyers is the result."""

    async def page(self, connection: Connection, operation: Operation) -> Page:
        """Compute the breakpoints, as soon as that is possible."""
        document = await documents.latest(connection, RFM_DOCUMENT)
        if not document.rules:
            return Page(None, is_last=True)
        stored = {one.definition.key: one for one in await _load_traits(connection)}
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
            await _put_segments(connection, breakpoints, day, SOJOURN)
        return Page(None, done=population.buyers, counts={"buyers": population.buyers}, is_last=True)


async def _can_score(connection: Connection, traits: Iterable[StoredTrait]) -> bool:
    """Return whether people can be scored.

    The traits are counted, and everyone was judged by earlier breakpoints. It does not wait for a judgement that was
    cancelled.
    """
    if any(one.ready_at is None for one in traits):
        return False
    is_judged = all(one.ready_at is not None for one in await _load_segments(connection))
    return is_judged or not await operations.is_open(connection, "judge")


async def _put_segments(connection: Connection, breakpoints: Breakpoints | None, day: date | None, by: Actor) -> None:
    """Put the segments in force whose condition changes by new breakpoints.

    The caller holds the registry's exclusive lock. People move with triggers if they had scores and have scores.
    """
    stored = {one.definition.key: one.definition.rule for one in await _load_segments(connection)}
    has_scores = breakpoints is not None and any(rule.where != NEVER for rule in stored.values())
    texts = []
    for segment in SEGMENTS:
        rule = make_segment_rule(segment, breakpoints, None if day is None else day.isoformat(), is_move=has_scores)
        known = stored.get(segment.key)
        if known is None or known.where != rule.where:
            texts.append(SegmentText(segment.key, segment.title, segment.text, rule))
    if texts:
        await apply_segments(connection, texts, by)


async def _load_traits(connection: Connection) -> list[StoredTrait]:
    return [one for one in await computed_traits.load(connection) if one.definition.key in TRAITS]


async def _load_segments(connection: Connection) -> list[StoredSegment]:
    return [one for one in await segments.load(connection) if one.definition.rule.exclusive == RFM]


@dataclass(frozen=True, slots=True)
class RfmPosition:
    """The values of a person and their scores, by the breakpoints of an instant.

    `expected` is by the latest model of value; None without one.
    """

    values: RfmValues
    scores: RfmScores
    segment: str
    scored_by: datetime
    expected: ExpectedValue | None


async def find_position(
    connection: Connection, traits: DeployedTraits, state: ComputedState, at: datetime
) -> RfmPosition | None:
    """Return the scores of a person; None without breakpoints, or without an order."""
    if not traits.ready.types.keys() >= set(TRAITS):
        return None
    values, found = read_values(traits.view(state, at), at), await rfm.latest(connection)
    if values is None or found is None or found.breakpoints is None:
        return None
    scores = score(values, found.breakpoints)
    segment = segment_of(scores.recency, scores.frequency).key
    return RfmPosition(values, scores, segment, found.as_of, await _find_expected(connection, traits, state, at))


async def _find_expected(
    connection: Connection, traits: DeployedTraits, state: ComputedState, at: datetime
) -> ExpectedValue | None:
    kept = await rfm.latest_model(connection)
    if kept is None:
        return None
    own = {one.key: one for one in traits.definitions if one.key in TRAITS}
    window = own[ORDERS].rule.within or 0
    orders = read_orders(state, own[ORDERS].id, own[SPENT].id, window, to_microseconds(at))
    return expect_value(kept[1], make_history(orders)) if orders.ages else None


@dataclass(frozen=True, slots=True)
class OrderSample:
    """The orders of buyers drawn at random, as of an instant, in a window of days."""

    as_of: datetime
    window_days: float
    buyers: Sequence[BuyerOrders]


@dataclass(frozen=True, slots=True)
class RfmSegmentNumbers:
    """A segment with the people who are in it now, and the mean sum as of the scores."""

    key: str
    name: str
    recency: tuple[int, int]
    frequency: tuple[int, int]
    people: int
    average_spent: float | None


@dataclass(frozen=True, slots=True)
class RfmNumbers:
    """The buyers by scores as of an instant, and their moves of the last days."""

    as_of: datetime | None
    buyers: int
    refusal: str | None
    breakpoints: Breakpoints | None
    segments: Sequence[RfmSegmentNumbers]
    cells: Sequence[Cell]
    days: int
    moves: Sequence[CountedMove]


class Rfm:
    """Shows the scores of the deployment, and has them computed anew."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def numbers(self, days: int) -> RfmNumbers:
        """Return the numbers of segments, and the moves of so many days.

        Raises NotFoundError without a rule.
        """
        async with self._database.long_read() as connection:
            await _get_rule(connection)
            found = await rfm.latest(connection)
            people = await segments.count_members(connection)
            ids = {one.definition.key: one.definition.id for one in await _load_segments(connection)}
            now = connection.clock.now()
            moves = await stage_flow.count_moves(connection, now - timedelta(days=days), now, RFM, RFM_PREFIX)
        cells = found.population.cells if found is not None and found.breakpoints is not None else ()
        return RfmNumbers(
            as_of=None if found is None else found.as_of,
            buyers=0 if found is None else found.population.buyers,
            refusal="earlier orders are being counted" if found is None else explain_refusal(found.population),
            breakpoints=None if found is None else found.breakpoints,
            segments=[
                RfmSegmentNumbers(
                    key=segment.key,
                    name=segment.title,
                    recency=segment.recency,
                    frequency=segment.frequency,
                    people=people.get(ids[segment.key], 0),
                    average_spent=average_spent(segment, cells),
                )
                for segment in SEGMENTS
            ],
            cells=cells,
            days=days,
            moves=sorted(moves, key=lambda move: (-move.people, move.before or "", move.after)),
        )

    async def draw_orders(self, sample: int) -> OrderSample:
        """Draw buyers at random, for a model of their value.

        Fewer are drawn if they have MAX_DRAWN_ORDERS together.

        Raises NotFoundError without a rule, and ConflictError while earlier orders are being counted.
        """
        async with self._database.long_read() as connection:
            rule = await _get_rule(connection)
            stored = {one.definition.key: one for one in await _load_traits(connection)}
            if any(one.ready_at is None for one in stored.values()):
                raise ConflictError("earlier orders are being counted: ask again when `sojourn operations` has done it")
            ids = {key: one.definition.id for key, one in stored.items()}
            now = connection.clock.now()
            instant, number = to_microseconds(now), 0
            found: list[BuyerOrders] = []
            drawn = rfm.draw_states(
                connection, ids[LAST], ids[ORDERS], ids[SPENT], window=rule.within, at=now, limit=sample
            )
            async with aclosing(drawn):
                async for state in drawn:
                    one = read_orders(state, ids[ORDERS], ids[SPENT], rule.within, instant)
                    if one.ages:
                        found.append(one)
                        number += len(one.ages)
                    if number >= MAX_DRAWN_ORDERS:
                        break
        return OrderSample(now, rule.within / _DAY_SECONDS, found)

    async def keep_model(self, as_of: datetime, model: ValueModel, by: Actor) -> None:
        """Keep a fitted model of value, which people are shown by. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            await _get_rule(connection)
            await audit.record(connection, by, "rfm.model", RFM, to_builtins(model))
            await rfm.keep_model(connection, as_of, model, by.name)

    async def recompute(self, by: Actor) -> Operation:
        """Request new breakpoints, in an operation. Raises NotFoundError without a rule."""
        async with self._database.transaction() as connection:
            rule = await _get_rule(connection)
            if waiting := await operations.list_open(connection, "score"):
                return waiting[-1]
            await audit.record(connection, by, "rfm.recompute", RFM, {})
            return await request_scores(connection, rule, by.name)


async def _get_rule(connection: Connection) -> RfmRule:
    rules = (await documents.latest(connection, RFM_DOCUMENT)).rules
    if not rules:
        raise NotFoundError("there are no RFM scores yet: `sojourn rfm apply FILE`")
    return rules[0]
