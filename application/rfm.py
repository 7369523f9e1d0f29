"""Use cases of RFM: numbers, orders for a model of value, and new breakpoints."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec import to_builtins

from application.rfm_scores import is_count_cancelled, load_segments, load_traits, request_scores
from domain.access import Actor
from domain.deployment_documents import RFM as RFM_DOCUMENT
from domain.epoch import to_microseconds
from domain.errors import ConflictError, NotFoundError
from domain.people.rfm.rule import LAST, ORDERS, RFM, RFM_PREFIX, SPENT, RfmRule
from domain.people.rfm.scores import Breakpoints, Cell, explain_refusal
from domain.people.rfm.segments import SEGMENTS, average_spent
from domain.people.rfm.value import BuyerOrders, ValueModel, read_orders
from domain.people.stage_flow import CountedMove
from store import audit, campaigns, documents, operations, rfm, segments, stage_flow
from store.database import Connection, Database
from store.operations import Operation

# The period of transitions that are shown without another.
DEFAULT_DAYS: Final = 7
_DAY_SECONDS: Final = 86_400
# Orders of a sample: an answer of some 20 MB. No more buyers are drawn beyond it.
MAX_DRAWN_ORDERS: Final = 500_000


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
            ids = {one.definition.key: one.definition.id for one in await load_segments(connection)}
            now = connection.clock.now()
            moves = await stage_flow.count_moves(connection, now - timedelta(days=days), now, RFM, RFM_PREFIX)
            refusal = await _explain_absence(connection) if found is None else explain_refusal(found.population)
        cells = found.population.cells if found is not None and found.breakpoints is not None else ()
        return RfmNumbers(
            as_of=None if found is None else found.as_of,
            buyers=0 if found is None else found.population.buyers,
            refusal=refusal,
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
            stored = {one.definition.key: one for one in await load_traits(connection)}
            if any(one.ready_at is None for one in stored.values()):
                raise ConflictError(f"{await _explain_absence(connection)}: `sojourn operations` shows the count")
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
        """Keep a fitted model of value, which people are shown by.

        Raises NotFoundError without a rule, and ConflictError if the orders as of that instant were of another one.
        """
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_shared(connection)
            await _get_rule(connection)
            since = max(one.active_from for one in await load_traits(connection))
            if not since <= as_of <= connection.clock.now():
                raise ConflictError(
                    f"the rule in force is of {since:%Y-%m-%dT%H:%M:%SZ}: draw orders, and fit a model anew"
                )
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


async def _explain_absence(connection: Connection) -> str:
    """Return why there are no breakpoints yet."""
    if await is_count_cancelled(connection, await load_traits(connection)):
        return "the count of earlier orders was cancelled; `sojourn rfm apply FILE` requests it again"
    return "earlier orders are being counted"


async def _get_rule(connection: Connection) -> RfmRule:
    rules = (await documents.latest(connection, RFM_DOCUMENT)).rules
    if not rules:
        raise NotFoundError("there are no RFM scores yet: `sojourn rfm apply FILE`")
    return rules[0]
